"""PURE: which events a change of the conditions is worth.

Invariant: only transitions are told, judged against the status that was written before, so that a
restarted operator repeats nothing. A warning means that a person should act; progress is told by
conditions, not by events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from servicelayer_operator.checks import Condition
    from servicelayer_operator.resource import InvalidResource

_TRUE = "True"
_FALSE = "False"
_DOMAIN = frozenset({"SecretsReady", "DatabaseReachable", "WorkloadsAvailable", "Exposed"})
_GOOD_NEWS = frozenset({"Ready", "Migrated"})
# Steps on the way to what the user asked for: nobody needs to act.
_PROGRESS = frozenset(
    {
        "Applying",
        "DatabaseStarting",
        "DeploymentMissing",
        "IngressMissing",
        "MigrationPending",
        "MigrationRunning",
        "RolloutInProgress",
        "Suspended",
        "WaitingForDatabase",
        "WaitingForMigration",
        "WaitingForSecrets",
    }
)
# Normal at first, and worth a warning when it was better before.
_SLOW_START = frozenset(
    {
        "CertificatePending",
        "IngressPending",
        "NoReadyEndpoints",
        "PodsNotReady",
        "SecretMissing",
    }
)
# One for all, so that one cause which several conditions tell is one event.
_ACTION = "Reconcile"


class Happening(msgspec.Struct, frozen=True):
    """What an event says."""

    type: Literal["Normal", "Warning"]
    reason: str
    action: str
    note: str


def on_invalid(refusal: InvalidResource) -> Happening:
    """The resource breaks a rule."""
    note = f"{refusal.field}: {refusal.message}"
    return Happening("Warning", "SpecInvalid", "Validate", note)


def on_contested(one: str, another: str) -> Happening:
    """Two operators want to serve the resource; both tell it in the same words."""
    names = " and ".join(sorted((one, another)))
    note = (
        f"operators {names} both want to serve this resource; the one that serves it already goes "
        "on. Let each watch namespaces of its own, or remove one"
    )
    return Happening("Warning", "Contested", "Serve", note)


def on_secret(name: str) -> Happening:
    """A Secret was made."""
    return Happening("Normal", "SecretGenerated", "Generate", f"made Secret/{name}, once for all")


def transitions(old: Mapping[str, Any], new: Iterable[Condition]) -> list[Happening]:
    """The events that the step from the old status to the new conditions is worth."""
    kept: list[dict[str, Any]] = old.get("conditions") or []
    before = {item.get("type"): item for item in kept}
    told: list[Happening] = []
    for condition in new:
        was = before.get(condition.type) or {}
        happening = _judge(condition, str(was.get("status", "")), str(was.get("reason", "")))
        if happening is not None and happening not in told:
            told.append(happening)
    return told


def _judge(condition: Condition, status: str, reason: str) -> Happening | None:
    if (condition.status, condition.reason) == (status, reason):
        return None
    if condition.type in _GOOD_NEWS and condition.status == _TRUE and status != _TRUE:
        return Happening("Normal", condition.reason, _ACTION, condition.message)
    if condition.type == "Stalled" and condition.status == _TRUE:
        return Happening("Warning", condition.reason, _ACTION, condition.message)
    if _needs_somebody(condition, lost=status == _TRUE):
        return Happening("Warning", condition.reason, _ACTION, condition.message)
    return None


def _needs_somebody(condition: Condition, *, lost: bool) -> bool:
    """Whether a condition that does not hold is a fault and no step on the way."""
    if condition.status != _FALSE or condition.reason in _PROGRESS:
        return False
    if condition.type == "Ready":
        return lost or condition.reason not in _SLOW_START
    return lost and condition.type in _DOMAIN
