"""The words of a judgement: condition, verdict, and the situation that is judged."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from servicelayer_operator.manifests.manifest import Manifest
from servicelayer_operator.observed import Observed
from servicelayer_operator.plan import Plan
from servicelayer_operator.resource import ServiceLayer
from servicelayer_operator.retries import MigrationVerdict


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict; `status` is "True", "False" or "Unknown". status.py adds the transition time."""

    type: str
    status: str
    reason: str
    message: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found. `stalled`: nothing will change until somebody acts."""

    status: str
    reason: str
    message: str
    stalled: bool = False


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """All that a check may look at."""

    resource: ServiceLayer
    desired: Sequence[Manifest]
    observed: Observed
    plan: Plan
    migration: MigrationVerdict
    now: datetime


def good(reason: str, message: str) -> Verdict:
    """The check holds."""
    return Verdict(status="True", reason=reason, message=message)


def bad(reason: str, message: str, *, stalled: bool = False) -> Verdict:
    """The check does not hold."""
    return Verdict(status="False", reason=reason, message=message, stalled=stalled)


def unsure(reason: str, message: str) -> Verdict:
    """Nobody can tell; it blocks nothing."""
    return Verdict(status="Unknown", reason=reason, message=message)
