"""Neo N3 addresses and the signatures that Neo wallets make.

A wallet is the 20-byte hash of its verification script. People write it in two forms, and both mean
the same wallet: the address (`N...`, base58check with version 0x35) and the script hash (`0x` and
40 hex digits, byte order reversed). Inside the product the stored form is the script hash in lower
case.

This room holds no private key and refuses what it cannot prove: a key that is no point of
secp256r1, a signature of another length, a text whose checksum does not fit.
"""

import hashlib
import re
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from servicelayer_api.crypto.ripemd160 import ripemd160

ADDRESS_VERSION: Final = 0x35
HASH_LENGTH: Final = 20
SIGNATURE_LENGTH: Final = 64

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_SCRIPT_HASH: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_SALT: Final = re.compile(r"[0-9a-fA-F]{32}")
_COMPRESSED_LENGTH: Final = 33
_UNCOMPRESSED_LENGTH: Final = 65
_CHECKSUM_LENGTH: Final = 4
# An address is 34 letters; the bound keeps the quadratic decoding of hostile texts small.
_MAX_BASE58_LENGTH: Final = 64
# PUSHDATA1 33 <key> SYSCALL System.Crypto.CheckSig
_SCRIPT_HEAD: Final = b"\x0c\x21"
_SCRIPT_TAIL: Final = b"\x41\x56\xe7\xb3\x27"


class NeoFormatError(ValueError):
    """The text is not the Neo value it should be; the message never echoes the text."""


def base58check_encode(payload: bytes) -> str:
    """Write bytes as base58 with four bytes of double SHA-256 behind them.

    Args:
        payload: version byte and data.

    Returns:
        The text; each leading zero byte is a leading `1`.
    """
    data = payload + _checksum(payload)
    number = int.from_bytes(data)
    letters: list[str] = []
    while number:
        number, digit = divmod(number, 58)
        letters.append(_ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(letters))


def base58check_decode(text: str) -> bytes:
    """Read what `base58check_encode` wrote.

    Args:
        text: at most 64 letters of the base58 alphabet.

    Returns:
        The payload without its checksum.

    Raises:
        NeoFormatError: a letter outside the alphabet, a wrong length or a wrong checksum.
    """
    if not text or len(text) > _MAX_BASE58_LENGTH:
        raise NeoFormatError("is not base58 text of an address")
    number = 0
    for letter in text:
        digit = _DIGITS.get(letter)
        if digit is None:
            raise NeoFormatError("holds a letter outside the base58 alphabet")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    data = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)
    if len(data) <= _CHECKSUM_LENGTH:
        raise NeoFormatError("is too short for an address")
    payload, checksum = data[:-_CHECKSUM_LENGTH], data[-_CHECKSUM_LENGTH:]
    if _checksum(payload) != checksum:
        raise NeoFormatError("has a wrong checksum")
    return payload


def address_to_hash(address: str) -> bytes:
    """The script hash of an address.

    Args:
        address: base58check text.

    Returns:
        20 bytes in the order in which the chain stores them.

    Raises:
        NeoFormatError: no address of Neo N3.
    """
    payload = base58check_decode(address)
    if len(payload) != HASH_LENGTH + 1:
        raise NeoFormatError("does not hold a script hash of 20 bytes")
    if payload[0] != ADDRESS_VERSION:
        raise NeoFormatError(
            "is an address of another network version; Neo N3 addresses begin with N"
        )
    return payload[1:]


def hash_to_address(script_hash: bytes) -> str:
    """The address of a script hash (20 bytes in the chain's order)."""
    _check_hash(script_hash)
    return base58check_encode(bytes([ADDRESS_VERSION]) + script_hash)


def hash_to_text(script_hash: bytes) -> str:
    """The `0x...` form of a script hash: reversed, in lower case."""
    _check_hash(script_hash)
    return "0x" + script_hash[::-1].hex()


def parse_wallet(text: str) -> bytes:
    """Read a wallet in either of its forms.

    Args:
        text: an address (`N...`) or a script hash (`0x` and 40 hex digits).

    Returns:
        The script hash, 20 bytes in the chain's order.

    Raises:
        NeoFormatError: the text is neither.
    """
    if text.startswith("0x"):
        if not _SCRIPT_HASH.fullmatch(text):
            raise NeoFormatError("must be 0x and 40 hex characters")
        return bytes.fromhex(text[2:])[::-1]
    return address_to_hash(text)


