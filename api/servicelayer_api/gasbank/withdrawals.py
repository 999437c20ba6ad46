"""Withdrawals: asked for, approved, cancelled, given up, taken up again.

Invariant: a change of state, the ledger entry that belongs to it and the audit entry share one
transaction in which the gas account and the withdrawal are held, in this order. Which change is
allowed says `rules.TRANSITIONS` and nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from servicelayer_api.gasbank import approvals, rules
from servicelayer_api.gasbank.errors import GasAccountNotFound, GasTransactionNotFound
from servicelayer_api.gasbank.models import Approval, Event, Move, State, Transaction
from servicelayer_api.gasbank.store import accounts as account_store
from servicelayer_api.gasbank.store import ledger, transactions
from servicelayer_api.ids import new_id, parse_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.admin import Quotas
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.clock import Clock
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.gasbank.models import (
        GasAccount,
        NewDecision,
        NewWithdrawal,
        WithdrawalChange,
    )
    from servicelayer_api.web.principal import Caller


class Withdrawals:
    """What the routes call."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: AuditLog,
        accounts: Accounts,
        quotas: Quotas,
        *,
        validate: bool,
    ) -> None:
        """Pay gas out of this database's ledger.

        Args:
            database: where the ledger is.
            clock: of the program.
            audit: told of every change.
            accounts: the door to accounts.
            quotas: what a tenant may withdraw on a day.
            validate: whether destinations must be Neo addresses or script hashes.
        """
        self._database = database
        self._clock = clock
        self._audit = audit
        self._accounts = accounts
        self._quotas = quotas
        self._validate = validate

    async def withdraw(
        self, caller: Caller, account_id: str, new: NewWithdrawal
    ) -> tuple[GasAccount, Transaction]:
        """Withhold gas for a withdrawal, which begins at once, later, or once it is approved.

        Raises:
            AccountNotFound: as `Accounts.reach`.
            AccountSuspended: likewise.
            GasAccountNotFound: the account has no such gas account.
            InsufficientGas: less is available.
            BelowMinimumBalance: too little would be left.
            DailyLimitExceeded: too much on one day.
            GasQuotaExceeded: too much on one day for the tenant.
            Invalid: names each field at fault.
        """
        principal, now = caller.require_principal(), self._clock.now()
        amount, to_address, start = rules.check_withdrawal(new, now, validate=self._validate)
        wanted = parse_id(new.gas_account_id)
        quota = await self._quotas.limit("gas-per-day", caller.require_tenant())
        async with self._database.transaction() as connection:
            owner = await self._accounts.reach(connection, caller, account_id, write=True)
            account = wanted and await account_store.lock_account(connection, owner.id, wanted)
            if not account:
                raise GasAccountNotFound("gas account not found")
            draft = _draft(account, owner.id, amount, now)
            withdrawal = replace(
                draft,
                to_address=to_address,
                schedule_at=start,
                cron_expression=new.cron_expression.strip(),
                requested_by=approvals.identity_of(principal),
                requested_person=approvals.person_at(principal, owner.id),
            )
            account, withdrawal = await begin(connection, account, withdrawal, now, quota)
            await self._audit.record_of(
                connection, caller, "gasbank.withdraw", 200, withdrawal, after=withdrawal
            )
        return account, withdrawal

    async def cancel(
        self, caller: Caller, account_id: str, withdrawal_id: str, change: WithdrawalChange
    ) -> tuple[Transaction, Sequence[Approval]]:
        """Cancel a withdrawal that settlement has not begun.

        Returns:
            The withdrawal and the decisions on it.

        Raises:
            GasTransactionNotFound: the account has no such withdrawal.
            WithdrawalState: it was handed to settlement, or has ended.
            Invalid: the action is another.
        """
        reason = rules.check_cancel(change.action, change.reason)
        async with self._database.transaction() as connection:
            account, found = await self._hold(
                connection, caller, account_id, withdrawal_id, stops=True
            )
            now = self._clock.now()
            changed = await advance(connection, account, found, Event.CANCELLED, now, error=reason)
            await self._audit.record_of(
                connection, caller, "gasbank.cancel", 200, changed, before=found, after=changed
            )
            return changed, await _decisions(connection, found.id)

    async def decide(
        self, caller: Caller, account_id: str, withdrawal_id: str, new: NewDecision
    ) -> tuple[Approval, Transaction, Sequence[Approval]]:
        """Approve or reject a withdrawal; the last approval it needs lets it begin.

        Returns:
            The decision, the withdrawal as it is now, and the decisions that stood before.

        Raises:
            GasTransactionNotFound: the account has no such withdrawal.
            WithdrawalState: it was handed to settlement, or has ended.
            OwnWithdrawal: an API key would approve what a key of its person asked for.
            ApproverUnknown: nobody is known to have made the key or registered the wallet.
            Invalid: names each field at fault.
        """
        principal = caller.require_principal()
        approver = approvals.check_decision(new, principal, parse_id(account_id))
        async with self._database.transaction() as connection:
            account, found = await self._hold(
                connection, caller, account_id, withdrawal_id, stops=not new.approve
            )
            # Whoever may still be stopped may still be decided on.
            rules.advance(State(found.status), Event.REJECTED)
            if new.approve:
                approvals.check_may_approve(principal, approver, found)
            now = self._clock.now()
            before = await _decisions(connection, found.id)
            decision = await transactions.insert_approval(
                connection,
                Approval(
                    transaction_id=found.id,
                    identity=approver.identity,
                    person=approver.person,
                    approver=approver.shown,
                    status="approved" if new.approve else "rejected",
                    signature=new.signature,
                    note=new.note,
                    decided_at=now,
                    created_at=now,
                    updated_at=now,
                ),
            )
            changed = found
            if not new.approve:
                changed = await advance(
                    connection,
                    account,
                    found,
                    Event.REJECTED,
                    now,
                    error=f"rejected by {approver.shown}",
                )
            elif found.status == State.AWAITING_APPROVAL and await is_approved(connection, found):
                changed = await advance(connection, account, found, Event.APPROVED, now)
            action = "gasbank.approve" if new.approve else "gasbank.reject"
            await self._audit.record_of(
                connection, caller, action, 200, changed, before=found, after=changed
            )
        return decision, changed, before

    async def retry(
        self, caller: Caller, account_id: str, withdrawal_id: str
    ) -> tuple[Transaction, Sequence[Approval]]:
        """Hand a dead letter to settlement again.

        Raises:
            GasTransactionNotFound: the account has no such withdrawal.
            WithdrawalState: it is no dead letter.
        """
        async with self._database.transaction() as connection:
            account, found = await self._hold(connection, caller, account_id, withdrawal_id)
            ready = await is_approved(connection, found)
            changed = await advance(
                connection,
                account,
                found,
                Event.RETRIED if ready else Event.RETRIED_UNAPPROVED,
                self._clock.now(),
                errors=0,
                resolver_error="",
                dead_letter_reason="",
                dead_letter_at=None,
            )
            await self._audit.record_of(
                connection, caller, "gasbank.retry", 200, changed, before=found, after=changed
            )
            return changed, await _decisions(connection, found.id)

    async def discard(self, caller: Caller, account_id: str, withdrawal_id: str) -> None:
        """Give a dead letter up: it is cancelled and the gas is available again.

        Raises:
            GasTransactionNotFound: the account has no such withdrawal.
            WithdrawalState: it is no dead letter.
        """
        async with self._database.transaction() as connection:
            account, found = await self._hold(
                connection, caller, account_id, withdrawal_id, stops=True
            )
            changed = await advance(
                connection,
                account,
                found,
                Event.DISCARDED,
                self._clock.now(),
                error="dead letter deleted",
            )
            await self._audit.record_of(
                connection, caller, "gasbank.discard", 204, changed, before=found, after=changed
            )

    async def _hold(
        self,
        connection: Connection,
        caller: Caller,
        account_id: str,
        withdrawal_id: str,
        *,
        stops: bool = False,
    ) -> tuple[GasAccount, Transaction]:
        owner = await self._accounts.reach(connection, caller, account_id, write=True, stops=stops)
        account = await account_store.lock_account(connection, owner.id)
        wanted = parse_id(withdrawal_id)
        if account is not None and wanted is not None:
            found = await transactions.lock_transaction(connection, owner.id, wanted)
            if found is not None and found.type == "withdrawal":
                return account, found
        raise GasTransactionNotFound("withdrawal not found")


