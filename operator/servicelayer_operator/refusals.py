"""Why no pod is made: the words of whoever refused them, as the controllers' events keep them.

A Deployment tells by a condition that its pods are refused (a quota, a LimitRange, admission). A
StatefulSet and a Job tell by events alone, so those are read, and only while one of them should
have a pod and has none for a while.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from servicelayer_operator.errors import ForbiddenError
from servicelayer_operator.kinds import Kind
from servicelayer_operator.live import part, said
from servicelayer_operator.manifests.labels import MIGRATE, POSTGRES
from servicelayer_operator.observed import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from servicelayer_operator.cluster import Cluster
    from servicelayer_operator.observed import Observed

PATIENCE = timedelta(seconds=30)
_EVENTS = Kind("v1", "Event", "events")
_FEW = "20"


async def refused_pods(
    cluster: Cluster, namespace: str, observed: Observed, postgres: str, now: datetime
) -> dict[str, str]:
    """The last words of refusal by `Kind/name`; only of what waits in vain.

    Raises:
        ClusterError: The API server could not be asked.
    """
    found: dict[str, str] = {}
    for kind, name in _waiting(observed, postgres, now):
        query = {
            "fieldSelector": f"involvedObject.kind={kind},involvedObject.name={name},"
            "reason=FailedCreate",
            "limit": _FEW,
        }
        try:
            answer = await cluster.call("GET", _EVENTS.path(namespace), query=query)
        except ForbiddenError:
            # An older role: the verdict then says less.
            return found
        events: list[dict[str, Any]] = answer.get("items") or []
        if events:
            last = max(events, key=_when)
            found[f"{kind}/{name}"] = said(last, "message")
    return found


def _waiting(observed: Observed, postgres: str, now: datetime) -> Iterator[tuple[str, str]]:
    made = {pod.component for pod in observed.pods}
    database, job = observed.postgres, observed.migration
    wanted: list[tuple[str, str, str, datetime | None]] = []
    if database is not None and database.wanted:
        wanted.append(("StatefulSet", postgres, POSTGRES, database.created))
    if job is not None and job.state is JobState.RUNNING:
        wanted.append(("Job", job.name, MIGRATE, job.created))
    for kind, name, component, since in wanted:
        if component not in made and since is not None and now - since >= PATIENCE:
            yield kind, name


def _when(event: dict[str, Any]) -> str:
    return (
        said(event, "lastTimestamp")
        or said(event, "eventTime")
        or said(part(event, "metadata"), "creationTimestamp")
    )
