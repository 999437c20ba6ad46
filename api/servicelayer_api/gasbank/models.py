"""Gas accounts, transactions and what is sent about them; amounts are fractions of GAS.

What goes over the wire stands in `answers.py`.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Raw

from servicelayer_api.wire import NEEDED

type Amount = Annotated[
    Raw,
    Meta(
        description="GAS, at most 8 decimals",
        extra_json_schema={"type": "number"},
    ),
]
"""A JSON number of GAS as its text; `amounts.py` reads and writes it."""

ABSENT = Raw(b"null")
"""An amount that was not sent."""


def _absent() -> Raw:
    """A default by call: what describes the API asks of a plain default that it can be hashed."""
    return ABSENT


type TransactionType = Literal["deposit", "withdrawal", "fee", "refund"]
type Decision = Literal["approved", "rejected"]
type AttemptStatus = Literal["retry", "error", "succeeded", "failed"]


class State(StrEnum):
    """Where a withdrawal is; the values are those of the wire."""

    SCHEDULED = "scheduled"
    AWAITING_APPROVAL = "awaiting_approval"
    PENDING = "pending"
    SETTLING = "dispatched"
    SETTLED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEAD_LETTER = "dead_letter"


class Event(StrEnum):
    """What may happen to a withdrawal."""

    DUE = "due"
    DUE_UNAPPROVED = "due, approvals missing"
    APPROVED = "last approval"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    DISPATCHED = "dispatched"
    SUCCEEDED = "settled"
    REFUSED = "refused by the chain"
    EXHAUSTED = "attempts exhausted"
    RETRIED = "retried"
    RETRIED_UNAPPROVED = "retried, approvals missing"
    DISCARDED = "discarded"


class Move(StrEnum):
    """A kind of ledger entry: from which book to which stands in `BOOKS`."""

    DEPOSIT = "deposit"
    WITHHOLD = "withhold"
    RELEASE = "release"
    SETTLE = "settle"
    RESERVE = "reserve"
    VOID = "void"
    CAPTURE = "capture"
    CHARGE = "charge"
    REFUND = "refund"


BOOKS: dict[Move, tuple[str, str]] = {
    Move.DEPOSIT: ("chain", "available"),
    Move.WITHHOLD: ("available", "pending"),
    Move.RELEASE: ("pending", "available"),
    Move.SETTLE: ("pending", "chain"),
    Move.RESERVE: ("available", "reserved"),
    Move.VOID: ("reserved", "available"),
    Move.CAPTURE: ("reserved", "fees"),
    Move.CHARGE: ("available", "fees"),
    Move.REFUND: ("fees", "available"),
}
"""Debit and credit of each kind of entry; the database holds the same table as a constraint."""


class GasAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The gas account of an account.

    Attributes:
        id: UUID.
        account_id: Whose; `None` once that account is deleted.
        tenant: Of that account.
        wallet_address: Empty for none.
        available: What may be withdrawn or charged.
        pending: Withheld for withdrawals that have not ended.
        reserved: Reserved for charges by other modules.
        min_balance: What a withdrawal must leave; 0 for no minimum.
        daily_limit: What may be withdrawn on a day (UTC); 0 for no limit.
        notification_threshold: Kept for whoever watches the account.
        required_approvals: Approvals that a new withdrawal needs.
        daily_on: The day that `daily_withdrawn` is of.
        daily_withdrawn: Withdrawn on that day, without what failed or was cancelled.
        last_withdrawal_at: When a withdrawal was last asked for.
        created_at: UTC.
        updated_at: UTC.
    """

    id: UUID
    account_id: UUID | None
    tenant: str
    wallet_address: str
    available: int = 0
    pending: int = 0
    reserved: int = 0
    min_balance: int = 0
    daily_limit: int = 0
    notification_threshold: int = 0
    required_approvals: int = 0
    daily_on: date = date.min
    daily_withdrawn: int = 0
    last_withdrawal_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def balance(self) -> int:
        """All that the customer has here."""
        return self.available + self.pending + self.reserved

    @property
    def locked(self) -> int:
        """What the customer has and cannot use."""
        return self.pending + self.reserved


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A decision on a withdrawal.

    Attributes:
        identity: The credential that decided.
        person: Whom an approval counts for; empty for nobody.
        approver: The name that is shown.
    """

    transaction_id: UUID
    identity: str
    person: str
    approver: str
    status: Decision
    signature: str
    note: str
    decided_at: datetime
    created_at: datetime
    updated_at: datetime


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """What moved gas, or will.

    Attributes:
        id: UUID.
        gas_account_id: Where.
        account_id: The account whose gas account that is.
        tenant: Of that account.
        type: What it is.
        status: A `State` for withdrawals; else `completed`, or `reserved` and `cancelled` for fees.
        amount: Fractions of GAS.
        net_amount: What was moved in the end.
        blockchain_tx_id: As given with a deposit.
        reference: What a fee or refund is for.
        schedule_at: When a scheduled withdrawal begins.
        cron_expression: When the one after it does.
        required_approvals: As they were required when it was made.
        requested_by: The credential that asked for a withdrawal; empty for the others.
        requested_person: The person behind it; empty when not known.
        attempts: Answers of the resolver that were kept.
        errors: How many of them since the last retry were errors.
        fencing_token: Grows with each worker that takes it.
    """

    id: UUID
    gas_account_id: UUID
    account_id: UUID
    tenant: str
    type: TransactionType
    status: str
    amount: int
    net_amount: int
    blockchain_tx_id: str = ""
    reference: str | None = None
    from_address: str = ""
    to_address: str = ""
    schedule_at: datetime | None = None
    cron_expression: str = ""
    required_approvals: int = 0
    attempts: int = 0
    errors: int = 0
    resolver_error: str = ""
    last_attempt_at: datetime | None = None
    next_attempt_at: datetime | None = None
    dead_letter_reason: str = ""
    dead_letter_at: datetime | None = None
    notes: str = ""
    error: str = ""
    dispatched_at: datetime | None = None
    resolved_at: datetime | None = None
    completed_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    fencing_token: int = 0
    requested_by: str = ""
    requested_person: str = ""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of the resolver. Waiting twice in a row is one attempt that took longer."""

    transaction_id: UUID
    attempt: int
    started_at: datetime
    completed_at: datetime
    latency_ns: int
    status: AttemptStatus
    error: str


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the open withdrawals of a gas account."""

    pending_withdrawals: int = 0
    pending_amount: int = 0


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on the whole ledger.

    Attributes:
        checked_at: Of the snapshot that was judged.
        entries: Entries in the ledger.
        debits: Sum of what was debited, of all books.
        credits: Sum of what was credited.
        drift: Sum of the differences between cached balances and the fold of the entries.
        faults: Gas accounts whose balances differ, and withdrawals whose state and entries do.
        duration_ms: How long judging took.
    """

    checked_at: datetime
    entries: int
    debits: int
    credits: int
    drift: int
    faults: int
    duration_ms: int

    @property
    def balanced(self) -> bool:
        """Whether nothing is wrong."""
        return self.debits == self.credits and self.drift == 0 and self.faults == 0


class GasAccountChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to open a gas account or change it; what is left out stays as it is.

    Negative limits count as 0, which is no limit.

    Attributes:
        wallet_address: Script hash or address of its wallet.
        min_balance: What a withdrawal must leave.
        daily_limit: What may be withdrawn on a day (UTC).
        notification_threshold: Kept for whoever watches the account.
        required_approvals: Approvals that a new withdrawal needs.
    """

    wallet_address: str | None = None
    min_balance: Amount = msgspec.field(default_factory=_absent)
    daily_limit: Amount = msgspec.field(default_factory=_absent)
    notification_threshold: Amount = msgspec.field(default_factory=_absent)
    required_approvals: int | None = None


class NewDeposit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to credit gas that came in on the chain.

    With `tx_id` it is credited once, however often it is sent; without one each is a new deposit.

    Attributes:
        gas_account_id: The gas account.
        amount: GAS, above 0.
        tx_id: Of the transaction on the chain.
        from_address: Who paid; kept as it is.
        to_address: Where to; kept as it is.
    """

    gas_account_id: Annotated[str, NEEDED] = ""
    amount: Annotated[Amount, NEEDED] = msgspec.field(default_factory=_absent)
    tx_id: str = ""
    from_address: str = ""
    to_address: str = ""


class NewWithdrawal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to withdraw gas.

    `schedule_at` (RFC 3339) puts it off; `cron_expression` repeats it, the first time at
    `schedule_at` or else when the expression says.

    Attributes:
        gas_account_id: The gas account.
        amount: GAS, above 0.
        to_address: Neo N3 address (N...) or script hash (0x...).
        schedule_at: When it begins (RFC 3339); left out for at once.
        cron_expression: When it is repeated; left out for once.
    """

    gas_account_id: Annotated[str, NEEDED] = ""
    amount: Annotated[Amount, NEEDED] = msgspec.field(default_factory=_absent)
    to_address: Annotated[str, NEEDED] = ""
    schedule_at: str = ""
    cron_expression: str = ""


class WithdrawalChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to change a withdrawal: the only action is `cancel`.

    Attributes:
        action: `cancel`.
        reason: Free text.
    """

    action: Annotated[str, NEEDED] = ""
    reason: str = ""


class NewDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to approve (`approve: true`) or reject a withdrawal.

    Attributes:
        approver: Name of who decides, read for platform tokens only: others are known by their
            credential.
        approve: Whether it is approved; otherwise it is rejected.
        signature: Kept as it is.
        note: Free text.
    """

    approver: str = ""
    approve: bool = False
    signature: str = ""
    note: str = ""