async def begin(
    connection: Connection,
    account: GasAccount,
    withdrawal: Transaction,
    now: datetime,
    quota: int | None,
) -> tuple[GasAccount, Transaction]:
    """Withhold the gas of a withdrawal of an account that is held, and put it in its first state.

    `quota` is what the tenant may withdraw on a day, in fractions; `None` is no limit.

    Raises:
        InsufficientGas: less is available.
        BelowMinimumBalance: too little would be left.
        DailyLimitExceeded: too much on one day.
        GasQuotaExceeded: too much on one day for the tenant.
    """
    amount = withdrawal.amount
    rules.check_funds(account, amount, now)
    if quota is not None:
        used = await account_store.lock_day(connection, account.tenant, now.date())
        rules.check_quota(used, amount, quota)
    state = rules.first_state(
        scheduled=withdrawal.schedule_at is not None,
        required_approvals=withdrawal.required_approvals,
    )
    started = replace(
        withdrawal, status=state, next_attempt_at=now if state is State.PENDING else None
    )
    await transactions.insert_transaction(connection, started)
    await ledger.insert_entry(connection, started, Move.WITHHOLD, amount, now)
    changed = replace(
        account,
        available=account.available - amount,
        pending=account.pending + amount,
        daily_on=now.date(),
        daily_withdrawn=rules.daily_after(account, amount, now, now),
        last_withdrawal_at=now,
        updated_at=now,
    )
    await _keep_daily(connection, changed)
    return changed, started


