"""How a migration stands, and whether and when a failed one is tried again.

The rule:
- exit 3 (database unreachable): tried again by itself, after 5, 10, 20, 40 and then 60 seconds, for
  ever; not stalled, for a database comes back without anybody touching this resource;
- exit 4 (login or permission refused): stalled, for somebody must act, yet tried again in the same
  way, because a right granted inside the database is nothing the operator could see;
- the Job's time ran out before its pod had ever started (an image that could not be pulled): as
  with 4;
- all else (bad configuration, a failed or too slow migration, an unsupported database) is final for
  this hash: stalled until the image, the database, its Secret, `spec.database.migrations` or the
  annotation `servicelayer.r3e.network/retry-migration` changes, or the failed Job is deleted.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from servicelayer_operator.failures import clean, find_failure, read_ending, settled
from servicelayer_operator.manifests.labels import (
    MIGRATION_ATTEMPT,
    MIGRATION_HASH,
    RETRY_MIGRATION,
)
from servicelayer_operator.manifests.manifest import Manifest
from servicelayer_operator.manifests.migration_job import (
    BAD_CONFIGURATION,
    DATABASE_AUTH_FAILED,
    DATABASE_UNREACHABLE,
    DATABASE_UNSUPPORTED,
    MIGRATION_FAILED,
    MigrationRecord,
    migration_record,
)
from servicelayer_operator.observed import JobFact, JobState, Observed, PodFact
from servicelayer_operator.resource import ServiceLayer

FIRST_DELAY: Final = timedelta(seconds=5)
LONGEST_DELAY: Final = timedelta(seconds=60)

_DOUBLINGS: Final = 4
_REASONS: Final = {
    BAD_CONFIGURATION: "ConfigInvalid",
    DATABASE_UNREACHABLE: "DatabaseUnreachable",
    DATABASE_AUTH_FAILED: "DatabaseAuthFailed",
    MIGRATION_FAILED: "MigrationFailed",
    DATABASE_UNSUPPORTED: "DatabaseUnsupported",
}
_ACTIONS: Final = {
    "ConfigInvalid": "Correct the connection string in the Secret.",
    "DatabaseUnreachable": "Check that the database runs, its host and port in the Secret, and "
    "that spec.networkPolicy lets the port through (5432 and 6432; others by extraEgress). It is "
    "tried again by itself.",
    "DatabaseAuthFailed": "Correct user and password in the Secret, or the user's rights in the "
    "database. It is tried again by itself.",
    "DatabaseUnsupported": "Use PostgreSQL 14 or newer.",
    "MigrationTimedOut": "Raise spec.database.migrations.timeoutSeconds.",
    "MigrationNotStarted": "See why its pod could not start. It is tried again by itself.",
}
_RETRIED: Final = frozenset({"DatabaseUnreachable", "DatabaseAuthFailed", "MigrationNotStarted"})
_STALLED: Final = _RETRIED - {"DatabaseUnreachable"}
_FINAL: Final = f"Read the Job's log, mend the cause, then set the annotation {RETRY_MIGRATION}."
_RAN: Final = frozenset({"Running", "Succeeded"})
_EXIT_CODE: Final = re.compile(r"exit code (\d+)")


class MigrationState(StrEnum):
    """`status.migration.state`."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"


class MigrationVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """How the wanted migration stands. `retry_at`: when the next attempt is due, None for never."""

    state: MigrationState
    reason: str
    message: str
    stalled: bool = False
    retry_at: datetime | None = None


class WantedJob(msgspec.Struct, frozen=True, kw_only=True):
    """The desired Job, read back off its manifest."""

    name: str
    hash: str
    attempt: int
    image: str


def wanted_job(desired: Sequence[Manifest]) -> WantedJob:
    """Find the migration Job among the desired objects; `build_all` always makes one."""
    body = next(manifest.body for manifest in desired if manifest.key.kind == "Job")
    annotations = body["metadata"]["annotations"]
    return WantedJob(
        name=body["metadata"]["name"],
        hash=annotations[MIGRATION_HASH],
        attempt=int(annotations[MIGRATION_ATTEMPT]),
        image=body["spec"]["template"]["spec"]["containers"][0]["image"],
    )


def judge_migration(
    resource: ServiceLayer, wanted: WantedJob, observed: Observed, now: datetime
) -> MigrationVerdict:
    """Judge the wanted migration by the record, its Job and the Job's pods."""
    record, job = migration_record(resource), observed.migration
    if job is not None and job.name != wanted.name:
        job = None
    if record.completed_hash == wanted.hash or (job and job.state is JobState.COMPLETE):
        return _completed(wanted)
    pods = [pod for pod in observed.pods if pod.job == wanted.name]
    if any(pod.exit_code == 0 for pod in pods):
        # The program has ended well; a sidecar that goes on keeps the Job from saying so.
        return _completed(wanted)
    if job is not None and job.state is JobState.FAILED:
        return _failed(record, job, pods, now)
    found = _told_by_pods(job, pods, now) if job else None
    found = found or _last_attempt(resource, wanted)
    if found is None and job is not None and has_started(record, job.name, pods):
        return _running(job)
    return found or _not_started(wanted, job)


def _completed(wanted: WantedJob) -> MigrationVerdict:
    return MigrationVerdict(
        state=MigrationState.COMPLETED,
        reason="MigrationComplete",
        message=f"The database is migrated for {wanted.image}.",
    )


