"""What the gas bank sends: the wire contract's structs, and how they are made. Pure.

Resources have Go's names (`GasAccountID`), the summary has snake case; a time that has not come is
the year 1, as the contract has it. Amounts are exact JSON numbers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from servicelayer_api.gasbank import rules
from servicelayer_api.gasbank.amounts import write_amount
from servicelayer_api.gasbank.models import Amount, AttemptStatus, Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servicelayer_api.gasbank.models import (
        Approval,
        Attempt,
        Check,
        Figures,
        GasAccount,
        Transaction,
    )

_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)
_ENCODER: Final = msgspec.json.Encoder()


def _go(name: str) -> str:
    return "".join("ID" if part == "id" else part.capitalize() for part in name.split("_"))


class GasAccountBody(msgspec.Struct, frozen=True, kw_only=True, rename=_go):
    """A gas account. `Balance` = `Available` + `Locked`; `Pending` of it waits for settlement.

    Attributes:
        id: UUID of the gas account.
        account_id: The account whose it is; null once that account is deleted.
        wallet_address: Script hash of its wallet; empty for none.
        status: Always empty.
        balance: All gas that the account has here.
        available: What may be withdrawn or charged.
        pending: Withheld for withdrawals that have not ended.
        locked: Withheld for withdrawals or reserved for charges.
        min_balance: What a withdrawal must leave; 0 for no minimum.
        daily_limit: What may be withdrawn on a day (UTC); 0 for no limit.
        daily_withdrawal: What was withdrawn today (UTC).
        notification_threshold: Kept for whoever watches the account.
        required_approvals: Approvals that a new withdrawal needs.
        flags: Always empty.
        metadata: Always empty.
        last_withdrawal: When a withdrawal was last asked for; the year 1 for never.
        created_at: UTC.
        updated_at: UTC.
    """

    id: UUID
    account_id: UUID | None
    wallet_address: str
    status: str = ""
    balance: Amount
    available: Amount
    pending: Amount
    locked: Amount
    min_balance: Amount
    daily_limit: Amount
    daily_withdrawal: Amount
    notification_threshold: Amount
    required_approvals: int
    flags: dict[str, bool]
    metadata: dict[str, str]
    last_withdrawal: datetime
    created_at: datetime
    updated_at: datetime


class ApprovalPolicy(msgspec.Struct, frozen=True, kw_only=True, rename=_go):
    """How many approvals a withdrawal needs.

    Attributes:
        required: How many persons must approve.
        approvers: Always empty: who may approve is a matter of roles and scopes.
    """

    required: int
    approvers: list[str]


class ApprovalBody(msgspec.Struct, frozen=True, kw_only=True, rename=_go):
    """A decision on a withdrawal. `DecidedBy` is the credential that is counted.

    Attributes:
        transaction_id: The withdrawal.
        approver: The name that was given, or the credential's.
        decided_by: The credential that is counted.
        status: `approved` or `rejected`.
        signature: As it was sent; not verified.
        note: Free text.
        decided_at: UTC.
        created_at: UTC.
        updated_at: UTC.
    """

    transaction_id: UUID
    approver: str
    decided_by: str
    status: Decision
    signature: str
    note: str
    decided_at: datetime
    created_at: datetime
    updated_at: datetime


class TransactionBody(msgspec.Struct, frozen=True, kw_only=True, rename=_go):
    """A deposit, withdrawal, fee or refund. `AccountID` is the gas account.

    Attributes:
        id: UUID of the transaction.
        account_id: The gas account.
        user_account_id: The account.
        type: `deposit`, `withdrawal`, `fee` or `refund`.
        status: `scheduled`, `awaiting_approval`, `pending`, `dispatched`, `completed`, `failed`,
            `cancelled` or `dead_letter`.
        amount: GAS asked for.
        net_amount: GAS that was moved.
        blockchain_tx_id: Of the chain, as a deposit gave it; empty for none.
        from_address: As a deposit gave it.
        to_address: Destination of a withdrawal.
        schedule_at: When it begins; the year 1 for at once.
        cron_expression: When the one after it begins; empty for none.
        approval_policy: How many approvals it needs.
        approvals: Decisions on it.
        resolver_attempt: How often settlement was tried.
        resolver_error: What the resolver said last; empty for no error.
        last_attempt_at: UTC; the year 1 for never.
        next_attempt_at: UTC; the year 1 for none.
        dead_letter_reason: Why settlement gave it up; empty if it did not.
        notes: What the resolver or an approver noted.
        error: Why it failed or was cancelled.
        metadata: Always empty.
        dispatched_at: When it was handed to settlement; the year 1 for never.
        resolved_at: When settlement ended; the year 1 for never.
        completed_at: When it was completed; the year 1 for never.
        created_at: UTC.
        updated_at: UTC.
    """

    id: UUID
    account_id: UUID
    user_account_id: UUID
    type: str
    status: str
    amount: Amount
    net_amount: Amount
    blockchain_tx_id: str
    from_address: str
    to_address: str
    schedule_at: datetime
    cron_expression: str
    approval_policy: ApprovalPolicy
    approvals: list[ApprovalBody]
    resolver_attempt: int
    resolver_error: str
    last_attempt_at: datetime
    next_attempt_at: datetime
    dead_letter_reason: str
    notes: str
    error: str
    metadata: dict[str, str]
    dispatched_at: datetime
    resolved_at: datetime
    completed_at: datetime
    created_at: datetime
    updated_at: datetime


class AttemptBody(msgspec.Struct, frozen=True, kw_only=True, rename=_go):
    """An answer of the resolver; `Latency` in nanoseconds.

    Attributes:
        transaction_id: The withdrawal.
        attempt: Its number, from 1.
        started_at: UTC.
        completed_at: UTC.
        latency: Nanoseconds until the answer.
        status: What the resolver answered.
        error: Why it did not succeed; empty if it did.
    """

    transaction_id: UUID
    attempt: int
    started_at: datetime
    completed_at: datetime
    latency: int
    status: AttemptStatus
    error: str


class DeadLetterBody(msgspec.Struct, frozen=True, kw_only=True, rename=_go):
    """A withdrawal that settlement gave up; `AccountID` is the account whose it is.

    Attributes:
        transaction_id: The withdrawal.
        account_id: The account whose it is.
        reason: Why it was given up.
        last_error: What the resolver said last.
        last_attempt_at: UTC.
        retries: How often settlement was tried.
        created_at: UTC.
        updated_at: UTC.
    """

    transaction_id: UUID
    account_id: UUID
    reason: str
    last_error: str
    last_attempt_at: datetime
    retries: int
    created_at: datetime
    updated_at: datetime


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A gas account after a deposit or withdrawal, and that transaction.

    Attributes:
        account: The gas account as it is now.
        transaction: The deposit or withdrawal.
    """

    account: GasAccountBody
    transaction: TransactionBody


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, and the withdrawal as it is now with the decisions that stood before.

    Attributes:
        approval: The decision.
        transaction: The withdrawal as it is now.
    """

    approval: ApprovalBody
    transaction: TransactionBody


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction in few words.

    Attributes:
        id: UUID of the transaction.
        type: `deposit` or `withdrawal`.
        amount: GAS.
        status: As of a transaction.
        created_at: UTC.
        completed_at: UTC; the year 1 for never.
        from_address: As a deposit gave it.
        to_address: Destination of a withdrawal.
        error: Why it failed; empty if it did not.
    """

    id: UUID
    type: str
    amount: Amount
    status: str
    created_at: datetime
    completed_at: datetime
    from_address: str
    to_address: str
    error: str


class AccountSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A gas account with its open withdrawals.

    Attributes:
        account: The gas account.
        pending_withdrawals: How many withdrawals have not ended.
        pending_amount: GAS withheld for them.
    """

    account: GasAccountBody
    pending_withdrawals: int
    pending_amount: Amount


class Summary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All gas accounts of an account together.

    Attributes:
        accounts: Each gas account with its open withdrawals.
        pending_withdrawals: How many withdrawals have not ended.
        pending_amount: GAS withheld for them.
        total_balance: All gas of the account.
        total_available: What of it may be withdrawn or charged.
        total_locked: What of it is withheld or reserved.
        last_deposit: Left out if there was none.
        last_withdrawal: Left out if there was none.
        generated_at: UTC.
    """

    accounts: list[AccountSummary]
    pending_withdrawals: int
    pending_amount: Amount
    total_balance: Amount
    total_available: Amount
    total_locked: Amount
    last_deposit: Brief | None = None
    last_withdrawal: Brief | None = None
    generated_at: datetime


class Invariants(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on the whole ledger; amounts in GAS, `faults` counts accounts and withdrawals.

    Attributes:
        balanced: Whether nothing is wrong.
        entries: Entries in the ledger.
        debits: Sum of what was debited, of all books.
        credits: Sum of what was credited.
        drift: Sum of the differences between balances and the fold of the entries.
        faults: Gas accounts and withdrawals that do not fit their entries.
        checked_at: Of the snapshot that was judged.
        duration_ms: How long judging took.
    """

    balanced: bool
    entries: int
    debits: Amount
    credits: Amount
    drift: Amount
    faults: int
    checked_at: datetime
    duration_ms: int


def account_body(account: GasAccount, now: datetime) -> GasAccountBody:
    """Show a gas account as it is at a moment."""
    return GasAccountBody(
        id=account.id,
        account_id=account.account_id,
        wallet_address=account.wallet_address,
        balance=write_amount(account.balance),
        available=write_amount(account.available),
        pending=write_amount(account.pending),
        locked=write_amount(account.locked),
        min_balance=write_amount(account.min_balance),
        daily_limit=write_amount(account.daily_limit),
        daily_withdrawal=write_amount(rules.withdrawn_today(account, now)),
        notification_threshold=write_amount(account.notification_threshold),
        required_approvals=account.required_approvals,
        flags={},
        metadata={},
        last_withdrawal=account.last_withdrawal_at or _NEVER,
        created_at=account.created_at,
        updated_at=account.updated_at,
    )


def transaction_body(
    transaction: Transaction, approvals: Sequence[Approval] = ()
) -> TransactionBody:
    """Show a transaction with decisions on it."""
    asked = transaction.last_attempt_at is not None
    return TransactionBody(
        id=transaction.id,
        account_id=transaction.gas_account_id,
        user_account_id=transaction.account_id,
        type=transaction.type,
        status=transaction.status,
        amount=write_amount(transaction.amount),
        net_amount=write_amount(transaction.net_amount),
        blockchain_tx_id=transaction.blockchain_tx_id,
        from_address=transaction.from_address,
        to_address=transaction.to_address,
        schedule_at=transaction.schedule_at or _NEVER,
        cron_expression=transaction.cron_expression,
        approval_policy=ApprovalPolicy(required=transaction.required_approvals, approvers=[]),
        approvals=[approval_body(approval) for approval in approvals],
        resolver_attempt=transaction.attempts,
        resolver_error=transaction.resolver_error,
        last_attempt_at=transaction.last_attempt_at or _NEVER,
        next_attempt_at=(transaction.next_attempt_at if asked else None) or _NEVER,
        dead_letter_reason=transaction.dead_letter_reason,
        notes=transaction.notes or transaction.reference or "",
        error=transaction.error,
        metadata={},
        dispatched_at=transaction.dispatched_at or _NEVER,
        resolved_at=transaction.resolved_at or _NEVER,
        completed_at=transaction.completed_at or _NEVER,
        created_at=transaction.created_at,
        updated_at=transaction.updated_at,
    )


def approval_body(approval: Approval) -> ApprovalBody:
    """Show a decision."""
    return ApprovalBody(
        transaction_id=approval.transaction_id,
        approver=approval.approver,
        decided_by=approval.identity,
        status=approval.status,
        signature=approval.signature,
        note=approval.note,
        decided_at=approval.decided_at,
        created_at=approval.created_at,
        updated_at=approval.updated_at,
    )


def attempt_body(attempt: Attempt) -> AttemptBody:
    """Show an answer of the resolver."""
    return AttemptBody(
        transaction_id=attempt.transaction_id,
        attempt=attempt.attempt,
        started_at=attempt.started_at,
        completed_at=attempt.completed_at,
        latency=attempt.latency_ns,
        status=attempt.status,
        error=attempt.error,
    )


def dead_letter_body(transaction: Transaction) -> DeadLetterBody:
    """Show a dead letter."""
    return DeadLetterBody(
        transaction_id=transaction.id,
        account_id=transaction.account_id,
        reason=transaction.dead_letter_reason,
        last_error=transaction.resolver_error,
        last_attempt_at=transaction.last_attempt_at or _NEVER,
        retries=transaction.errors,
        created_at=transaction.dead_letter_at or _NEVER,
        updated_at=transaction.updated_at,
    )


def summary(
    account: GasAccount | None,
    figures: Figures,
    last_deposit: Transaction | None,
    last_withdrawal: Transaction | None,
    now: datetime,
) -> Summary:
    """Sum up an account that has a gas account or none."""
    pending = write_amount(figures.pending_amount)
    shown = [] if account is None else [account]
    return Summary(
        accounts=[
            AccountSummary(
                account=account_body(one, now),
                pending_withdrawals=figures.pending_withdrawals,
                pending_amount=pending,
            )
            for one in shown
        ],
        pending_withdrawals=figures.pending_withdrawals,
        pending_amount=pending,
        total_balance=write_amount(sum(one.balance for one in shown)),
        total_available=write_amount(sum(one.available for one in shown)),
        total_locked=write_amount(sum(one.locked for one in shown)),
        last_deposit=_brief(last_deposit),
        last_withdrawal=_brief(last_withdrawal),
        generated_at=now,
    )


def invariants(check: Check) -> Invariants:
    """Show a verdict."""
    return Invariants(
        balanced=check.balanced,
        entries=check.entries,
        debits=write_amount(check.debits),
        credits=write_amount(check.credits),
        drift=write_amount(check.drift),
        faults=check.faults,
        checked_at=check.checked_at,
        duration_ms=check.duration_ms,
    )


def encode(body: msgspec.Struct) -> bytes:
    """Encode an answer; one encoder for all, as the busiest route needs it."""
    return _ENCODER.encode(body)


def _brief(transaction: Transaction | None) -> Brief | None:
    if transaction is None:
        return None
    return Brief(
        id=transaction.id,
        type=transaction.type,
        amount=write_amount(transaction.amount),
        status=transaction.status,
        created_at=transaction.created_at,
        completed_at=transaction.completed_at or _NEVER,
        from_address=transaction.from_address,
        to_address=transaction.to_address,
        error=transaction.error,
    )
