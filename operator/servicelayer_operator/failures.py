"""Why a pod does not work, in one reason and one sentence that names the next action.

The invariant: nothing a container wrote is repeated, except our own programs' one line of JSON
(`{"reason", "message"}`) with a reason of the list below, cleaned of anything that looks like
credentials. Every other end is told by its exit code alone.
"""

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

import msgspec

from servicelayer_operator.observed import PodFact

GRACE: Final = timedelta(seconds=30)
"""How long a failure that may pass by itself (a pull, a start) is not yet called stalled."""

_OUT_OF_MEMORY: Final = 137
_CRASHES: Final = 2
_MAX_TEXT: Final = 300
_TRUSTED: Final = frozenset(
    {
        "ConfigInvalid",
        "DatabaseAuthFailed",
        "DatabaseUnreachable",
        "DatabaseUnsupported",
        "MigrationFailed",
        "PortInUse",
    }
)
# More than is shown: a credential that is cut at the end of what is shown is still known for one.
_MOST_READ: Final = 2048
# Each part is read once from where it begins, or is bounded: the text may be an attacker's.
_CREDENTIALS: Final = re.compile(
    r"""
    (?<=://) \S*@
    | (?<=://) [^\s/:@]* : (?!\d+(?:[\s/,;]|$)) [^@]{1,256} @
    | ( (?i: passw(?:or)?d | passphrase | (?:\b|_|pg)pass | pwd | secret | token | credential
           | (?:api|[_-])key ) (?i:s?) [\\"']{0,2}
        # The API's own words on a setting, as in "API_TOKENS: the file is too large".
        (?: [ ]?= | (?<![A-Z]): (?![ ]?//) | : (?![ ]\S+[ ]) | [ ]: ) [ ]? )
      (?: "[^"]*"? | '[^']*'? | [^\s,;&]+ )
    | ( (?i: bearer | authorization:[ ]?basic ) [ ] ) [\w.~+/=-]{8,}
    | slk_[\w-]+
    | eyJ[\w-]{4,} (?:\.[\w-]*){0,4}
    | -----BEGIN[ ][\w ]{0,40}PRIVATE[ ]KEY .*
    """,
    re.VERBOSE,
)
_PULL: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "RegistryUnavailable",
    }
)
_START: Final = frozenset(
    {"CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"}
)


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on a pod. `stalled`: nothing will change until somebody acts."""

    reason: str
    message: str
    stalled: bool = False


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What one of our programs said when it ended."""

    reason: str
    message: str


def clean(text: str) -> str:
    """Make a sentence of a foreign text: one line, bounded, without credentials."""
    shown = (char if char.isprintable() else " " for char in text[:_MOST_READ])
    line = " ".join("".join(shown).split())
    return _CREDENTIALS.sub(r"\1\2***", line)[:_MAX_TEXT]


def read_ending(pod: PodFact) -> Ending | None:
    """Read the termination message, if it is our programs' own and of a known reason."""
    try:
        said: Any = json.loads(pod.terminated_message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    members = cast("dict[str, Any]", said)
    reason, message = members.get("reason"), members.get("message")
    if reason not in _TRUSTED or not isinstance(message, str):
        return None
    return Ending(reason=str(reason), message=clean(message))


def find_failure(pods: Sequence[PodFact], now: datetime) -> Failure | None:
    """Name the first failure among the pods; the checks are tried in a fixed order."""
    alive = sorted((pod for pod in pods if not pod.deleting), key=lambda pod: pod.name)
    for check in _CHAIN:
        for pod in alive:
            failure = check(pod, now)
            if failure is not None:
                return failure
    return None


def settled(pod: PodFact, now: datetime) -> bool:
    """Tell whether the pod had its grace: what fails still will fail on."""
    return pod.created is not None and now - pod.created >= GRACE


def _cannot_pull(pod: PodFact, now: datetime) -> Failure | None:
    if pod.waiting_reason not in _PULL:
        return None
    return Failure(
        reason="ImagePullFailed",
        message=f"Pod {pod.name} cannot pull {pod.image} ({pod.waiting_reason}): "
        f"{clean(pod.waiting_message) or 'no details'}. "
        "Check the image's name, its registry and spec.image.pullSecrets.",
        stalled=pod.waiting_reason == "InvalidImageName" or settled(pod, now),
    )


def _config_error(pod: PodFact, now: datetime) -> Failure | None:
    if pod.waiting_reason != "CreateContainerConfigError":
        return None
    return Failure(
        reason="ContainerConfigError",
        message=f"Pod {pod.name} cannot be configured: {clean(pod.waiting_message)}. "
        "Create the Secret, ConfigMap or key that it names.",
        stalled=settled(pod, now),
    )


def _cannot_start(pod: PodFact, now: datetime) -> Failure | None:
    if not {pod.waiting_reason, pod.terminated_reason} & _START or pod.ready:
        return None
    return Failure(
        reason="ContainerStartFailed",
        message=f"Pod {pod.name} cannot start its container from {pod.image}: is it an image of "
        "the Service Layer? Set spec.image to one.",
        stalled=settled(pod, now),
    )


def _said_why(pod: PodFact, _now: datetime) -> Failure | None:
    ending = read_ending(pod)
    if ending is None or not _is_down(pod):
        return None
    return Failure(
        reason=ending.reason,
        message=f"Pod {pod.name} ended: {ending.message}",
        stalled=ending.reason == "ConfigInvalid" or pod.restarts >= _CRASHES,
    )


def _out_of_memory(pod: PodFact, _now: datetime) -> Failure | None:
    if pod.terminated_reason != "OOMKilled" or not _is_down(pod):
        return None
    return Failure(
        reason="OutOfMemory",
        message=f"Pod {pod.name} was killed at its memory limit. Raise resources.limits.memory.",
        stalled=pod.restarts >= _CRASHES,
    )


def _crashes(pod: PodFact, _now: datetime) -> Failure | None:
    if pod.exit_code is None or not _is_down(pod):
        return None
    how = "killed" if pod.exit_code == _OUT_OF_MEMORY else f"exit code {pod.exit_code}"
    return Failure(
        reason="CrashLoop",
        message=f"Pod {pod.name} ended ({how}), {pod.restarts} restarts. "
        f"Read why: kubectl logs {pod.name} --previous",
        stalled=pod.restarts >= _CRASHES,
    )


def _unschedulable(pod: PodFact, now: datetime) -> Failure | None:
    if pod.unschedulable is None:
        return None
    return Failure(
        reason="Unschedulable",
        message=f"No node takes pod {pod.name}: {clean(pod.unschedulable)}. Add capacity, or "
        "change spec.api.resources or spec.api.podTemplate.",
        stalled=settled(pod, now),
    )


def _is_down(pod: PodFact) -> bool:
    """A pod that ended once and serves again is no failure."""
    failed = pod.exit_code not in {None, 0} or pod.waiting_reason == "CrashLoopBackOff"
    return failed and not pod.ready and pod.phase != "Succeeded"


_CHAIN: Final[tuple[Callable[[PodFact, datetime], Failure | None], ...]] = (
    _cannot_pull,
    _config_error,
    _cannot_start,
    _said_why,
    _out_of_memory,
    _crashes,
    _unschedulable,
)
