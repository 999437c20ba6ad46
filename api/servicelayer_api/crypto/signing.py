"""Ed25519 signatures (RFC 8032) over libsodium, and how a private key is written in a setting.

A key that is given with its public half must match it: a signature made with a pair that does not
belong together gives the private key away.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from nacl import exceptions
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair

SEED_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

# What stands before the seed in DER: version 0, the object identifier 1.3.101.112, two lengths.
_PKCS8: Final = bytes.fromhex("302e020100300506032b657004220420")
_PEM: Final = re.compile(r"-----(BEGIN|END) PRIVATE KEY-----|\s")
_PAIR_BYTES: Final = SEED_BYTES + PUBLIC_KEY_BYTES


class KeyFormatError(ValueError):
    """The text is no Ed25519 private key; the message never repeats it."""


class SigningKey:
    """An Ed25519 private key."""

    def __init__(self, seed: bytes) -> None:
        """Hold the key of a seed of 32 bytes."""
        self.public, self._pair = crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        """Sign a message: 64 bytes, the same ones each time."""
        return crypto_sign(message, self._pair)[:SIGNATURE_BYTES]


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is this key's over this message.

    Keys of small order, and signatures that were altered into another valid form, do not pass.

    Args:
        public: 32 bytes.
        message: Any.
        signature: 64 bytes.
    """
    if len(public) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except exceptions.BadSignatureError:
        return False
    return True


def parse_private_key(text: str) -> bytes:
    """Read a private key.

    Args:
        text: Its seed of 32 bytes, or seed and public key together, in hex or in either base64; or
            PKCS#8 (RFC 8410), as `openssl genpkey -algorithm ed25519` writes it: PEM, or its
            base64 without the lines around it.

    Returns:
        The seed, 32 bytes.

    Raises:
        KeyFormatError: It is something else, or the public key is another's.
    """
    given = _decode(_unwrap(text))
    given = given.removeprefix(_PKCS8)
    if len(given) not in {SEED_BYTES, _PAIR_BYTES}:
        raise KeyFormatError(
            "is not 32 or 64 bytes in base64 or hex, nor an Ed25519 key as openssl writes it"
        )
    seed, public = given[:SEED_BYTES], given[SEED_BYTES:]
    if public and public != SigningKey(seed).public:
        raise KeyFormatError("holds a public half that does not belong to its private half")
    return seed


def parse_public_key(text: str) -> bytes:
    """Read a public key of 32 bytes, in hex or in either base64.

    Raises:
        KeyFormatError: It is something else.
    """
    public = _decode(text.strip())
    if len(public) != PUBLIC_KEY_BYTES:
        raise KeyFormatError("the public key is not 32 bytes in base64 or hex")
    return public


def _unwrap(text: str) -> str:
    """Take off what a PEM file has around the base64, and its line breaks, written out or not."""
    lines = text.replace("\\n", "\n").split()
    return "".join(lines) if "-----BEGIN" not in text else _PEM.sub("", " ".join(lines))


def _decode(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    plain = text.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