async def advance(
    connection: Connection,
    account: GasAccount,
    withdrawal: Transaction,
    event: Event,
    now: datetime,
    **facts: Any,
) -> Transaction:
    """Carry an event out on a withdrawal; it and its gas account are held.

    Args:
        connection: with the transaction open.
        account: as it is now.
        withdrawal: as it is now.
        event: what happens to it.
        now: the present.
        facts: other fields of the withdrawal that change with it.

    Returns:
        The withdrawal after the event.

    Raises:
        WithdrawalState: its state does not allow the event.
    """
    state = rules.advance(State(withdrawal.status), event)
    move = rules.MOVES.get(state)
    if move is Move.RELEASE:
        facts["net_amount"] = 0
    if state is State.PENDING:
        facts["next_attempt_at"] = now
    changed = replace(withdrawal, status=state, updated_at=now, **facts)
    await transactions.update_transaction(connection, changed)
    if move is not None:
        await ledger.insert_entry(connection, changed, move, changed.amount, now)
    if move is Move.RELEASE:
        left = rules.daily_after(account, -changed.amount, changed.created_at, now)
        await _keep_daily(connection, replace(account, daily_on=now.date(), daily_withdrawn=left))
    return changed


async def is_approved(connection: Connection, withdrawal: Transaction) -> bool:
    """Whether a withdrawal has the approvals it needs, each person counted once."""
    if withdrawal.required_approvals == 0:
        return True
    decisions = await _decisions(connection, withdrawal.id)
    given = {decision.person for decision in decisions if decision.status == "approved"}
    return len(given - {""}) >= withdrawal.required_approvals


def successor(withdrawal: Transaction, account: GasAccount, now: datetime) -> Transaction | None:
    """The next one of a repeated withdrawal; `None` when it is not repeated or has no owner."""
    start = rules.next_run(withdrawal, now)
    if start is None or account.account_id is None:
        return None
    return replace(
        _draft(account, account.account_id, withdrawal.amount, now),
        to_address=withdrawal.to_address,
        schedule_at=start,
        cron_expression=withdrawal.cron_expression,
        requested_by=withdrawal.requested_by,
        requested_person=withdrawal.requested_person,
    )


async def _decisions(connection: Connection, withdrawal_id: UUID) -> Sequence[Approval]:
    found = await transactions.list_approvals(connection, [withdrawal_id])
    return found.get(withdrawal_id, [])


async def _keep_daily(connection: Connection, account: GasAccount) -> None:
    await account_store.update_daily(
        connection,
        account.id,
        account.daily_on,
        account.daily_withdrawn,
        account.last_withdrawal_at,
    )


def _draft(account: GasAccount, owner: UUID, amount: int, now: datetime) -> Transaction:
    return Transaction(
        id=new_id(),
        gas_account_id=account.id,
        account_id=owner,
        tenant=account.tenant,
        type="withdrawal",
        status=State.PENDING,
        amount=amount,
        net_amount=amount,
        required_approvals=account.required_approvals,
        created_at=now,
        updated_at=now,
    )
