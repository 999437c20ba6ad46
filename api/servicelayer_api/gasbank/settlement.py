"""Settlement: scheduled withdrawals are started, pending ones are asked about until they end.

Invariant: a withdrawal is worked on under a lease by the database's clock, and its end is written
only by whoever still holds the fencing token, together with the ledger entry. A replica that dies
or sleeps leaves the lease to run out and another one asks anew; the answer of a resolver is about
the withdrawal and not about who asked, so that asking twice moves nothing twice.

"Not done yet" is no error: it uses no attempt up and changes one row in place however long it
takes. Errors wait longer each time, and after `GASBANK_MAX_ATTEMPTS` of them in a row the
withdrawal is a dead letter, its gas still withheld.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog
from msgspec.structs import replace

from servicelayer_api.errors import Conflict, ServiceError, Unavailable
from servicelayer_api.gasbank import rules
from servicelayer_api.gasbank.models import Attempt, Event, State
from servicelayer_api.gasbank.store import accounts as account_store
from servicelayer_api.gasbank.store import settlements, transactions
from servicelayer_api.gasbank.withdrawals import advance, begin, is_approved, successor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import datetime

    from servicelayer_api.admin import Quotas
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.gasbank.metrics import GasBankMetrics
    from servicelayer_api.gasbank.models import GasAccount, Transaction
    from servicelayer_api.gasbank.resolver import Resolver, Verdict

ACTOR: Final = "gasbank-settlement"
_DUE_AT_ONCE: Final = 100
_ASKED_AT_ONCE: Final = 16
# Beyond the resolver's own time limit, for what the database may take; should it take longer, the
# fencing token holds.
_LEASE_MARGIN: Final = 1.5
_START_LEASE: Final = 30.0

_log = structlog.get_logger(__name__)


class Settlement:
    """One replica's share of the work."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: AuditLog,
        metrics: GasBankMetrics,
        quotas: Quotas,
        *,
        interval: float,
        max_attempts: int,
        resolver: Resolver | None,
        patience: float,
    ) -> None:
        """Settle what is in this database.

        Args:
            database: where the ledger is.
            clock: of the program; leases go by the database's.
            audit: told of every end.
            metrics: told of every answer.
            quotas: what a tenant may withdraw on a day.
            interval: seconds between two looks at the queue.
            max_attempts: errors in a row after which a withdrawal is a dead letter.
            resolver: who is asked; without one, withdrawals stay pending.
            patience: seconds the resolver may take.
        """
        self._database = database
        self._clock = clock
        self._audit = audit
        self._metrics = metrics
        self._quotas = quotas
        self._interval = interval
        self._max_attempts = max_attempts
        self._resolver = resolver
        self._lease = _LEASE_MARGIN * (patience + 1)

    async def run_once(self) -> float:
        """Do what is due.

        Returns:
            Seconds until it makes sense to look again.
        """
        started = await self._start_due()
        asked = await self._ask_all() if self._resolver is not None else 0
        async with self._database.connection() as connection:
            depth, oldest, dead = await settlements.queue_figures(connection)
            due = await settlements.seconds_until_due(connection)
        self._metrics.queue(depth, oldest, dead)
        if started >= _DUE_AT_ONCE or asked >= _ASKED_AT_ONCE:
            return 0.0
        if due is None or (self._resolver is None and depth):
            return self._interval
        return min(self._interval, max(due, rules.SHORTEST_WAIT))

    async def _start_due(self) -> int:
        async with self._database.connection() as connection:
            claimed = await settlements.claim_due(connection, _START_LEASE, _DUE_AT_ONCE)
        for withdrawal in claimed:
            async with self._alone(withdrawal):
                quota = await self._quotas.limit("gas-per-day", withdrawal.tenant)
                async with self._database.transaction() as connection:
                    held = await self._hold(connection, withdrawal)
                    if held is not None:
                        await self._start(connection, *held, quota)
        return len(claimed)

    @staticmethod
    @asynccontextmanager
    async def _alone(withdrawal: Transaction) -> AsyncGenerator[None]:
        """Work on one withdrawal, so that what happens to it stops no other.

        Nothing of it was written then; its lease runs out and it is taken again.

        Raises:
            Unavailable: the database is away, which concerns all of them.
        """
        try:
            yield
        except Unavailable:
            raise
        except ServiceError as exc:
            _log.warning("settlement_not_kept", withdrawal=str(withdrawal.id), error=exc.code)
        except Exception:  # noqa: BLE001 - whatever it is, the other withdrawals are settled
            _log.exception("settlement_failed", withdrawal=str(withdrawal.id))

    async def _start(
        self,
        connection: Connection,
        account: GasAccount,
        withdrawal: Transaction,
        quota: int | None,
    ) -> None:
        """Start a scheduled withdrawal, and put the next one of its kind in its place."""
        now = self._clock.now()
        notes = withdrawal.notes
        following = successor(withdrawal, account, now)
        if following is not None:
            try:
                account, following = await begin(connection, account, following, now, quota)
            except Conflict as exc:
                notes = f"not repeated: {exc.detail}"
                _log.warning("withdrawal_not_repeated", withdrawal=str(withdrawal.id))
        ready = await is_approved(connection, withdrawal)
        event = Event.DUE if ready else Event.DUE_UNAPPROVED
        changed = await advance(connection, account, withdrawal, event, now, notes=notes)
        await self._record(connection, "gasbank.start", withdrawal, changed)

    async def _ask_all(self) -> int:
        async with self._database.connection() as connection:
            claimed = await settlements.claim_pending(connection, self._lease, _ASKED_AT_ONCE)
        ended = await asyncio.gather(
            *(self._ask(withdrawal) for withdrawal in claimed), return_exceptions=True
        )
        for away in (end for end in ended if isinstance(end, BaseException)):
            raise away
        return len(claimed)

    async def _ask(self, withdrawal: Transaction) -> None:
        if self._resolver is None:
            return
        started = self._clock.now()
        began = self._clock.monotonic()
        async with self._alone(withdrawal):
            verdict = await self._resolver.ask(withdrawal.id)
            seconds = self._clock.monotonic() - began
            self._metrics.answered(verdict.outcome, seconds)
            async with self._database.transaction() as connection:
                held = await self._hold(connection, withdrawal)
                if held is not None:
                    await self._conclude(connection, *held, verdict, started, seconds)

    async def _conclude(
        self,
        connection: Connection,
        account: GasAccount,
        withdrawal: Transaction,
        verdict: Verdict,
        started: datetime,
        seconds: float,
    ) -> None:
        now = self._clock.now()
        attempt = await self._attempt(connection, withdrawal, verdict, started, seconds)
        facts: dict[str, Any] = {
            "attempts": attempt.attempt,
            "last_attempt_at": now,
            "resolver_error": verdict.message,
            "errors": 0,
        }
        if verdict.outcome == "retry":
            wait = rules.wait_as_told(verdict.wait)
            facts["next_attempt_at"] = rules.due_again(now, wait)
            await self._keep(connection, withdrawal, now, facts)
        elif verdict.outcome == "error":
            await self._count_error(connection, account, withdrawal, now, facts)
        else:
            facts |= {"resolved_at": now, "next_attempt_at": None}
            if verdict.outcome == "succeeded":
                facts |= {"completed_at": now, "resolver_error": ""}
                event = Event.SUCCEEDED
            else:
                facts["error"] = verdict.message or "refused by the resolver"
                event = Event.REFUSED
            changed = await advance(connection, account, withdrawal, event, now, **facts)
            await self._record(connection, f"gasbank.{changed.status}", withdrawal, changed)

    async def _count_error(
        self,
        connection: Connection,
        account: GasAccount,
        withdrawal: Transaction,
        now: datetime,
        facts: dict[str, Any],
    ) -> None:
        errors = withdrawal.errors + 1
        facts["errors"] = errors
        if errors < self._max_attempts:
            wait = rules.wait_after_error(errors, self._interval)
            facts["next_attempt_at"] = rules.due_again(now, wait)
            await self._keep(connection, withdrawal, now, facts)
            return
        facts |= {
            "dead_letter_reason": "max attempts exceeded",
            "dead_letter_at": now,
            "next_attempt_at": None,
        }
        changed = await advance(connection, account, withdrawal, Event.EXHAUSTED, now, **facts)
        await self._record(connection, "gasbank.dead_letter", withdrawal, changed)
        _log.error("withdrawal_dead_letter", withdrawal=str(withdrawal.id), errors=errors)

    @staticmethod
    async def _keep(
        connection: Connection, withdrawal: Transaction, now: datetime, facts: dict[str, Any]
    ) -> None:
        rules.advance(State(withdrawal.status), Event.DISPATCHED)
        await transactions.update_transaction(
            connection, replace(withdrawal, updated_at=now, **facts)
        )

    @staticmethod
    async def _attempt(
        connection: Connection,
        withdrawal: Transaction,
        verdict: Verdict,
        started: datetime,
        seconds: float,
    ) -> Attempt:
        """Keep an answer: a new attempt, or the last one again while it is still waiting."""
        last = await settlements.find_last_attempt(connection, withdrawal.id)
        number = last.attempt if last is not None else 0
        waiting = last is not None and last.status == "retry" and verdict.outcome == "retry"
        attempt = Attempt(
            transaction_id=withdrawal.id,
            attempt=number if waiting else number + 1,
            started_at=started,
            completed_at=rules.due_again(started, seconds),
            latency_ns=int(seconds * 1e9),
            status=verdict.outcome,
            error=verdict.message if verdict.outcome in {"error", "failed"} else "",
        )
        await settlements.keep_attempt(connection, attempt)
        return attempt

    @staticmethod
    async def _hold(
        connection: Connection, claimed: Transaction
    ) -> tuple[GasAccount, Transaction] | None:
        """Hold a claimed withdrawal and its gas account; `None` when the claim has gone."""
        account = await account_store.lock_account_by_id(connection, claimed.gas_account_id)
        held = await settlements.lock_claimed(connection, claimed.id, claimed.fencing_token)
        if held is None or held.status != claimed.status:
            return None
        return account, held

    async def _record(
        self, connection: Connection, action: str, before: Transaction, after: Transaction
    ) -> None:
        await self._audit.record_system(
            connection,
            actor=ACTOR,
            action=action,
            account_id=after.account_id,
            tenant=after.tenant,
            resource_id=after.id,
            before=before,
            after=after,
        )
