"""The dispatcher: takes due requests from the database, asks their sources, writes what came of it.

Invariants: a request is asked only by the process that holds its lease, and its outcome is written
only with the fence it was taken with, in one transaction with its audit entry; so each is done once
in effect, whatever process is killed when. Calls run outside of any transaction. No account gets
all of the places, so that slow sources of one do not stop the others.

What crashes after a call and before the outcome is written is asked again, as another attempt; for
methods that change something the other side gets the request's id as `Idempotency-Key`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter as Counts
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from prometheus_client import Counter

from servicelayer_api.egress import EgressFailed, EgressRefused
from servicelayer_api.errors import ServiceError, Unavailable
from servicelayer_api.oracle import calls, queue_store, rules, store
from servicelayer_api.oracle.calls import Reply
from servicelayer_api.oracle.models import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from prometheus_client import CollectorRegistry

    from servicelayer_api.audit import AuditLog
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.egress import Egress
    from servicelayer_api.oracle.models import Claim, Credentials, StoredSource
    from servicelayer_api.oracle.service import Oracle

    type Asked = tuple[StoredSource, Credentials | Reply]

ACTOR: Final = "oracle-dispatcher"

_CHUNK: Final = 16
_BATCH: Final = 128
_LEASE_MARGIN: Final = 5.0
_POLL_SECONDS: Final = 0.5
# A request that is made inside a transaction of its own is seen a moment after it was announced.
_EAGER_PAUSES: Final = (0.02, 0.08, 0.25)
_LAST_SECONDS: Final = 5.0
_WRITE_PAUSE: Final = 0.5
_UNSTORABLE: Final = "the outcome cannot be stored"
_FINAL_FAILURES: Final = frozenset({"too-large", "redirect"})

_log = structlog.get_logger(__name__)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much and how long.

    Attributes:
        concurrency: Requests asked at the same time.
        timeout: Seconds for one attempt, redirects and all.
        max_bytes: Of an answer.
        max_redirects: Followed per call.
        attempts: Per request.
        backoff: Least pause between attempts, seconds.
        ttl: Seconds a request may live; 0 for no limit.
        dead_letters: Whether requests that are given up are kept as dead letters.
    """

    concurrency: int
    timeout: float
    max_bytes: int
    max_redirects: int
    attempts: int
    backoff: float
    ttl: float
    dead_letters: bool

    @property
    def per_account(self) -> int:
        """Places at which an account is passed over until one of them is free again."""
        return max(1, self.concurrency * 5 // 8)

    @property
    def lease(self) -> float:
        """Seconds for which a request is taken."""
        return self.timeout + _LEASE_MARGIN


class Dispatcher:
    """One a process; any number of them share the work."""

    def __init__(
        self,
        database: Database,
        oracle: Oracle,
        audit: AuditLog,
        egress: Egress,
        metrics: CollectorRegistry,
        limits: Limits,
    ) -> None:
        """Work on this database.

        Args:
            database: The queue.
            oracle: Opens credentials, and announces new work of this process.
            audit: Of every outcome.
            egress: Makes the calls.
            metrics: Where attempts are counted.
            limits: How much and how long.
        """
        self._database = database
        self._oracle = oracle
        self._audit = audit
        self._egress = egress
        self._limits = limits
        self._running: dict[asyncio.Task[None], UUID] = {}
        self._held: Counts[UUID] = Counts()
        self._finished: asyncio.Queue[tuple[Claim, Verdict, asyncio.Event]] = asyncio.Queue()
        self._pauses: list[float] = []
        self._attempts = Counter(
            "oracle_attempts", "Oracle attempts by outcome.", ("outcome",), registry=metrics
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; then finish what is under way, or put it back."""
        writer = asyncio.create_task(self._write_forever(), name="oracle-writer")
        stopped = asyncio.create_task(stop.wait(), name="oracle-stop")
        try:
            while not stop.is_set():
                if len(self._running) >= self._limits.concurrency:
                    await asyncio.wait(
                        [stopped, *self._running], return_when=asyncio.FIRST_COMPLETED
                    )
                elif not await self._take():
                    await self._rest(stopped)
        finally:
            stopped.cancel()
            await self._wind_down()
            writer.cancel()
            await asyncio.gather(writer, stopped, return_exceptions=True)

    async def _rest(self, stopped: asyncio.Task[bool]) -> None:
        pause = self._pauses.pop(0) if self._pauses else _POLL_SECONDS * _around_one()
        announced = asyncio.create_task(self._oracle.new_work.wait())
        # Where an account was passed over, the end of an attempt may make room for its next one.
        room = list(self._running) if self._busy() else []
        try:
            await asyncio.wait(
                [stopped, announced, *room], timeout=pause, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            announced.cancel()
        if self._oracle.new_work.is_set():
            self._oracle.new_work.clear()
            self._pauses = list(_EAGER_PAUSES)

    def _busy(self) -> list[UUID]:
        """The accounts that have as many places as one may have."""
        most = self._limits.per_account
        return [account for account, held in self._held.items() if held >= most]

    async def _take(self) -> int:
        """Take some requests and start their attempts; gives how many."""
        limits = self._limits
        try:
            async with self._database.transaction() as connection:
                claims = await queue_store.lock_due(
                    connection,
                    limit=min(_CHUNK, limits.concurrency - len(self._running)),
                    lease_seconds=limits.lease,
                    most_attempts=limits.attempts,
                    without=self._busy(),
                )
                asked = await self._open_sources(connection, claims) if claims else []
        except ServiceError as exc:
            _log.warning("oracle requests cannot be taken", reason=exc.detail)
            return 0
        for claim, sources in zip(claims, asked, strict=True):
            task = asyncio.create_task(self._attempt(claim, sources), name=f"oracle-{claim.id}")
            self._running[task] = claim.account_id
            self._held[claim.account_id] += 1
            task.add_done_callback(self._forget)
        return len(claims)

    def _forget(self, task: asyncio.Task[None]) -> None:
        account = self._running.pop(task)
        self._held[account] -= 1
        if not self._held[account]:
            del self._held[account]

    async def _open_sources(
        self, connection: Connection, claims: Sequence[Claim]
    ) -> list[list[Asked]]:
        """Read the sources of claims and open their credentials, once a source."""
        keys = [(c.account_id, source) for c in claims for source in (c.source_id, *c.alternates)]
        sources = await store.list_sources_by_id(connection, keys)
        opened: dict[tuple[UUID, UUID], Asked] = {}
        for key, source in sources.items():
            try:
                credentials = await self._oracle.open_credentials(connection, source)
            except ServiceError as exc:
                _log.error("oracle credentials do not open", source=str(key[1]), code=exc.code)
                opened[key] = source, Reply(kind="final", text="the credentials do not open")
            else:
                opened[key] = source, credentials
        return [
            [
                opened[claim.account_id, source]
                for source in (claim.source_id, *claim.alternates)
                if (claim.account_id, source) in opened
                and opened[claim.account_id, source][0].enabled
            ]
            for claim in claims
        ]

    async def _attempt(self, claim: Claim, sources: Sequence[Asked]) -> None:
        try:
            verdict = await self._judge(claim, sources)
        except asyncio.CancelledError:
            verdict = Verdict(outcome="postponed")
        except Exception as exc:  # noqa: BLE001 - one request must not stop the others
            # The type only: texts and tracebacks of a call may hold what was sent.
            _log.error("oracle attempt crashed", request=str(claim.id), error=type(exc).__name__)
            verdict = self._verdict(claim, Reply(kind="transient", text="internal error"))
        written = asyncio.Event()
        self._finished.put_nowait((claim, verdict, written))
        await written.wait()

    async def _judge(self, claim: Claim, sources: Sequence[Asked]) -> Verdict:
        limits = self._limits
        if claim.attempt > limits.attempts:
            # The process that made the last attempt did not live to write its outcome.
            return rules.exhausted(limits.attempts, "", dead_letters=limits.dead_letters)
        if claim.suspended:
            return Verdict(outcome="postponed", pause=rules.SUSPENDED_PAUSE)
        if not sources:
            return self._verdict(claim, Reply(kind="final", text="the data source is disabled"))
        payload, _ = calls.split_payload(claim.payload)
        replies = await asyncio.gather(
            *(self._ask(claim, source, secret, payload) for source, secret in sources)
        )
        return self._verdict(claim, calls.join_replies(replies))

    def _verdict(self, claim: Claim, reply: Reply) -> Verdict:
        return rules.judge(
            claim,
            reply,
            most=self._limits.attempts,
            base=self._limits.backoff,
            noise=random.random(),  # noqa: S311 - spreads pauses, guards nothing
            dead_letters=self._limits.dead_letters,
        )

    async def _ask(
        self, claim: Claim, source: StoredSource, secret: Credentials | Reply, payload: str
    ) -> Reply:
        if isinstance(secret, Reply):
            return secret
        try:
            return await self._call(claim, source, secret, payload)
        except Exception as exc:  # noqa: BLE001 - the other sources of the request may still answer
            # The type only: texts and tracebacks of a call may hold what was sent.
            _log.error("oracle call crashed", request=str(claim.id), error=type(exc).__name__)
            return Reply(kind="transient", text="internal error")

    async def _call(
        self, claim: Claim, source: StoredSource, secret: Credentials, payload: str
    ) -> Reply:
        call = calls.build_call(source, secret, payload, claim.id)
        try:
            answer = await self._egress.request(
                call.method,
                call.url,
                headers=call.headers,
                content=call.content,
                timeout=self._limits.timeout,
                max_bytes=self._limits.max_bytes,
                max_redirects=self._limits.max_redirects,
            )
        except EgressRefused as exc:
            return Reply(kind="final", text=exc.detail)
        except EgressFailed as exc:
            final = exc.kind in _FINAL_FAILURES
            return Reply(kind="final" if final else "transient", text=exc.detail)
        return calls.read_reply(
            answer.status,
            answer.body,
            answer.headers,
            claim.result_path or source.result_path,
            secret,
        )

    async def _write_forever(self) -> None:
        while True:
            batch = [await self._finished.get()]
            while len(batch) < _BATCH and not self._finished.empty():
                batch.append(self._finished.get_nowait())
            try:
                await self._write([(claim, verdict) for claim, verdict, _ in batch])
            finally:
                for _, _, written in batch:
                    written.set()

    async def _write(self, finished: Sequence[tuple[Claim, Verdict]]) -> None:
        """Write outcomes; while the database is away, as long as the leases last.

        What cannot be written for another reason is written one by one, so that it costs no other
        request its outcome, and fails if it is the cause. Outcomes that are lost are asked anew.
        """
        deadline = asyncio.get_running_loop().time() + _LEASE_MARGIN
        while True:
            try:
                written = await self._write_once(finished)
            except Unavailable as exc:
                if asyncio.get_running_loop().time() > deadline:
                    _log.error("oracle outcomes are lost", count=len(finished), reason=exc.detail)
                    return
                await asyncio.sleep(_WRITE_PAUSE)
            except Exception as exc:  # noqa: BLE001 - the writer must outlive whatever it is given
                _log.error("oracle outcomes cannot be written", error=type(exc).__name__)
                await self._write_apart(finished)
                return
            else:
                break
        for claim, verdict in finished:
            self._attempts.labels(verdict.outcome if claim.id in written else "fenced").inc()

    async def _write_apart(self, finished: Sequence[tuple[Claim, Verdict]]) -> None:
        for claim, verdict in finished:
            if len(finished) > 1:
                await self._write([(claim, verdict)])
            elif verdict.error != _UNSTORABLE:
                await self._write([(claim, Verdict(outcome="failed", error=_UNSTORABLE))])

    async def _write_once(self, finished: Sequence[tuple[Claim, Verdict]]) -> set[UUID]:
        async with self._database.transaction() as connection:
            written = await queue_store.update_finished(connection, finished, self._limits.ttl)
            for claim, verdict in finished:
                if claim.id in written and verdict.outcome not in {"retried", "postponed"}:
                    done = "succeeded" if verdict.outcome == "succeeded" else "failed"
                    await self._audit.record_system(
                        connection,
                        actor=ACTOR,
                        action=f"oracle.request.{done}",
                        account_id=claim.account_id,
                        tenant=claim.tenant,
                        resource_id=claim.id,
                        after=verdict,
                    )
        return written

    async def _wind_down(self) -> None:
        """Let attempts end; after a grace put what is left back for others to take at once."""
        if self._running:
            await asyncio.wait(list(self._running), timeout=_LAST_SECONDS)
        left = list(self._running)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_LAST_SECONDS / 2)


def _around_one() -> float:
    return 0.75 + random.random() / 2  # noqa: S311 - keeps processes out of step
