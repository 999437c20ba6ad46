"""The cache of facts: what the watches last said about the objects that belong to ServiceLayers.

Invariants: facts only, never whole objects and never a Secret's value; an older version never
overwrites a newer one, nor does the answer to a write bring back what went since; what a watch may
have lost (a deletion during a gap is never reported) is found by the sweep, which compares the
cache with a LIST. An object belongs to the ServiceLayer that its instance label names, in the same
namespace; of pods and EndpointSlices only those count that a controller made for our objects, for
anybody can write labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from servicelayer_operator.kinds import ENDPOINT_SLICE, POD, Kind
from servicelayer_operator.manifests import labels
from servicelayer_operator.observed import (
    ChildFact,
    DeploymentFact,
    EndpointsFact,
    IngressFact,
    JobFact,
    Observed,
    PodFact,
    StatefulSetFact,
    observe_child,
    observe_deployment,
    observe_endpoints,
    observe_ingress,
    observe_job,
    observe_pod,
    observe_stateful_set,
)
from servicelayer_operator.work_queue import Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from servicelayer_operator.manifests.manifest import ObjectKey

    Detail = (
        DeploymentFact | StatefulSetFact | JobFact | IngressFact | PodFact | EndpointsFact | None
    )

_OBSERVERS = {
    "Deployment": observe_deployment,
    "StatefulSet": observe_stateful_set,
    "Job": observe_job,
    "Ingress": observe_ingress,
    "Pod": observe_pod,
    "EndpointSlice": observe_endpoints,
}
# Kubernetes' own: they are looked at, and never applied or pruned.
_NO_CHILDREN = frozenset({POD.kind, ENDPOINT_SLICE.kind})


class _Record(NamedTuple):
    owner: Key
    version: int
    child: ChildFact | None
    detail: Detail


class _Place(NamedTuple):
    """Where an object is in the whole cluster."""

    api_version: str
    kind: str
    namespace: str
    name: str


class FactStore:
    """Facts of all children and pods, found by their ServiceLayer."""

    def __init__(self) -> None:
        self._records: dict[_Place, _Record] = {}
        self._places: dict[Key, set[_Place]] = {}
        # At which version an object was last seen to go; kept until the next sweep.
        self._gone: dict[_Place, int] = {}

    def record(self, obj: Mapping[str, Any]) -> Key | None:
        """Take in an object as a watch or a write answered it.

        Returns:
            The ServiceLayer it belongs to if this was news, else None.
        """
        owner, place, version = _owner(obj), _place(obj), _version(obj)
        known = self._records.get(place)
        seen = self._gone.get(place, -1) if known is None else known.version
        if seen >= version:
            return None
        if owner is None:
            # A label was taken off that the watch does not select by: the same as gone.
            self._gone[place] = version
            return self._drop(place) if known is not None else None
        self._gone.pop(place, None)
        is_child = place.kind not in _NO_CHILDREN
        observe = _OBSERVERS.get(place.kind)
        record = _Record(
            owner,
            version,
            observe_child(obj) if is_child else None,
            observe(obj) if observe else None,
        )
        lost = known.owner if known is not None and known.owner != owner else None
        if lost is not None:
            self._drop(place)
        self._records[place] = record
        self._places.setdefault(owner, set()).add(place)
        if known is not None and not is_child and known.detail == record.detail:
            # Others rewrite them often; only what a decision needs is news.
            return None
        # Whoever lost an object to another's label has to look; the other has no need of it.
        return lost or owner

    def remove(self, obj: Mapping[str, Any]) -> Key | None:
        """Take in that an object is gone.

        Returns:
            The ServiceLayer it belonged to if it was known, else None.
        """
        place = _place(obj)
        known = self._records.get(place)
        # A deletion that is older than what we know is of an earlier object of the same name.
        if known is not None and known.version > _version(obj):
            return None
        self._gone[place] = max(_version(obj), self._gone.get(place, -1))
        return self._drop(place) if known is not None else None

    def sweep(
        self,
        kind: Kind,
        namespace: str | None,
        items: Iterable[Mapping[str, Any]],
        list_version: str,
    ) -> set[Key]:
        """Make the cache equal to a LIST of one kind.

        Returns:
            The ServiceLayers for which that was news.
        """
        news: set[Key] = set()
        listed: set[_Place] = set()
        for item in items:
            listed.add(_place(item))
            owner = self.record(item)
            if owner is not None:
                news.add(owner)
        taken = _number(list_version)
        gone = [
            place
            for place, record in self._records.items()
            if (place.api_version, place.kind) == (kind.api_version, kind.kind)
            and namespace in {None, place.namespace}
            and place not in listed
            # What was written after the list was taken is not missing from it.
            and record.version <= taken
        ]
        news.update(self._drop(place) for place in gone)
        self._gone = {
            place: version
            for place, version in self._gone.items()
            if place.kind != kind.kind or version > taken
        }
        return news

    def forget_object(self, namespace: str, key: ObjectKey) -> None:
        """Drop one object that the operator itself deleted or found missing."""
        place = _Place(key.api_version, key.kind, namespace, key.name)
        if place in self._records:
            self._drop(place)

    def child(self, namespace: str, key: ObjectKey) -> ChildFact | None:
        """The fact of one child."""
        record = self._records.get(_Place(key.api_version, key.kind, namespace, key.name))
        return record.child if record else None

    def owners(self) -> set[Key]:
        """All ServiceLayers that something in the cache belongs to."""
        return set(self._places)

    def observed(self, owner: Key, migration: ObjectKey | None) -> Observed:
        """All facts of one ServiceLayer; what is not cached (secrets, the API) is left empty.

        Args:
            owner: The ServiceLayer.
            migration: The migration Job that is wanted now.
        """
        records = [(place, self._records[place]) for place in self._places.get(owner, ())]
        children = {record.child.key: record.child for _, record in records if record.child}
        uids = {(child.key.kind, child.key.name): child.uid for child in children.values()}
        pods = [
            record.detail
            for _, record in records
            if isinstance(record.detail, PodFact) and _is_made(record.detail, owner.name, uids)
        ]
        slices = [
            record.detail
            for _, record in records
            if isinstance(record.detail, EndpointsFact)
            and record.detail.owner_uid == uids.get(("Service", record.detail.service))
        ]
        by_kind = {
            (place.kind, place.name): record.detail for place, record in records if record.detail
        }
        deployment = by_kind.get(("Deployment", owner.name))
        postgres = by_kind.get(("StatefulSet", f"{owner.name}-postgres"))
        ingress = by_kind.get(("Ingress", owner.name))
        job = by_kind.get(("Job", migration.name)) if migration else None
        return Observed(
            children=dict(sorted(children.items())),
            deployment=deployment if isinstance(deployment, DeploymentFact) else None,
            postgres=postgres if isinstance(postgres, StatefulSetFact) else None,
            migration=job if isinstance(job, JobFact) else None,
            pods=tuple(sorted(pods, key=lambda pod: pod.name)),
            ingress=ingress if isinstance(ingress, IngressFact) else None,
            endpoints=_endpoints(slices),
        )

    def __len__(self) -> int:
        return len(self._records)

    def _drop(self, place: _Place) -> Key:
        record = self._records.pop(place)
        places = self._places.get(record.owner)
        if places is not None:
            places.discard(place)
            if not places:
                del self._places[record.owner]
        return record.owner


def _is_made(pod: PodFact, name: str, uids: Mapping[tuple[str, str], str]) -> bool:
    """Tell whether a pod was made by the controller that pods of its component have.

    ReplicaSets are not watched. A Deployment names them by itself and the template's hash, and
    Kubernetes deletes a pod whose controller is not there under the uid that the pod names.
    """
    if pod.component == labels.API:
        return bool(pod.replica_set) and pod.owner == f"ReplicaSet/{name}-{pod.replica_set}"
    of_postgres = pod.component == labels.POSTGRES
    place = ("StatefulSet", f"{name}-postgres") if of_postgres else ("Job", pod.job)
    return pod.owner_uid != "" and pod.owner_uid == uids.get(place)


def _endpoints(slices: Iterable[EndpointsFact]) -> dict[str, int]:
    """Sum up the ready addresses of each Service: several slices may share one."""
    found: dict[str, int] = {}
    for each in slices:
        found[each.service] = found.get(each.service, 0) + each.ready
    return dict(sorted(found.items()))


def _owner(obj: Mapping[str, Any]) -> Key | None:
    metadata = obj["metadata"]
    marks: Mapping[str, str] = metadata.get("labels") or {}
    instance = marks.get(labels.INSTANCE)
    if marks.get(labels.MANAGED_BY) != labels.FIELD_MANAGER or not instance:
        return None
    return Key(metadata["namespace"], instance)


def _place(obj: Mapping[str, Any]) -> _Place:
    metadata = obj["metadata"]
    return _Place(obj["apiVersion"], obj["kind"], metadata["namespace"], metadata["name"])


def _version(obj: Mapping[str, Any]) -> int:
    return _number(obj["metadata"].get("resourceVersion"))


def _number(resource_version: Any) -> int:
    """A resourceVersion as a number: etcd's revision, which only grows (KEP-5504 says so too)."""
    try:
        return int(resource_version or 0)
    except ValueError:
        return 0
