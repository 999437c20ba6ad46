"""The rate limit on every path but the probes: per client address and per caller.

It decides in process, so that it costs a request no query. A worker tells the database what was
used, half a second later, and hears what the other replicas let through; so the limit holds for all
of them together but for what fits into that half second. While the database is away each replica
limits by itself: the limit is never a reason for an outage.

Whoever sends one request after the other is slowed down to the pace rather than refused: a request
that would pass a moment later is held back for that moment. Refused is who sends many at once, or
is far from the pace.

The address is checked before the credential, so that guessing is limited too, and without a trace
in the audit log, so that a flood of refusals fills nothing. Headers follow
draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, Final, cast

from prometheus_client import Counter

from servicelayer_api.errors import RateLimited
from servicelayer_api.web.addresses import site_of
from servicelayer_api.web.answer_headers import answer_headers
from servicelayer_api.web.gate import noted_caller
from servicelayer_api.web.rates import Meters

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send
    from prometheus_client import CollectorRegistry

    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.web.principal import Principal
    from servicelayer_api.web.rates import Rate, Verdict

ADDRESS: Final = "address"
CALLER: Final = "caller"

_VERDICT: Final = "servicelayer.rate_limit"
_PROBES: Final = frozenset({"/livez", "/readyz", "/healthz"})
_PATIENCE: Final = 0.05
_MAX_HELD: Final = 1000


class QuotaExceeded(RateLimited):
    """The caller or its address asks faster than allowed; `violated-policies` says which.

    The header `Retry-After` says when to try again, `RateLimit-Policy` what is allowed.
    """

    def __init__(self, policy: str, wait: int) -> None:
        """Refuse for now.

        Args:
            policy: The policy that was violated.
            wait: Seconds until a request may pass.
        """
        self.policy = policy
        super().__init__(f"too many requests of this {policy}", retry_after=wait)

    def members(self) -> dict[str, object]:
        """Name the policy."""
        return {"violated-policies": [self.policy]}


class RateLimiter:
    """Counts, decides, and writes the headers."""

    def __init__(
        self, rate: Rate, clock: Clock, database: Database, metrics: CollectorRegistry
    ) -> None:
        """Limit every address and every caller to a rate."""
        self._clock = clock
        self._database = database
        self._meters = {name: Meters(rate, patience=_PATIENCE) for name in (ADDRESS, CALLER)}
        self._held = 0
        self._told = clock.monotonic()
        self._policy = (
            b"ratelimit-policy",
            ", ".join(f'"{n}";q={rate.quota};w={rate.window}' for n in self._meters).encode(),
        )
        refused = Counter(
            "http_rate_limited", "Requests refused for their pace.", ("policy",), registry=metrics
        )
        self._refused = {name: refused.labels(name) for name in self._meters}

    async def check(self, scope: Scope, policy: str, subject: str) -> None:
        """Count a request; return when it may pass.

        Raises:
            QuotaExceeded: It is one too many.
        """
        verdict = self._meters[policy].take(subject, self._clock.monotonic())
        self._tell(scope, policy, verdict)
        if not verdict.allowed or (verdict.delay and self._held >= _MAX_HELD):
            self._refused[policy].inc()
            raise QuotaExceeded(policy, max(1, verdict.wait))
        if verdict.delay:
            self._held += 1
            try:
                await asyncio.sleep(verdict.delay)
            finally:
                self._held -= 1

    def _tell(self, scope: Scope, policy: str, verdict: Verdict) -> None:
        """Set the headers of whichever limit is nearer."""
        details = cast("dict[str, Any]", scope)
        headers = answer_headers(scope)
        before = cast("Verdict | None", details.get(_VERDICT))
        if before is None:
            headers.append(self._policy)
        elif before.remaining <= verdict.remaining:
            return
        else:
            headers.pop(next(i for i, (name, _) in enumerate(headers) if name == b"ratelimit"))
        details[_VERDICT] = verdict
        value = f'"{policy}";r={verdict.remaining};t={verdict.reset}'
        headers.append((b"ratelimit", value.encode()))

    async def share(self) -> None:
        """Tell the database what was used here; hear what was used everywhere.

        Raises:
            Unavailable: The database is away; nothing is told twice, and limits hold here.
        """
        subjects: dict[bytes, tuple[str, str]] = {}
        seconds: list[float] = []
        now = self._clock.monotonic()
        since, self._told = now - self._told, now
        for policy, meters in self._meters.items():
            for subject, used in meters.unreported(now).items():
                subjects[_digest(policy, subject)] = (policy, subject)
                seconds.append(used)
        if not subjects:
            return
        async with self._database.connection() as connection:
            found = await _add_usage(connection, list(subjects), seconds, since)
        now = self._clock.monotonic()
        for key, backlog in found:
            policy, subject = subjects[key]
            self._meters[policy].adopt(subject, backlog, now)

    async def forget(self) -> None:
        """Delete the rows of those that are not busy any more.

        Raises:
            Unavailable: The database is away.
        """
        async with self._database.connection() as connection:
            await connection.execute(
                "DELETE FROM request_rates "
                "WHERE busy_until < clock_timestamp() - interval '1 minute'"
            )


class AddressLimit:
    """Stands before everything else and limits addresses."""

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        """Stand before `app`."""
        self._app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request.

        Raises:
            QuotaExceeded: Its address asks too fast.
        """
        if scope["type"] == "http" and _is_limited(scope["path"]):
            client = scope["client"]
            await self._limiter.check(scope, ADDRESS, site_of(client[0]) if client else "")
        await self._app(scope, receive, send)


class CallerLimit:
    """Stands behind the authentication and limits callers."""

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        """Stand before `app`."""
        self._app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request.

        Raises:
            QuotaExceeded: Its caller asks too fast.
        """
        if scope["type"] == "http" and _is_limited(scope["path"]):
            caller = noted_caller(scope)
            if caller is not None and caller.principal is not None:
                await self._limiter.check(scope, CALLER, _name(caller.principal))
        await self._app(scope, receive, send)


def _is_limited(path: str) -> bool:
    """Tell whether a path costs something: all do, those that do not exist too, but the probes."""
    return path not in _PROBES


def _name(principal: Principal) -> str:
    credential = principal.credential
    return credential.subject or f"{credential.kind}|{credential.tenant}|{credential.user}"


def _digest(policy: str, subject: str) -> bytes:
    return hashlib.sha256(f"{policy}|{subject}".encode()).digest()


async def _add_usage(
    connection: Connection, keys: list[bytes], seconds: list[float], since: float
) -> list[tuple[bytes, float]]:
    """Add seconds of usage; give for each subject how many seconds it is busy from now on.

    What was used was used over the seconds `since` the last time, and not just now: who keeps to
    the pace is not busy. In the order of subjects, so that two replicas never wait for each other.
    """
    rows = await connection.fetch(
        "INSERT INTO request_rates AS r (subject, busy_until) "
        "SELECT s, now() - make_interval(secs => $3) + make_interval(secs => n) "
        "FROM unnest($1::bytea[], $2::float8[]) AS u (s, n) ORDER BY s "
        "ON CONFLICT (subject) DO UPDATE SET busy_until = excluded.busy_until + "
        "greatest(r.busy_until - now() + make_interval(secs => $3), interval '0') "
        "RETURNING subject, extract(epoch FROM busy_until - clock_timestamp())::float8 AS busy",
        keys,
        seconds,
        since,
    )
    return [(row["subject"], row["busy"]) for row in rows]
