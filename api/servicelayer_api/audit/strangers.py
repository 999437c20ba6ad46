"""Refused changes that nobody known asked for, gathered by address and minute.

Anybody may be refused as often as he likes, and entries are kept for ever. So the first refusal of
its kind in a minute gets an entry of its own at once, and all that follow it share one, which says
how many they were. Kinds of one address, and addresses of one minute, are bounded too; what is
beyond shares an entry that names less.

Invariant: the entries of a minute are bounded, and the numbers in them add up to the refusals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from servicelayer_api.web.addresses import site_of

if TYPE_CHECKING:
    from datetime import datetime

    from servicelayer_api.audit.models import Entry

KINDS: Final = 8
GROUPS: Final = 200
_MINUTE: Final = 60

type _Kind = tuple[str, ...]


class Strangers:
    """The refusals of the present minute."""

    def __init__(self, kinds: int = KINDS, groups: int = GROUPS) -> None:
        """Start empty.

        Args:
            kinds: Of refusals that one address has entries for in a minute.
            groups: Kinds of all addresses together.
        """
        self._kinds = kinds
        self._most = groups
        self._minute = 0
        self._kinds_of: dict[str, int] = {}
        # The entry of the first that was not written by itself, and how many there were.
        self._groups: dict[_Kind, tuple[Entry, int]] = {}
        self._written: set[_Kind] = set()

    def note(self, entry: Entry) -> Entry | None:
        """Count a refusal.

        Args:
            entry: About it.

        Returns:
            The entry, when it is to be written now.
        """
        site = site_of(entry.remote_addr)
        kind = (site, entry.method, str(entry.status), entry.route, entry.resource_id)
        if kind not in self._written:
            if len(self._written) >= self._most:
                return self._add(("",), replace(entry, remote_addr="", **_LESS))
            if self._kinds_of.get(site, 0) >= self._kinds:
                return self._add((site,), replace(entry, **_LESS))
            self._kinds_of[site] = self._kinds_of.get(site, 0) + 1
            self._written.add(kind)
            return entry
        return self._add(kind, entry)

    def _add(self, kind: _Kind, entry: Entry) -> None:
        first, count = self._groups.get(kind, (entry, 0))
        self._groups[kind] = (first, count + 1)

    def take(self, now: datetime, *, last: bool = False) -> list[Entry]:
        """Take the entries of a minute that is over; of the present one when it is the `last`."""
        minute = int(now.timestamp()) // _MINUTE
        if minute == self._minute and not last:
            return []
        self._minute = minute
        gathered = [replace(entry, requests=count) for entry, count in self._groups.values()]
        self._groups, self._written, self._kinds_of = {}, set(), {}
        return gathered


_LESS: Final = {"path": "", "route": "", "resource_id": "", "user_agent": "", "scope": ""}
