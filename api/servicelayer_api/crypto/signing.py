"""Ed25519 signatures (RFC 8032) over libsodium, and how a private key is written in a setting.

A key that is given with its public half must match it: a signature made with a pair that does not
belong together gives the private key away.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from nacl import exceptions
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair

SEED_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

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
        text: Its seed of 32 bytes, or seed and public key together, in hex or in either base64.

    Returns:
        The seed, 32 bytes.

    Raises:
        KeyFormatError: It is something else, or the public key is another's.
    """
    given = _decode(text.strip())
    if len(given) not in {SEED_BYTES, _PAIR_BYTES}:
        raise KeyFormatError("is not 32 or 64 bytes in base64 or hex")
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
