"""Unwrapped data keys in memory: the least recently used go first, and none stays for long.

A key's id names the same key for ever, so that what is cached is never wrong; which key of an owner
is the active one may be, and the statement that counts a seal finds that out.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID

    from servicelayer_api.clock import Clock
    from servicelayer_api.crypto.envelope import DataKey

SIZE: Final = 4096
SECONDS: Final = 600.0


class KeyCache:
    """Data keys by their id, and the active one by its owner."""

    def __init__(self, clock: Clock, size: int = SIZE) -> None:
        """Hold `size` keys at most, each for ten minutes: then those of deleted accounts go too."""
        self._clock = clock
        self._size = size
        self._keys: OrderedDict[UUID, tuple[DataKey, float]] = OrderedDict()
        self._active: OrderedDict[UUID | None, UUID] = OrderedDict()
        self._sweep_at = 0.0

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key_id: UUID) -> DataKey | None:
        """A key, if it is held."""
        found = self._keys.get(key_id)
        if found is None:
            return None
        key, until = found
        if self._clock.monotonic() >= until:
            del self._keys[key_id]
            return None
        self._keys.move_to_end(key_id)
        return key

    def active(self, owner: UUID | None) -> DataKey | None:
        """The key an owner's data was last sealed with, if it is held."""
        key_id = self._active.get(owner)
        return None if key_id is None else self.get(key_id)

    def put(self, key: DataKey, *, active: bool) -> None:
        """Hold a key; `active` when it is the one that its owner's data is sealed with."""
        self._keys[key.id] = (key, self._clock.monotonic() + SECONDS)
        self._keys.move_to_end(key.id)
        if active:
            self._active[key.owner] = key.id
            self._active.move_to_end(key.owner)
        while len(self._keys) > self._size:
            self._keys.popitem(last=False)
        while len(self._active) > self._size:
            self._active.popitem(last=False)

    def sweep(self) -> None:
        """Drop what is too old; looks no more than once a minute."""
        now = self._clock.monotonic()
        if now >= self._sweep_at:
            self._sweep_at = now + SECONDS / 10
            for key_id in [i for i, (_, until) in self._keys.items() if now >= until]:
                del self._keys[key_id]

    def drop_active(self, owner: UUID | None) -> None:
        """Forget which key is the active one."""
        self._active.pop(owner, None)

    def forget(self, owner: UUID) -> None:
        """Drop all keys of an owner."""
        self._active.pop(owner, None)
        for key_id in [i for i, (key, _) in self._keys.items() if key.owner == owner]:
            del self._keys[key_id]
