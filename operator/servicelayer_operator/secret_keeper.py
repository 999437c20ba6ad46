"""The Secrets that the operator makes: once, never again where data depends on them, and whose.

Invariants: where a migrated database or a kept volume exists, a missing Secret is told as lost and
is not made anew, because its values are not the ones that the data was written with; whether the
ServiceLayer owns its Secrets follows `spec.deletionPolicy` whenever that changes; the data of a
Secret that exists is never written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from servicelayer_operator.apply import refused
from servicelayer_operator.errors import ClusterError, NotFoundError
from servicelayer_operator.generate import generated_secret, postgres_secret, secret_metadata
from servicelayer_operator.happenings import on_secret
from servicelayer_operator.kinds import CLAIM, SECRET
from servicelayer_operator.live import items, part
from servicelayer_operator.manifests import ObjectKey
from servicelayer_operator.manifests.labels import owner_reference
from servicelayer_operator.manifests.migration_job import migration_record
from servicelayer_operator.manifests.names import names_of
from servicelayer_operator.observed import ApplyError, ChildFact, observe_child
from servicelayer_operator.ownership import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from servicelayer_operator.cluster import Cluster
    from servicelayer_operator.resource import ServiceLayer
    from servicelayer_operator.runtime import Runtime
    from servicelayer_operator.secret_reader import SecretView
    from servicelayer_operator.work_queue import Key


class SecretState(msgspec.Struct, frozen=True, kw_only=True):
    """What was found at the names of the generated Secrets.

    Attributes:
        strangers: Secrets of somebody else.
        lost: Names of Secrets that are missing and must not be made anew.
        errors: Writes that the API server refused.
    """

    strangers: dict[ObjectKey, ChildFact]
    lost: tuple[str, ...] = ()
    errors: tuple[ApplyError, ...] = ()


class SecretKeeper:
    """Makes and keeps the generated Secrets of all ServiceLayers.

    Args:
        runtime: Its parts.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @property
    def _cluster(self) -> Cluster:
        return self._runtime.cluster

    async def ensure(self, resource: ServiceLayer, key: Key, *, acting: bool) -> SecretState:
        """See that the Secrets exist and are owned as the spec asks.

        Args:
            resource: Whose they are.
            key: The same, as the queue names it.
            acting: Whether anything may be written.

        Raises:
            ClusterError: The API server could not be asked.
        """
        strangers: dict[ObjectKey, ChildFact] = {}
        lost: list[str] = []
        errors: list[ApplyError] = []
        for name, make, kept_for in self._wanted(resource):
            view = await self._look(key, name)
            child = view if isinstance(view, ChildFact) else view.child
            if child is None:
                if await kept_for(resource, key):
                    lost.append(name)
                elif acting:
                    errors += await _tried(name, self._make(resource, make))
            elif judge(child, resource.metadata) is None or _is_restored(resource, view):
                if acting:
                    errors += await _tried(name, self._own(resource, key, child))
            else:
                strangers[child.key] = child
        return SecretState(strangers=strangers, lost=tuple(lost), errors=tuple(errors))

    def _wanted(
        self, resource: ServiceLayer
    ) -> list[tuple[str, Callable[..., Any], Callable[..., Any]]]:
        names, spec = names_of(resource), resource.spec
        wanted: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = []
        if spec.secrets.mode == "Generate":
            wanted.append((names.api_secret, generated_secret, self._has_data))
        if spec.database.embedded:
            wanted.append((names.postgres, postgres_secret, self._has_volume))
        return wanted

    async def _look(self, key: Key, name: str) -> ChildFact | SecretView:
        """The Secret of this name, looked up where the watch does not tell of it."""
        known = self._runtime.facts.child(key.namespace, _secret_key(name))
        return known or await self._runtime.secrets.read(key.namespace, name)

    async def _has_data(self, resource: ServiceLayer, key: Key) -> bool:
        """Whether something was written with the encryption key."""
        written = migration_record(resource).completed_hash or resource.status.get("encryptionKey")
        return bool(written) or await self._has_volume(resource, key)

    async def _has_volume(self, resource: ServiceLayer, key: Key) -> bool:
        """Whether an embedded database of this ServiceLayer has a volume."""
        if not resource.spec.database.embedded:
            return False
        name = f"data-{names_of(resource).postgres}-0"
        try:
            live = await self._cluster.get(CLAIM, key.namespace, name)
        except NotFoundError:
            return False
        claim = observe_child(live)
        return not claim.deleting and judge(claim, resource.metadata) is None

    async def _make(self, resource: ServiceLayer, maker: Callable[..., dict[str, Any]]) -> None:
        body = maker(resource)
        made = await self._runtime.applier.create_once(body)
        name: str = body["metadata"]["name"]
        if made is None:
            self._runtime.secrets.forget(resource.metadata.namespace, name)
            return
        self._runtime.secrets.know(made)
        await self._runtime.recorder.record(resource.metadata, on_secret(name))

    async def _own(self, resource: ServiceLayer, key: Key, child: ChildFact) -> None:
        """Make the owner reference follow the deletion policy; the data is not touched."""
        uid, name = resource.metadata.uid, child.key.name
        owned = resource.spec.deletion_policy != "Retain"
        labelled = child.instance == resource.metadata.name
        if labelled and (child.owner_uid == uid) == owned:
            return
        live = await self._cluster.get(SECRET, key.namespace, name)
        metadata = part(live, "metadata")
        owners = [dict(item) for item in items(metadata, "ownerReferences") if item["uid"] != uid]
        if owned:
            owners.append(owner_reference(resource))
        patch = {
            **secret_metadata(resource, name),
            "resourceVersion": metadata["resourceVersion"],
            "ownerReferences": owners,
        }
        written = await self._cluster.merge_patch(SECRET, key.namespace, name, {"metadata": patch})
        self._runtime.facts.record(written)


async def _tried(name: str, write: Coroutine[Any, Any, None]) -> list[ApplyError]:
    """Carry a write out; what the API server says against it is for the conditions."""
    try:
        await write
    except ClusterError as error:
        return [refused(_secret_key(name), error)]
    return []


def _secret_key(name: str) -> ObjectKey:
    return ObjectKey(api_version=SECRET.api_version, kind=SECRET.kind, name=name)


def _is_restored(resource: ServiceLayer, view: ChildFact | SecretView) -> bool:
    """Whether a Secret without our labels holds the key that this ServiceLayer's data needs."""
    known = resource.status.get("encryptionKey")
    return not isinstance(view, ChildFact) and bool(known) and view.key_fingerprint() == known
