"""Cursors: where a list goes on, as a text that only this server can write.

Invariant: a cursor opens the list it was made for and no other. It carries the list's name, a
digest of what the list was asked with (tenant, account, filters), the position and an expiry, under
an HMAC; whatever was changed, cut, made elsewhere, or made for another list is refused alike.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from servicelayer_api.errors import Invalid

if TYPE_CHECKING:
    from datetime import datetime

MAX_LENGTH: Final = 2048
LIFETIME_SECONDS: Final = 24 * 3600

_VERSION: Final = b"\x01"
_MAC_BYTES: Final = 16
_BOUND_BYTES: Final = 16


class InvalidCursor(Invalid):
    """The cursor was not made by this server for this list and these filters, or has expired.

    Start the list anew, without `cursor`.
    """

    code = "invalid-cursor"
    title = "Invalid cursor"

    def __init__(self, detail: str = "start the list anew, without a cursor") -> None:
        """Refuse a cursor; the reason is not told apart."""
        super().__init__(detail, fields=[("cursor", "cannot be used here")])


class ListScope(msgspec.Struct, frozen=True):
    """What a cursor is bound to: the list's name and all that decides which rows are in it."""

    list_name: str
    tenant: str
    account: str
    filters: Mapping[str, str | None]

    def digest(self) -> bytes:
        """Give a digest of it; a filter that is not set is left out."""
        asked = sorted((name, text) for name, text in self.filters.items() if text is not None)
        encoded = msgspec.msgpack.encode((self.list_name, self.tenant, self.account, asked))
        return hashlib.sha256(encoded).digest()[:_BOUND_BYTES]


class _Content(msgspec.Struct, frozen=True, array_like=True):
    list_name: str
    bound: bytes
    expires: int
    position: tuple[str, ...]


class Cursors:
    """Writes and reads cursors with one key."""

    def __init__(self, key: bytes, *previous: bytes) -> None:
        """Hold a key, the same on all replicas, and those it followed."""
        self._keys = (key, *previous)
        self._decoder = msgspec.msgpack.Decoder(_Content)

    def write(self, scope: ListScope, position: tuple[str, ...], now: datetime) -> str:
        """Write the cursor of a position.

        Args:
            scope: The list.
            position: Of the last item that was given.
            now: The present; the cursor is good for a day from it.
        """
        expires = int(now.timestamp()) + LIFETIME_SECONDS
        content = _Content(scope.list_name, scope.digest(), expires, position)
        signed = _VERSION + msgspec.msgpack.encode(content)
        return urlsafe_b64encode(signed + _mac(self._keys[0], signed)).rstrip(b"=").decode()

    def read(self, text: str, scope: ListScope, now: datetime) -> tuple[str, ...]:
        """Read a position back.

        Raises:
            InvalidCursor: It was not written here for this list, or has expired.
        """
        signed, mac = _split(text)
        ours = [hmac.compare_digest(mac, _mac(key, signed)) for key in self._keys]
        if not any(ours) or signed[:1] != _VERSION:
            raise InvalidCursor
        try:
            content = self._decoder.decode(signed[1:])
        except msgspec.MsgspecError as exc:
            raise InvalidCursor from exc
        if content.list_name != scope.list_name or content.bound != scope.digest():
            raise InvalidCursor
        if content.expires <= now.timestamp():
            raise InvalidCursor
        return content.position


def _mac(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, "sha256")[:_MAC_BYTES]


def _split(text: str) -> tuple[bytes, bytes]:
    if not 0 < len(text) <= MAX_LENGTH or not text.isascii():
        raise InvalidCursor
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as exc:
        raise InvalidCursor from exc
    # The decoder skips foreign characters and spare bits; a cursor has one spelling.
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise InvalidCursor
    return raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
