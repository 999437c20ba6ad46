"""Making the cluster as the plan wants it, one object at a time.

Invariants: server-side apply under one field manager, unforced first, so that a conflict with
another manager is told in an event before it is overruled; what the cache does not know is looked
up by name before it is made, and nothing is forced upon it; a write to a known object names its
uid; an object that already says what is
wanted is not written at all; a deletion names the uid that was meant; Secrets are only ever
created. A refused write is a fact for the conditions (`ApplyError`), never the end of the round.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from servicelayer_operator import observability
from servicelayer_operator.contests import Contests
from servicelayer_operator.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    FieldConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PreconditionError,
)
from servicelayer_operator.fields import intruders, is_ours_alone, take_over
from servicelayer_operator.happenings import Happening
from servicelayer_operator.kinds import find_kind
from servicelayer_operator.live import part
from servicelayer_operator.manifests.labels import APPLIED_HASH
from servicelayer_operator.observed import ApplyError, ChildFact, fingerprint, observe_child
from servicelayer_operator.plan import Applied, differences, is_subset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from servicelayer_operator.cluster import Cluster
    from servicelayer_operator.facts import FactStore
    from servicelayer_operator.manifests.manifest import Manifest, ObjectKey
    from servicelayer_operator.recorder import Recorder
    from servicelayer_operator.resource import ServiceLayer
    from servicelayer_operator.work_queue import Key

ISSUED = "cert-manager.io/certificate-name"
CONTESTED = "Contested"
_CONTESTED = (
    "it is written again and again under this operator's name; does a second operator serve this "
    "namespace? Stop one of them"
)
_LONGEST_MESSAGE = 500
_TRIES = 3
_MAX_FIELDS = 12

_log = observability.get_logger(__name__)


class Applier:
    """Writes objects and remembers what it wrote, so that the next round can tell drift.

    Args:
        cluster: The API.
        facts: Told of every answer at once, before the watch is.
        recorder: Told of conflicts.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        facts: FactStore,
        recorder: Recorder,
        clock: Callable[[], float],
    ) -> None:
        self._contests = Contests(clock)
        self._cluster = cluster
        self._facts = facts
        self._recorder = recorder
        self._memory: dict[Key, dict[ObjectKey, Applied]] = {}
        self._making: WeakValueDictionary[tuple[str, ObjectKey], asyncio.Lock] = (
            WeakValueDictionary()
        )

    def memory(self, key: Key) -> Mapping[ObjectKey, Applied]:
        """What was applied for a ServiceLayer and how it looked then."""
        return self._memory.get(key, {})

    def forget(self, key: Key) -> None:
        """Drop the memory of a ServiceLayer that is gone."""
        for child in self._memory.pop(key, {}):
            self._contests.forget((key.namespace, child))

    async def verify(
        self, key: Key, desired: Sequence[Manifest], children: Mapping[ObjectKey, ChildFact]
    ) -> None:
        """Read the objects that carry our hash but are not as we remember them.

        After a restart nothing is remembered, and other controllers may add fields of their own:
        in both cases an object that still says all that is wanted is taken as applied, not written.
        """
        memory = self._memory.setdefault(key, {})
        for manifest in desired:
            child = children.get(manifest.key)
            if child is None or child.applied_hash != manifest.hash or child.deleting:
                continue
            if memory.get(manifest.key) == Applied(
                hash=manifest.hash, fingerprint=child.fingerprint
            ):
                continue
            live = await self._read(key.namespace, manifest.key)
            if live is not None and is_subset(manifest.body, live) and is_ours_alone(live):
                memory[manifest.key] = Applied(hash=manifest.hash, fingerprint=fingerprint(live))

    async def survey(self, key: Key, names: Iterable[ObjectKey]) -> dict[ObjectKey, ChildFact]:
        """Look up what stands at names at which this ServiceLayer has nothing.

        The watch tells only of what carries our labels, and only of its own to each ServiceLayer.

        Raises:
            ClusterError: The API server could not be asked.
        """
        wanted = list(names)
        found = await asyncio.gather(*(self._standing(key.namespace, name) for name in wanted))
        return {child.key: child for child in found if child is not None}

    async def _standing(self, namespace: str, key: ObjectKey) -> ChildFact | None:
        known = self._facts.child(namespace, key)
        if known is not None:
            return known
        try:
            kind = find_kind(key.api_version, key.kind)
            live = await self._cluster.get(kind, namespace, key.name)
        except NotFoundError:
            return None
        # What cert-manager made is what it may write again.
        return (
            None if part(part(live, "metadata"), "annotations").get(ISSUED) else observe_child(live)
        )

    async def differences(
        self, key: Key, manifests: Iterable[Manifest]
    ) -> dict[ObjectKey, list[str]]:
        """Read objects that would be changed and tell which of their fields; paths, never values.

        Raises:
            ClusterError: The API server could not be asked.
        """
        found: dict[ObjectKey, list[str]] = {}
        for manifest in manifests:
            live = await self._read(key.namespace, manifest.key)
            if live is not None:
                paths = [
                    path for path in differences(manifest.body, live) if APPLIED_HASH not in path
                ]
                found[manifest.key] = paths[:_MAX_FIELDS]
        return found

    async def apply(
        self,
        resource: ServiceLayer,
        key: Key,
        manifest: Manifest,
        *,
        reason: str,
        uid: str | None = None,
    ) -> ApplyError | None:
        """Write one object.

        Args:
            resource: Whose it is.
            key: The same, as the queue names it.
            manifest: What is wanted.
            reason: Why the plan wants it written.
            uid: The object that is meant; None when it is to be made.
        """
        place = (key.namespace, manifest.key)
        if self._is_contested(key, manifest):
            return ApplyError(key=manifest.key, reason=CONTESTED, message=_CONTESTED)
        # Two ServiceLayers that want one name: the second must see what the first has made.
        async with self._making.setdefault(place, asyncio.Lock()):
            before = self._facts.child(*place)
            if uid is None and before is not None and before.owner_uid != resource.metadata.uid:
                return ApplyError(
                    key=manifest.key, reason="NameConflict", message="made by another meanwhile"
                )
            try:
                live, conflict = await self._write(resource, manifest, uid)
            except ClusterError as error:
                if _is_another(error):
                    self._facts.forget_object(*place)
                return refused(manifest.key, error)
            self._facts.record(live)
        remembered = manifest.key in self.memory(key)
        self._memory.setdefault(key, {})[manifest.key] = Applied(
            hash=manifest.hash, fingerprint=fingerprint(live)
        )
        result = _result(before, live, conflict=conflict)
        kind = manifest.key.kind
        observability.APPLIES.labels(kind, result).inc()
        drifted = remembered and (before is None or before.applied_hash == manifest.hash)
        if drifted and result != "unchanged":
            observability.DRIFT_REPAIRS.labels(kind).inc()
        _log.info("applied", child=str(manifest.key), result=result, reason=reason)
        return None

    def _is_contested(self, key: Key, manifest: Manifest) -> bool:
        """Whether what we wrote keeps coming back with another hash under our name."""
        written = self.memory(key).get(manifest.key)
        there = self._facts.child(key.namespace, manifest.key)
        if written is None or there is None or written.hash != manifest.hash:
            return False
        if there.applied_hash in {"", manifest.hash}:
            return False
        return self._contests.lost((key.namespace, manifest.key))

    async def prune(self, key: Key, child: ChildFact) -> ApplyError | None:
        """Delete one object that is not wanted any more."""
        kind = find_kind(child.key.api_version, child.key.kind)
        try:
            await self._cluster.delete(kind, key.namespace, child.key.name, uid=child.uid)
        except (NotFoundError, PreconditionError):
            # Gone, or another object of that name: the cache was behind.
            self._facts.forget_object(key.namespace, child.key)
            return None
        except ClusterError as error:
            return refused(child.key, error)
        self._memory.get(key, {}).pop(child.key, None)
        _log.info("pruned", child=str(child.key))
        return None

    async def create_once(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Create an object that is never rewritten.

        Returns:
            The object as it was made now; None when it was there.
        """
        try:
            live = await self._cluster.create(body)
        except AlreadyExistsError:
            return None
        self._facts.record(live)
        return live

    async def _write(
        self, resource: ServiceLayer, manifest: Manifest, uid: str | None
    ) -> tuple[dict[str, Any], bool]:
        """Apply, and tell whether fields had to be taken back from another manager."""
        body = manifest.body
        if uid is not None:
            # The API server refuses it when another object has taken the name meanwhile.
            body = {**body, "metadata": {**body["metadata"], "uid": uid}}
        try:
            live = await self._cluster.apply(body, force=False)
        except FieldConflictError as conflict:
            if uid is None:
                raise
            told = "; ".join(f"{field} ({message})" for field, message in conflict.causes)
        except InvalidError:
            # What others put into a keyed list may clash with ours: a port of the same name.
            if uid is None:
                raise
            told = ""
        else:
            told = "; ".join(intruders(live))
            if not told:
                return live, False
        if told:
            await self._recorder.record(resource.metadata, _told(manifest.key, told))
        return await self._take_back(resource, manifest, body), True

    async def _take_back(
        self, resource: ServiceLayer, manifest: Manifest, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Book the content to us, so that applying ours removes what others put beside it."""
        key, namespace = manifest.key, resource.metadata.namespace
        kind = find_kind(key.api_version, key.kind)
        for _ in range(_TRIES):
            live = await self._cluster.get(kind, namespace, key.name)
            if live["metadata"]["uid"] != body["metadata"]["uid"] or not intruders(live):
                break
            account = {
                "resourceVersion": live["metadata"]["resourceVersion"],
                "managedFields": take_over(live),
            }
            with contextlib.suppress(ConflictError):
                await self._cluster.merge_patch(kind, namespace, key.name, {"metadata": account})
                break
        return await self._cluster.apply(body, force=True)

    async def _read(self, namespace: str, key: ObjectKey) -> dict[str, Any] | None:
        kind = find_kind(key.api_version, key.kind)
        try:
            live = await self._cluster.get(kind, namespace, key.name)
        except NotFoundError:
            self._facts.forget_object(namespace, key)
            return None
        self._facts.record(live)
        return live


def _told(key: ObjectKey, fields: str) -> Happening:
    """Say who manages which fields; paths only, never values."""
    note = f"{key}: taking back fields that others manage: {fields}"
    return Happening("Warning", "FieldConflict", "Apply", note)


def refused(key: ObjectKey, error: ClusterError) -> ApplyError:
    """Make a fact of a write that failed, and log it."""
    _log.warning("write_refused", child=str(key), status=error.status, error=str(error))
    return ApplyError(
        key=key,
        reason=error.reason or type(error).__name__.removesuffix("Error"),
        message=str(error)[:_LONGEST_MESSAGE],
        terminal=isinstance(error, (ForbiddenError, InvalidError)) and not _is_another(error),
    )


def _is_another(error: ClusterError) -> bool:
    """Whether the object that was meant is gone, or another has its name."""
    changed = any(field == "metadata.uid" for field, _ in error.causes)
    return changed or isinstance(error, PreconditionError)


def _result(before: ChildFact | None, live: Mapping[str, Any], *, conflict: bool) -> str:
    if conflict:
        return "conflict"
    metadata = live["metadata"]
    if before is None or before.uid != metadata.get("uid"):
        return "created"
    same = before.resource_version == metadata.get("resourceVersion")
    return "unchanged" if same else "configured"