def verification_script(public_key: bytes) -> bytes:
    """The script a single-key wallet is the hash of.

    Args:
        public_key: 33 bytes, compressed.

    Returns:
        40 bytes.

    Raises:
        NeoFormatError: the key has another length.
    """
    if len(public_key) != _COMPRESSED_LENGTH:
        raise NeoFormatError("a compressed public key has 33 bytes")
    return _SCRIPT_HEAD + public_key + _SCRIPT_TAIL


def script_hash(script: bytes) -> bytes:
    """RIPEMD-160 of SHA-256 of a script: 20 bytes in the chain's order."""
    return ripemd160(hashlib.sha256(script).digest())


def public_key_to_hash(public_key: bytes) -> bytes:
    """The script hash of the wallet of one compressed public key."""
    return script_hash(verification_script(public_key))


def parse_public_key(text: str) -> bytes:
    """Read a secp256r1 public key.

    Args:
        text: hex of 33 bytes (compressed) or of 65 bytes (uncompressed).

    Returns:
        33 bytes, compressed.

    Raises:
        NeoFormatError: no hex, another length, or no point of the curve.
    """
    data = _unhex(text, "a public key")
    if len(data) not in {_COMPRESSED_LENGTH, _UNCOMPRESSED_LENGTH}:
        raise NeoFormatError("a public key has 33 bytes compressed or 65 bytes uncompressed")
    return _load_key(data).public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def parse_signature(text: str) -> bytes:
    """Read a signature: hex of 64 bytes, r and s.

    Raises:
        NeoFormatError: no hex or another length.
    """
    data = _unhex(text, "a signature")
    if len(data) != SIGNATURE_LENGTH:
        raise NeoFormatError("a signature has 64 bytes, r and s")
    return data


def signed_forms(message: bytes, salt: str | None = None) -> list[bytes]:
    """The byte strings that wallets hash and sign when they are asked to sign a message.

    Version 2, the default of today's wallets, signs the message itself. Version 3 puts it into the
    frame of a transaction that can never be valid, so that no wallet signs a payment by mistake;
    version 1 (classic) does so with a random salt before the message.

    Args:
        message: the challenge in ASCII.
        salt: the 32 hex digits that a wallet of version 1 answered beside its signature.

    Returns:
        The forms to try, the likeliest first.

    Raises:
        NeoFormatError: the salt is not 32 hex digits.
    """
    forms = [message, _framed(message)]
    if salt is not None:
        if not _SALT.fullmatch(salt):
            raise NeoFormatError("a salt is 32 hex characters")
        forms.append(_framed(salt.encode("ascii") + message))
    return forms


def verify(public_key: bytes, signature: bytes, data: bytes) -> bool:
    """Check ECDSA over secp256r1 with SHA-256.

    Args:
        public_key: 33 bytes, compressed.
        signature: 64 bytes, r and s, big endian.
        data: what was signed.

    Returns:
        Whether the holder of the key signed the data.

    Raises:
        NeoFormatError: the key is no point of the curve.
    """
    key = _load_key(public_key)
    if len(signature) != SIGNATURE_LENGTH:
        return False
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    try:
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _framed(parameter: bytes) -> bytes:
    return b"\x01\x00\x01\xf0" + _var_int(len(parameter)) + parameter + b"\x00\x00"


def _var_int(value: int) -> bytes:
    if value < 0xFD:  # noqa: PLR2004 - the format's own marker: above it the length takes more bytes
        return bytes([value])
    if value <= 0xFFFF:  # noqa: PLR2004 - the largest length of two bytes
        return b"\xfd" + value.to_bytes(2, "little")
    return b"\xfe" + value.to_bytes(4, "little")


def _load_key(data: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except ValueError as exc:
        raise NeoFormatError("the public key is no point of secp256r1") from exc


def _unhex(text: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as exc:
        raise NeoFormatError(f"{what} is written in hexadecimal") from exc


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:_CHECKSUM_LENGTH]


def _check_hash(value: bytes) -> None:
    if len(value) != HASH_LENGTH:
        raise NeoFormatError("a script hash has 20 bytes")
