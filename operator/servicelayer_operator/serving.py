"""What serves and what does not yet: which pod to ask, and its own word why it is not ready. Pure.

The invariant: what a pod says is bounded and cleaned before it is a fact, for a pod may be any
program; it explains a verdict and never makes one.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from servicelayer_operator.failures import clean
from servicelayer_operator.manifests.labels import API
from servicelayer_operator.observed import PodFact, UnreadyFact

_STORE: Final = "store"
# What waits for another module tells nothing that the other one does not.
_FOLLOWS: Final = "waiting for dependencies"


class _Readiness(msgspec.Struct, frozen=True):
    """The part of a refused `/readyz` that is looked at; older APIs give no modules."""

    detail: str = ""
    modules: Mapping[str, str] = {}


def pod_to_ask(pods: Sequence[PodFact], template: str) -> PodFact | None:
    """Return the API pod that has been running longest without being ready; None when all are."""
    waiting = [
        pod
        for pod in pods
        if pod.component == API
        and pod.phase == "Running"
        and not (pod.ready or pod.deleting or pod.waiting_reason)
        and pod.address
        and pod.template in {"", template}
    ]
    return min(waiting, key=lambda pod: (str(pod.created), pod.name), default=None)


def pod_to_log_in(pods: Sequence[PodFact], template: str) -> PodFact | None:
    """Return a ready API pod, a new one if there is one; None when none is ready."""
    ready = [
        pod
        for pod in pods
        if pod.component == API and pod.ready and pod.address and not pod.deleting
    ]
    return min(ready, key=lambda pod: (pod.template != template, pod.name), default=None)


def read_readiness(pod: PodFact, content: bytes) -> UnreadyFact | None:
    """Read why a pod is not ready off its answer; None when it does not say."""
    try:
        answer = msgspec.json.decode(content, type=_Readiness)
    except (msgspec.MsgspecError, RecursionError):
        return None
    causes = {
        name: why for name, why in answer.modules.items() if why and not why.startswith(_FOLLOWS)
    }
    told = clean("; ".join(f"{name}: {why}" for name, why in causes.items()) or answer.detail)
    store = clean(causes.get(_STORE, ""))
    return UnreadyFact(pod=pod.name, why=told, store=store) if told else None
