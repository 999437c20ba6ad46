"""From facts to conditions: a chain of named checks, each a small pure function of a given clock.

By the rules of kstatus: Ready is True only when every wanted object is applied and what they run
has converged; Reconciling exists only while the operator or Kubernetes still works towards that;
Stalled exists only when nothing will change until somebody acts. Every other condition belongs to
one check of `domain_checks.py`. All of them recover by themselves, for they follow from the facts.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from servicelayer_operator.conditions import Condition, Situation, Verdict, bad, good
from servicelayer_operator.domain_checks import (
    check_database,
    check_exposed,
    check_migrated,
    check_secrets,
    check_storage,
    held_since,
    is_only_planned,
    template_of,
)
from servicelayer_operator.failures import GRACE, clean
from servicelayer_operator.manifests.manifest import Manifest
from servicelayer_operator.observed import ApplyError, Observed
from servicelayer_operator.plan import Plan
from servicelayer_operator.resource import ServiceLayer
from servicelayer_operator.retries import judge_migration, wanted_job
from servicelayer_operator.rollout_checks import check_rollout, check_workloads

__all__ = ["Condition", "run_checks"]

_MAX_TOLD: Final = 8
READY: Final = "Ready"
RECONCILING: Final = "Reconciling"
STALLED: Final = "Stalled"

# The order of the causes: what comes first explains what comes after.
_DOMAIN: Final[tuple[tuple[str, Callable[[Situation], Verdict | None]], ...]] = (
    ("SecretsReady", check_secrets),
    ("DatabaseReachable", check_database),
    ("Migrated", check_migrated),
    ("WorkloadsAvailable", check_workloads),
    ("Exposed", check_exposed),
    ("StorageCurrent", check_storage),
)
# What tells something without keeping the resource from being ready.
_TELLS_ONLY: Final = frozenset({"StorageCurrent"})


def run_checks(
    resource: ServiceLayer,
    desired: Sequence[Manifest],
    observed: Observed,
    plan: Plan,
    now: datetime,
) -> list[Condition]:
    """Judge the resource.

    Args:
        resource: The decoded resource, its last status included.
        desired: What `build_all` wanted.
        observed: The facts *after* this round's applies, with the writes that failed in `errors`.
        plan: The plan made *after* this round's applies (so `apply` is empty when all went well).
            In mode Plan the plan as it stands.
        now: An aware time.

    Returns:
        The conditions in a fixed order, Ready first.
    """
    situation = Situation(
        resource=resource,
        desired=desired,
        observed=observed,
        plan=plan,
        migration=judge_migration(resource, wanted_job(desired), observed, now),
        now=now,
    )
    judged = [(kind, check(situation)) for kind, check in _DOMAIN]
    verdicts = {kind: verdict for kind, verdict in judged if verdict is not None}
    return [
        *_summary(situation, verdicts),
        *(_condition(kind, verdict) for kind, verdict in verdicts.items()),
        *_modes(situation),
    ]


def _summary(situation: Situation, verdicts: dict[str, Verdict]) -> Iterator[Condition]:
    """Sum up: the first cause that needs a person, else the first cause, else ready."""
    found = (check(situation) for check in (*_FIRST, *_domain(verdicts), *_LAST))
    causes = [verdict for verdict in found if verdict is not None and verdict.status == "False"]
    cause = next((verdict for verdict in causes if verdict.stalled), causes[0] if causes else None)
    if cause is None:
        yield _condition(READY, _is_ready(situation))
        return
    yield _condition(READY, cause)
    kind = STALLED if cause.stalled else RECONCILING
    yield _condition(kind, good(cause.reason, cause.message))


def _is_ready(situation: Situation) -> Verdict:
    resource = situation.resource
    if resource.spec.suspend:
        return good("Suspended", "Stopped, as spec.suspend asks: nothing serves. Data is kept.")
    return good("Ready", f"Serving: {resource.spec.api.replicas} API pods run the wanted version.")


def _domain(verdicts: dict[str, Verdict]) -> Iterator[Callable[[Situation], Verdict | None]]:
    """Take the conditions' verdicts as causes; a suspended workload is no cause."""
    for kind, verdict in verdicts.items():
        if verdict.reason != "Suspended" and kind not in _TELLS_ONLY:
            yield lambda _situation, verdict=verdict: verdict


def _nothing_runs(situation: Situation) -> Verdict | None:
    """In mode Plan nothing is made; what runs already is judged as ever."""
    if not is_only_planned(situation) or situation.observed.deployment is not None:
        return None
    return bad(
        "PlanOnly",
        "Nothing is installed, for spec.mode is Plan. See status.plan; set spec.mode to Apply to "
        "carry it out.",
        stalled=True,
    )


def _name_conflict(situation: Situation) -> Verdict | None:
    """Children of a deleted resource of the same name go within seconds; a stranger's stay."""
    found = [wait.conflict for wait in situation.plan.wait if wait.conflict is not None]
    if not found:
        return None
    conflict = next((item for item in found if not item.passing), found[0])
    since = held_since(situation.resource.status.get("conditions") or [], conflict.reason)
    held = since is not None and situation.now - since >= GRACE
    return bad(conflict.reason, conflict.message, stalled=held or not conflict.passing)


def _refused_writes(situation: Situation) -> Verdict | None:
    if not situation.observed.errors:
        return None
    error = next((item for item in situation.observed.errors if item.terminal), None)
    error = error or situation.observed.errors[0]
    return bad(
        _write_reason(error),
        f"{error.key} cannot be applied ({error.reason}): {clean(error.message)}",
        stalled=error.terminal,
    )


def _write_reason(error: ApplyError) -> str:
    if error.reason == "Contested":
        return error.reason
    if "exceeded quota" in error.message:
        return "QuotaExceeded"
    return "ApplyRefused" if error.terminal else "ApplyFailed"


def _rollout(situation: Situation) -> Verdict | None:
    return check_rollout(situation)


def _applied(situation: Situation) -> Verdict | None:
    """All that is wanted must be there, in the wanted template, and nothing else."""
    plan, deployment = situation.plan, situation.observed.deployment
    if is_only_planned(situation):
        return None
    if plan.apply or plan.wait or plan.prune:
        return bad("Applying", _summary_line(plan))
    if deployment is not None and deployment.template != template_of(situation):
        return bad("Applying", "The Deployment does not carry the wanted pod template yet.")
    return None


def _summary_line(plan: Plan) -> str:
    counts = (len(plan.apply), len(plan.wait), len(plan.prune))
    return "{} objects to apply, {} waiting, {} to delete.".format(*counts)


_FIRST: Final = (_nothing_runs, _name_conflict, _refused_writes)
_LAST: Final = (_rollout, _applied)


def _modes(situation: Situation) -> Iterator[Condition]:
    spec, plan = situation.resource.spec, situation.plan
    if situation.resource.unknown:
        names = ", ".join(situation.resource.unknown[:_MAX_TOLD])
        yield _condition(
            "SpecUnderstood",
            bad(
                "UnknownFields",
                f"This version of the operator does not know {names} and goes on without. Upgrade "
                "the operator.",
            ),
        )
    if spec.suspend:
        yield _condition("Suspended", good("SpecSuspend", "spec.suspend is true."))
    if spec.mode == "Plan":
        pending = bool(plan.apply or plan.wait or plan.prune)
        reason = "ChangesPending" if pending else "InSync"
        yield _condition("Planned", good(reason, _summary_line(plan)))


def _condition(kind: str, verdict: Verdict) -> Condition:
    return Condition(
        type=kind, status=verdict.status, reason=verdict.reason, message=verdict.message
    )
