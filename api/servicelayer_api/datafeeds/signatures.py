"""Who a signer is, and whether a signature is theirs. Pure.

A signer is written in one of three ways: a Neo wallet (script hash `0x...`, or its address), a
compressed secp256r1 public key (66 hex digits), or `ed25519:` and 64 hex digits. A wallet is the
hash of a key, so its updates bring the key along.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

import msgspec

from servicelayer_api.crypto import neo
from servicelayer_api.crypto.signing import is_signed
from servicelayer_api.datafeeds.models import Scheme

MOST_SIGNERS: Final = 100

_ED25519: Final = "ed25519:"
_ED25519_KEY: Final = re.compile(r"ed25519:(?:0x)?([0-9a-f]{64})")
_SIGNATURE_BYTES: Final = 64


class SignerRefusedError(ValueError):
    """The text names no signer, or the signature is not theirs; the message says why."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """A verified signature: its scheme, the key and the signature in hex, the salt if any."""

    scheme: Scheme
    public_key: str
    signature: str
    salt: str = ""


NO_PROOF: Final = Proof(scheme="none", public_key="", signature="")


def parse_signer(text: str) -> str:
    """Read a signer.

    Returns:
        Its one canonical form, in lower case.

    Raises:
        SignerRefusedError: It is none.
    """
    plain, lower = text.strip(), text.strip().lower()
    if found := _ED25519_KEY.fullmatch(lower):
        return _ED25519 + found[1]
    try:
        if lower.startswith(("02", "03", "04")):
            return neo.parse_public_key(lower).hex()
        # An address tells upper from lower case; of the other forms it is the case that is free.
        return neo.hash_to_text(neo.parse_wallet(lower if lower.startswith("0x") else plain))
    except neo.NeoFormatError as exc:
        raise SignerRefusedError("is no wallet, secp256r1 key or ed25519: key") from exc


def is_wallet(signer: str) -> bool:
    """Whether a canonical signer is a wallet, which its account must have registered."""
    return signer.startswith("0x")


def holder_of(signer: str) -> str:
    """Who holds a canonical signer: a secp256r1 key and the wallet that is its hash are one."""
    if is_wallet(signer) or signer.startswith(_ED25519):
        return signer
    return neo.hash_to_text(neo.public_key_to_hash(bytes.fromhex(signer)))


def verify(signer: str, signed: str, *, signature: str, public_key: str, salt: str) -> Proof:
    """Verify the signature of a signer.

    Args:
        signer: Canonical.
        signed: The text; ASCII.
        signature: 64 bytes in hex or base64.
        public_key: Hex; needed for a wallet only.
        salt: As a wallet of version 1 gave it; else empty.

    Raises:
        SignerRefusedError: It is not the signer's.
    """
    raw = _read_signature(signature)
    if signer.startswith(_ED25519):
        key = signer.removeprefix(_ED25519)
        if not is_signed(bytes.fromhex(key), signed.encode("ascii"), raw):
            raise SignerRefusedError("the signature is not the signer's over this update")
        return Proof(scheme="ed25519", public_key=key, signature=raw.hex())
    try:
        key = neo.parse_public_key(public_key or ("" if is_wallet(signer) else signer))
        forms = neo.signed_forms(signed.encode("ascii"), salt or None)
    except neo.NeoFormatError as exc:
        raise SignerRefusedError(f"pubkey or salt: {exc}") from exc
    if signer not in {key.hex(), neo.hash_to_text(neo.public_key_to_hash(key))}:
        raise SignerRefusedError("pubkey is not the key of the signer")
    if not any(neo.verify(key, raw, form) for form in forms):
        raise SignerRefusedError("the signature is not the signer's over this update")
    return Proof(scheme="secp256r1", public_key=key.hex(), signature=raw.hex(), salt=salt)


def _read_signature(text: str) -> bytes:
    plain = text.strip()
    try:
        raw = bytes.fromhex(plain.removeprefix("0x"))
    except ValueError:
        standard = plain.replace("-", "+").replace("_", "/")
        try:
            raw = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        except (binascii.Error, ValueError) as exc:
            raise SignerRefusedError("a signature is 64 bytes in hex or base64") from exc
    if len(raw) != _SIGNATURE_BYTES:
        raise SignerRefusedError("a signature is 64 bytes in hex or base64")
    return raw