def _not_started(wanted: WantedJob, job: JobFact | None) -> MigrationVerdict:
    todo = "is not started yet." if job is None else "has no running pod yet."
    return MigrationVerdict(
        state=MigrationState.PENDING,
        reason="MigrationPending",
        message=f"Job {wanted.name} {todo}",
    )


def _last_attempt(resource: ServiceLayer, wanted: WantedJob) -> MigrationVerdict | None:
    """Keep telling why the last attempt failed until this one has something to say.

    Otherwise the conditions would swing at every attempt.
    """
    before: list[dict[str, str]] = resource.status.get("conditions") or []
    told = next((item for item in before if item.get("type") == "Migrated"), None)
    if wanted.attempt == 1 or told is None or told["reason"] not in _RETRIED:
        return None
    return MigrationVerdict(
        state=MigrationState.PENDING,
        reason=told["reason"],
        message=told["message"],
        stalled=told["reason"] in _STALLED,
    )


def _told_by_pods(job: JobFact, pods: Sequence[PodFact], now: datetime) -> MigrationVerdict | None:
    running = [pod for pod in pods if pod.phase == "Running"]
    ended = _last_ended(pods)
    if ended is not None and not running:
        return _between_pods(job, ended)
    failure = find_failure([pod for pod in pods if pod.phase == "Pending"], now)
    if failure is not None:
        return MigrationVerdict(
            state=MigrationState.PENDING,
            reason=failure.reason,
            message=f"Migration: {failure.message}",
            stalled=failure.stalled,
        )
    if not running or (job.attempt > 1 and not settled(running[0], now)):
        return None
    return _running(job)


def _running(job: JobFact) -> MigrationVerdict:
    """Also between its pod's end and the Job's own word: what has started waits no more."""
    return MigrationVerdict(
        state=MigrationState.RUNNING,
        reason="MigrationRunning",
        message=f"Job {job.name} is migrating the database; the present pods keep serving.",
    )


def _between_pods(job: JobFact, ended: PodFact) -> MigrationVerdict:
    """A pod failed, and the Job has not yet started the next one or given up."""
    reason, said = _reason(ended.exit_code), read_ending(ended)
    text = said.message if said else f"exit code {ended.exit_code}"
    return MigrationVerdict(
        state=MigrationState.RUNNING,
        reason=reason,
        message=f"Job {job.name}, after {job.failed_pods} failed pods: {text}. "
        f"{_ACTIONS.get(reason, 'It is tried again by itself.')}",
        stalled=reason in _STALLED,
    )


def _failed(
    record: MigrationRecord, job: JobFact, pods: Sequence[PodFact], now: datetime
) -> MigrationVerdict:
    ended = _last_ended(pods)
    reason = _failure_reason(record, job, ended)
    said = read_ending(ended) if ended else None
    text = said.message if said and said.reason == reason else clean(job.message) or job.reason
    delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(_DOUBLINGS, job.attempt - 1))
    return MigrationVerdict(
        state=MigrationState.FAILED,
        reason=reason,
        message=f"Job {job.name} failed at attempt {job.attempt}: {text}. "
        f"{_ACTIONS.get(reason, _FINAL)}",
        stalled=reason != "DatabaseUnreachable",
        retry_at=(job.finished_at or now) + delay if reason in _RETRIED else None,
    )


def _failure_reason(record: MigrationRecord, job: JobFact, ended: PodFact | None) -> str:
    if job.reason == "DeadlineExceeded":
        started = ended is not None or has_started(record, job.name, ())
        return "MigrationTimedOut" if started else "MigrationNotStarted"
    if ended is not None:
        return _reason(ended.exit_code)
    # The pods may be gone already; the Job's own words keep the exit code.
    told = _EXIT_CODE.search(job.message)
    return _reason(int(told.group(1)) if told else None)


def has_started(record: MigrationRecord, job: str, pods: Sequence[PodFact]) -> bool:
    """Tell whether a pod of the Job has ever run; once true it stays true."""
    ran = any(pod.phase in _RAN or pod.exit_code is not None for pod in pods)
    known = record.job == job and (record.started or record.state == MigrationState.RUNNING)
    return ran or known


def _reason(exit_code: int | None) -> str:
    return _REASONS.get(exit_code or MIGRATION_FAILED, "MigrationFailed")


def _last_ended(pods: Sequence[PodFact]) -> PodFact | None:
    ended = [pod for pod in pods if pod.exit_code not in {None, 0} and pod.terminated_at]
    return max(ended, key=lambda pod: (str(pod.terminated_at), pod.name), default=None)


def next_record(
    resource: ServiceLayer,
    wanted: WantedJob,
    verdict: MigrationVerdict,
    pods: Sequence[PodFact],
    now: datetime,
) -> MigrationRecord:
    """Write the record anew; a retry that is due raises the attempt, and with it the Job's name."""
    due = verdict.retry_at is not None and now >= verdict.retry_at
    completed = verdict.state is MigrationState.COMPLETED
    record = migration_record(resource)
    mine = [pod for pod in pods if pod.job == wanted.name]
    return MigrationRecord(
        hash=wanted.hash,
        image=wanted.image,
        job=wanted.name,
        state=MigrationState.PENDING if due else verdict.state,
        attempts=wanted.attempt + 1 if due else wanted.attempt,
        message="" if completed else verdict.message,
        completed_hash=wanted.hash if completed else record.completed_hash,
        started=not due and has_started(record, wanted.name, mine),
    )
