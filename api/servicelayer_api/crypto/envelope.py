"""Envelope encryption: a key-encryption key wraps data keys, a data key seals data.

All of it is AES-256-GCM with random nonces of 96 bits (NIST SP 800-38D). Invariant: what a sealed
text stands for is part of its associated data, as length-prefixed fields, so that it opens in the
place it was made for and nowhere else. The key-encryption key is never used as it is: a wrapping
key and a fingerprint are derived from it under labels of their own (HKDF, RFC 5869; HMAC, RFC
2104).

Sealed data is one byte of format (1), 16 bytes naming the data key, 12 of nonce, the ciphertext and
16 of tag. A wrapped data key is 12 bytes of nonce, 32 of ciphertext, 16 of tag.

Python cannot promise to wipe memory: keys live as long as the objects that hold them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
MAX_SEALS: Final = 1 << 32
"""How often one data key may seal with random nonces (NIST SP 800-38D, section 8.3)."""

_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_FORMAT: Final = b"\x01"
_HEADER_BYTES: Final = 1 + 16
_FINGERPRINT_DIGITS: Final = 16
_FINGERPRINT_LABEL: Final = b"servicelayer vault: fingerprint of a key-encryption key"
_WRAP_LABEL: Final = b"servicelayer vault: wrapping of data keys"
_CHECK_LABEL: Final = b"servicelayer vault: check value"
_KEY_LABEL: Final = b"servicelayer vault: data key"
_DATA_LABEL: Final = b"servicelayer vault: data"


class EnvelopeError(Exception):
    """A key cannot be read, or a text does not open; the message holds nothing of either."""


def read_key(text: str) -> bytes:
    """Read a key of 32 bytes as people write it.

    Args:
        text: 32 characters that are the key themselves (as the reference server takes them), 64 hex
            digits, or base64 in either alphabet, padded or not.

    Raises:
        EnvelopeError: it is none of these.
    """
    raw = text.encode()
    if len(raw) == KEY_BYTES:
        return raw
    for decode in (bytes.fromhex, _unbase64):
        try:
            key = decode(text)
        except (binascii.Error, ValueError):
            continue
        if len(key) == KEY_BYTES:
            return key
    raise EnvelopeError("not 32 bytes in hex or base64")


def _unbase64(text: str) -> bytes:
    plain = text.replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


class KeyEncryptionKey:
    """The key that the operator of the program holds; it wraps data keys and seals nothing else."""

    def __init__(self, key: bytes) -> None:
        """Derive what is needed from 32 bytes.

        Raises:
            EnvelopeError: the key has another length.
        """
        if len(key) != KEY_BYTES:
            raise EnvelopeError("a key-encryption key has 32 bytes")
        digest = hmac.new(key, _FINGERPRINT_LABEL, hashlib.sha256).hexdigest()
        self.fingerprint: Final = digest[:_FINGERPRINT_DIGITS]
        wrapping = HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=_WRAP_LABEL)
        self._wrapping = AESGCM(wrapping.derive(key))
        self._plain = AESGCM(key)

    def __repr__(self) -> str:
        return f"KeyEncryptionKey({self.fingerprint})"

    def wrap(self, data_key: bytes, key_id: UUID, owner: UUID | None, version: int) -> bytes:
        """Wrap a data key of 32 bytes for its owner (`None` is the program), id and version."""
        nonce = os.urandom(_NONCE_BYTES)
        bound = _bind(_KEY_LABEL, _owner(owner), key_id.bytes, str(version).encode())
        return nonce + self._wrapping.encrypt(nonce, data_key, bound)

    def unwrap(self, wrapped: bytes, key_id: UUID, owner: UUID | None, version: int) -> bytes:
        """Get a data key back.

        Raises:
            EnvelopeError: it was wrapped by another key, for another owner, id or version, or was
                changed.
        """
        bound = _bind(_KEY_LABEL, _owner(owner), key_id.bytes, str(version).encode())
        return _decrypt(self._wrapping, wrapped, bound)

    def make_check_value(self) -> bytes:
        """A text that only this key opens, to tell it from another of the same fingerprint."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._wrapping.encrypt(nonce, self.fingerprint.encode(), _CHECK_LABEL)

    def accepts(self, check_value: bytes) -> bool:
        """Whether the check value was made by this key."""
        try:
            return _decrypt(self._wrapping, check_value, _CHECK_LABEL) == self.fingerprint.encode()
        except EnvelopeError:
            return False

    def open_reference(self, blob: bytes) -> bytes:
        """Open what the reference server sealed: nonce, ciphertext, tag; nothing else is bound.

        Raises:
            EnvelopeError: it was sealed by another key, or was changed.
        """
        return _decrypt(self._plain, blob, None)


class DataKey:
    """The key of one owner's data, unwrapped."""

    def __init__(self, key: bytes, key_id: UUID, owner: UUID | None, version: int) -> None:
        """Hold 32 bytes and the key's place: its id, whose it is (`None`: the program), version."""
        self.id: Final = key_id
        self.owner: Final = owner
        self.version: Final = version
        self._cipher = AESGCM(key)
        self._place = (_owner(owner), key_id.bytes, str(version).encode())

    def __repr__(self) -> str:
        return f"DataKey({self.id}, version {self.version})"

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Seal data for one place.

        Args:
            plaintext: the data.
            context: names the place; needed again to open.

        Returns:
            45 bytes more than the data.
        """
        nonce = os.urandom(_NONCE_BYTES)
        bound = _bind(_DATA_LABEL, *self._place, context.encode())
        return _FORMAT + self.id.bytes + nonce + self._cipher.encrypt(nonce, plaintext, bound)

    def open(self, sealed: bytes, context: str) -> bytes:
        """Open data in the place it was sealed for.

        Raises:
            EnvelopeError: another place, another key, or it was changed.
        """
        bound = _bind(_DATA_LABEL, *self._place, context.encode())
        return _decrypt(self._cipher, sealed[_HEADER_BYTES:], bound)


def make_data_key() -> bytes:
    """Make 32 random bytes."""
    return os.urandom(KEY_BYTES)


def data_key_of(sealed: bytes) -> UUID:
    """Read which data key sealed data.

    Raises:
        EnvelopeError: it is no sealed data, or of another format.
    """
    if len(sealed) < _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES or sealed[:1] != _FORMAT:
        raise EnvelopeError("not sealed data")
    return UUID(bytes=bytes(sealed[1:_HEADER_BYTES]))


def _decrypt(cipher: AESGCM, text: bytes, bound: bytes | None) -> bytes:
    if len(text) < _NONCE_BYTES + _TAG_BYTES:
        raise EnvelopeError("too short")
    try:
        return cipher.decrypt(text[:_NONCE_BYTES], text[_NONCE_BYTES:], bound)
    except InvalidTag as exc:
        raise EnvelopeError("does not open") from exc


def _owner(owner: UUID | None) -> bytes:
    return b"" if owner is None else owner.bytes


def _bind(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(4) + field for field in fields)
