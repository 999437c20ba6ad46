"""Where the watches' events go: a fact is recorded and a key is queued, nothing more.

Invariants: what the operator itself wrote does not wake it (a status patch, an apply); a user's
edit goes first; an error in here is logged and counted by the caller and never reaches kopf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from servicelayer_operator.work_queue import Key, Priority, WorkQueue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servicelayer_operator.facts import FactStore


class _Seen(NamedTuple):
    generation: int
    version: str
    marks: tuple[Any, Any, Any]


class Intake:
    """Takes events in.

    Args:
        queue: Where keys are queued.
        facts: Where facts are recorded.
    """

    def __init__(self, queue: WorkQueue, facts: FactStore) -> None:
        self._queue = queue
        self._facts = facts
        self._seen: dict[Key, _Seen] = {}
        self._written: dict[Key, str] = {}

    def resources(self) -> set[Key]:
        """All ServiceLayers that exist, as far as is known."""
        return set(self._seen)

    def wrote(self, key: Key, resource_version: str) -> None:
        """Note the version that the operator's own status write made."""
        self._written[key] = resource_version

    def forget(self, key: Key) -> None:
        """Drop what is known of a ServiceLayer that is gone."""
        self._seen.pop(key, None)
        self._written.pop(key, None)

    def resource_event(self, type_: str | None, obj: Mapping[str, Any]) -> None:
        """A ServiceLayer was listed (no type), added, modified or deleted."""
        metadata = obj["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        if type_ == "DELETED":
            self.forget(key)
            # One more round finds it gone and forgets all about it.
            self._queue.add(key, Priority.CHILD)
            return
        marks = (
            metadata.get("annotations"),
            metadata.get("labels"),
            metadata.get("deletionTimestamp"),
        )
        version = str(metadata.get("resourceVersion", ""))
        seen = _Seen(int(metadata.get("generation") or 0), version, marks)
        known = self._seen.get(key)
        self._seen[key] = seen
        if known is not None and known.version == version:
            return
        if known is None:
            self._queue.add(key, Priority.RESYNC if type_ is None else Priority.USER)
        elif known.generation != seen.generation or known.marks != marks:
            self._queue.add(key, Priority.USER)
        elif self._written.get(key) != version:
            # Somebody else touched the status: look whether it still holds.
            self._queue.add(key, Priority.CHILD)

    def child_event(self, type_: str | None, obj: Mapping[str, Any]) -> None:
        """A child or a pod was listed, added, modified or deleted."""
        remember = self._facts.remove if type_ == "DELETED" else self._facts.record
        owner = remember(obj)
        if owner is not None and owner in self._seen:
            self._queue.add(owner, Priority.RESYNC if type_ is None else Priority.CHILD)
