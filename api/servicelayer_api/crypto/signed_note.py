"""Signed notes (C2SP signed-note): a text with Ed25519 signatures that tools of others can check.

A note is its text, an empty line, and lines `— <name> <base64 of key id and signature>`. A verifier
key is written `<name>+<key id>+<base64 of 0x01 and the public key>`. Refused: notes with anything
that two readers could take differently (no final newline, control characters, a text without end).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ED25519: Final = b"\x01"
_ID_BYTES: Final = 4
_KEY_BYTES: Final = 32
_MARK: Final = "\N{EM DASH} "
_MAX_NOTE: Final = 64 * 1024
_LAST_CONTROL: Final = 0x1F


class NoteRefusedError(Exception):
    """The text is no signed note, or not signed by this key."""


class NoteVerifier:
    """Checks notes of one key."""

    def __init__(self, name: str, public_key: bytes) -> None:
        """Check with a key.

        Args:
            name: Of the signer; no space and no plus sign.
            public_key: 32 bytes.

        Raises:
            ValueError: One of them cannot be used.
        """
        if not name or any(c.isspace() or c == "+" for c in name):
            raise ValueError("the name of a key holds no space and no plus sign")
        if len(public_key) != _KEY_BYTES:
            raise ValueError("an Ed25519 public key is 32 bytes")
        self.name = name
        self.public_key = public_key
        self.key_id = hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[
            :_ID_BYTES
        ]
        self._key = Ed25519PublicKey.from_public_bytes(public_key)

    @classmethod
    def parse(cls, text: str) -> NoteVerifier:
        """Read a verifier key.

        Raises:
            ValueError: It is malformed.
        """
        name, key_id, encoded = (*text.strip().split("+", 2), "", "")[:3]
        raw = base64.b64decode(encoded, validate=True)
        if raw[:1] != _ED25519:
            raise ValueError("the key is not an Ed25519 verifier key")
        verifier = cls(name, raw[1:])
        if verifier.key_id.hex() != key_id:
            raise ValueError("the key's id does not belong to it")
        return verifier

    def __str__(self) -> str:
        encoded = base64.b64encode(_ED25519 + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def open(self, note: str) -> str:
        """Give the text of a note that this key signed, with its final newline.

        Raises:
            NoteRefusedError: It is no note, or this key's signature is missing or wrong.
        """
        text, signatures = split_note(note)
        for line in signatures:
            name, _, encoded = line.removeprefix(_MARK).rpartition(" ")
            try:
                raw = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError) as exc:
                raise NoteRefusedError("a signature of the note is malformed") from exc
            if name == self.name and raw[:_ID_BYTES] == self.key_id:
                try:
                    self._key.verify(raw[_ID_BYTES:], text.encode())
                except InvalidSignature as exc:
                    raise NoteRefusedError("the signature of the note is wrong") from exc
                return text
        raise NoteRefusedError("the note is not signed by this key")


class NoteSigner:
    """Signs notes with one key."""

    def __init__(self, name: str, seed: bytes) -> None:
        """Sign under a name with the key of a seed of 32 bytes."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.verifier = NoteVerifier(name, public)

    def sign(self, text: str) -> str:
        """Make a note of a text, which ends with a newline."""
        if not text.endswith("\n"):
            raise ValueError("the text of a note ends with a newline")
        raw = self.verifier.key_id + self._key.sign(text.encode())
        return f"{text}\n{_MARK}{self.verifier.name} {base64.b64encode(raw).decode()}\n"


def split_note(note: str) -> tuple[str, list[str]]:
    """Split a note into its text and its lines of signatures.

    Raises:
        NoteRefusedError: It is no note.
    """
    text, blank, tail = note.rpartition("\n\n")
    lines = tail.split("\n")
    if len(note) > _MAX_NOTE or not blank or not text or lines.pop() or not lines:
        raise NoteRefusedError("the text is no signed note")
    if any(ord(c) <= _LAST_CONTROL and c != "\n" for c in note):
        raise NoteRefusedError("the note holds control characters")
    if not all(line.startswith(_MARK) for line in lines):
        raise NoteRefusedError("a line after the note's text is no signature")
    return text + "\n", lines
