"""Pure decisions of the gas bank: the state machine, limits, what a valid request is.

The clock is an argument. `TRANSITIONS` is the whole machine of withdrawals: what stands not in it
is refused, and `MOVES` says which states move gas when they are entered. docs/states.md draws it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from servicelayer_api.clock import in_utc
from servicelayer_api.crypto import neo
from servicelayer_api.errors import Invalid
from servicelayer_api.gasbank import cron
from servicelayer_api.gasbank.amounts import (
    MAX_FRACTIONS,
    AmountFault,
    is_absent,
    read_amount,
    read_positive,
    write_amount,
)
from servicelayer_api.gasbank.errors import (
    BelowMinimumBalance,
    DailyLimitExceeded,
    GasBalanceTooLarge,
    GasQuotaExceeded,
    InsufficientGas,
    WithdrawalState,
)
from servicelayer_api.gasbank.models import Event, Move, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from msgspec import Raw

    from servicelayer_api.gasbank.models import (
        GasAccount,
        GasAccountChange,
        NewDeposit,
        NewWithdrawal,
        Transaction,
    )

type Faults = list[tuple[str, str]]

LONGEST_TEXT: Final = 256
LONGEST_NOTE: Final = 2048
MAX_APPROVALS: Final = 100
LONGEST_WAIT: Final = 3600.0
SHORTEST_WAIT: Final = 0.1
DEFAULT_WAIT: Final = 5.0

_CHAIN_DIGITS: Final = 64
_CHAIN_ID: Final = re.compile(rf"[0-9a-f]{{{_CHAIN_DIGITS}}}")
# An id that the caller made up, in lower case; the contract takes such ids.
_OWN_ID: Final = re.compile(r"[a-z0-9][a-z0-9._:-]*")
_HEX: Final = re.compile(r"[0-9a-f]")
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)"
)

TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.SCHEDULED, Event.DUE): State.PENDING,
    (State.SCHEDULED, Event.DUE_UNAPPROVED): State.AWAITING_APPROVAL,
    (State.SCHEDULED, Event.REJECTED): State.CANCELLED,
    (State.SCHEDULED, Event.CANCELLED): State.CANCELLED,
    (State.AWAITING_APPROVAL, Event.APPROVED): State.PENDING,
    (State.AWAITING_APPROVAL, Event.REJECTED): State.CANCELLED,
    (State.AWAITING_APPROVAL, Event.CANCELLED): State.CANCELLED,
    (State.PENDING, Event.REJECTED): State.CANCELLED,
    (State.PENDING, Event.CANCELLED): State.CANCELLED,
    (State.PENDING, Event.DISPATCHED): State.SETTLING,
    # Again, by whoever takes over or when it is time to ask once more.
    (State.SETTLING, Event.DISPATCHED): State.SETTLING,
    (State.SETTLING, Event.SUCCEEDED): State.SETTLED,
    (State.SETTLING, Event.REFUSED): State.FAILED,
    (State.SETTLING, Event.EXHAUSTED): State.DEAD_LETTER,
    (State.DEAD_LETTER, Event.RETRIED): State.PENDING,
    (State.DEAD_LETTER, Event.RETRIED_UNAPPROVED): State.AWAITING_APPROVAL,
    (State.DEAD_LETTER, Event.DISCARDED): State.CANCELLED,
}

MOVES: Final[dict[State, Move]] = {
    State.SETTLED: Move.SETTLE,
    State.FAILED: Move.RELEASE,
    State.CANCELLED: Move.RELEASE,
}

OPEN: Final = (State.SCHEDULED, State.AWAITING_APPROVAL, State.PENDING, State.SETTLING)
STATUSES: Final = frozenset({*State, "reserved"})
TYPES: Final = frozenset({"deposit", "withdrawal", "fee", "refund"})


def advance(state: State, event: Event) -> State:
    """Find the state after an event.

    Raises:
        WithdrawalState: The state does not allow the event.
    """
    found = TRANSITIONS.get((state, event))
    if found is None:
        raise WithdrawalState(f"the withdrawal is {state.replace('_', ' ')}")
    return found


def check_change(change: GasAccountChange, *, validate: bool) -> dict[str, str | int]:
    """Check what is sent to open or change a gas account.

    Args:
        change: as sent.
        validate: whether the wallet must be a Neo address or script hash.

    Returns:
        The fields that change with their new values.

    Raises:
        Invalid: names each field at fault.
    """
    faults: Faults = []
    changed: dict[str, str | int] = {}
    if change.wallet_address:
        changed["wallet_address"] = _wallet(
            "wallet_address", change.wallet_address, faults, validate
        )
    for name in ("min_balance", "daily_limit", "notification_threshold"):
        raw: Raw = getattr(change, name)
        if not is_absent(raw):
            changed[name] = max(0, _amount(name, raw, faults))
    if change.required_approvals is not None:
        changed["required_approvals"] = max(0, change.required_approvals)
        if change.required_approvals > MAX_APPROVALS:
            faults.append(("required_approvals", f"must not be larger than {MAX_APPROVALS}"))
    if faults:
        raise Invalid(fields=faults)
    return changed


def check_deposit(new: NewDeposit) -> int:
    """Check what is sent to deposit.

    Returns:
        The amount in fractions.

    Raises:
        Invalid: names each field at fault.
    """
    faults: Faults = []
    amount = _positive(new.gas_account_id, new.amount, faults)
    for name in ("tx_id", "from_address", "to_address"):
        check_text(name, getattr(new, name), faults)
    _check_tx_id(new.tx_id, faults)
    if faults:
        raise Invalid(fields=faults)
    return amount


def deposit_key(tx_id: str) -> str | None:
    """What tells whether two deposits are the same one; `None` when nothing can.

    An id is the same with and without 0x, in either case. One of the chain is 64 hex digits then,
    and the same in all tenants.
    """
    return tx_id.strip(" ").lower().removeprefix("0x") or None


def _check_tx_id(tx_id: str, faults: Faults) -> None:
    """Refuse an id that looks like another: each could be credited beside the one it looks like."""
    key = deposit_key(tx_id)
    if (key is not None and _CHAIN_ID.fullmatch(key)) or not tx_id:
        return
    if key is None or not _OWN_ID.fullmatch(key) or key.startswith("0x"):
        faults.append(
            ("tx_id", "must be 0x and 64 hex digits, or letters, digits and any of . _ : -")
        )
    elif len(_HEX.findall(key)) >= _CHAIN_DIGITS:
        faults.append(("tx_id", "must be 0x and exactly 64 hex digits for one of the chain"))


def check_room(account: GasAccount, amount: int) -> None:
    """Refuse to credit what the ledger cannot hold.

    Raises:
        GasBalanceTooLarge: it would be too much.
    """
    if account.balance > MAX_FRACTIONS - amount:
        raise GasBalanceTooLarge("the balance would be too large")


def check_withdrawal(
    new: NewWithdrawal, now: datetime, *, validate: bool
) -> tuple[int, str, datetime | None]:
    """Check what is sent to withdraw.

    Args:
        new: as sent.
        now: the present.
        validate: whether the destination must be a Neo address or script hash.

    Returns:
        The amount in fractions, the destination, and when it begins if not at once.

    Raises:
        Invalid: names each field at fault.
    """
    faults: Faults = []
    amount = _positive(new.gas_account_id, new.amount, faults)
    to_address = new.to_address
    check_text("to_address", to_address, faults)
    if validate and not neo_address(to_address):
        required = "" if to_address else "is required and "
        form = "must be a Neo N3 address (N...) or a script hash (0x...)"
        faults.append(("to_address", f"{required}{form}"))
    start = _start(new, now, faults)
    if faults:
        raise Invalid(fields=faults)
    return amount, to_address, start


def neo_address(text: str) -> bool:
    """Whether a text is an address of version 0x35 or a script hash."""
    try:
        neo.parse_wallet(text)
    except neo.NeoFormatError:
        return False
    return True


def first_state(*, scheduled: bool, required_approvals: int) -> State:
    """The state a withdrawal begins in."""
    if scheduled:
        return State.SCHEDULED
    return State.AWAITING_APPROVAL if required_approvals > 0 else State.PENDING


def withdrawn_today(account: GasAccount, now: datetime) -> int:
    """What was withdrawn on the day (UTC) that `now` is in."""
    return account.daily_withdrawn if account.daily_on == now.astimezone(UTC).date() else 0


def check_funds(account: GasAccount, amount: int, now: datetime) -> None:
    """Refuse a withdrawal that the gas account does not allow.

    Raises:
        InsufficientGas: less is available.
        BelowMinimumBalance: too little would be left.
        DailyLimitExceeded: too much on one day.
    """
    if account.available < amount:
        raise InsufficientGas("insufficient funds", requested=amount, available=account.available)
    spare = account.available - account.min_balance
    if account.min_balance > 0 and amount > spare:
        raise BelowMinimumBalance(
            "insufficient funds to maintain minimum balance", requested=amount, available=spare
        )
    used = withdrawn_today(account, now)
    left = account.daily_limit - used
    if account.daily_limit > 0 and amount > left:
        raise DailyLimitExceeded(
            "daily withdrawal limit exceeded", requested=amount, available=left
        )


def check_quota(used: int, amount: int, most: int) -> None:
    """Refuse a withdrawal that the tenant's quota of the day does not allow.

    Args:
        used: what all gas accounts of the tenant withdrew today.
        amount: of the withdrawal.
        most: what the quota allows.

    Raises:
        GasQuotaExceeded: it would be too much.
    """
    if used + amount > most:
        left = bytes(write_amount(max(0, most - used))).decode()
        raise GasQuotaExceeded(f"the tenant's daily quota is exceeded; {left} GAS are left", most)


def daily_after(account: GasAccount, amount: int, made_at: datetime, now: datetime) -> int:
    """The day's sum after a withdrawal made at `made_at` is counted (or, negative, no more)."""
    today = now.astimezone(UTC).date()
    used = withdrawn_today(account, now)
    return max(0, used + amount) if made_at.astimezone(UTC).date() == today else used


def check_text(name: str, text: str, faults: Faults, longest: int = LONGEST_TEXT) -> None:
    """Note what makes a text one that is not kept: its length, or a NUL."""
    if len(text) > longest:
        faults.append((name, f"must not be longer than {longest} characters"))
    if "\0" in text:
        faults.append((name, "must not hold the character NUL"))


def check_cancel(action: str, reason: str) -> str:
    """Check what is sent to change a withdrawal.

    Returns:
        The reason, trimmed.

    Raises:
        Invalid: names each field at fault.
    """
    faults: Faults = []
    if action.strip().lower() != "cancel":
        faults.append(("action", "is required and must be cancel"))
    check_text("reason", reason, faults, LONGEST_NOTE)
    if faults:
        raise Invalid(fields=faults)
    return reason.strip()


def check_filter(name: str, text: str | None, known: Iterable[str]) -> str | None:
    """Check a filter of a list; empty is none.

    Raises:
        Invalid: the value is none of those known.
    """
    wanted = (text or "").strip().lower()
    if wanted and wanted not in known:
        raise Invalid(fields=[(name, f"must be one of {', '.join(sorted(known))}")])
    return wanted or None


def next_run(transaction: Transaction, now: datetime) -> datetime | None:
    """When a repeated withdrawal is due again; `None` when it is not repeated."""
    if not transaction.cron_expression:
        return None
    return cron.parse(transaction.cron_expression).next_after(now)


def wait_after_error(errors: int, interval: float) -> float:
    """Seconds until the resolver is asked again after so many errors in a row."""
    return min(LONGEST_WAIT, interval * 2.0 ** min(errors - 1, 20))


def wait_as_told(seconds: float) -> float:
    """Seconds until the resolver is asked again when it said so itself."""
    return min(LONGEST_WAIT, max(SHORTEST_WAIT, seconds)) if seconds > 0 else DEFAULT_WAIT


def _start(new: NewWithdrawal, now: datetime, faults: Faults) -> datetime | None:
    start = _time("schedule_at", new.schedule_at, faults)
    if new.cron_expression:
        try:
            schedule = cron.parse(new.cron_expression)
            if start is None or start <= now:
                start = schedule.next_after(now)
        except cron.CronFault as exc:
            faults.append(("cron_expression", str(exc)))
    return start if start is not None and start > now else None


def _time(name: str, text: str, faults: Faults) -> datetime | None:
    if not text:
        return None
    try:
        if _RFC3339.fullmatch(text):
            whole, _, part = text.partition(".")
            digits = re.match(r"\d*", part)
            cut = len(digits[0]) if digits else 0
            kept = f"{whole}.{part[: min(cut, 6)]}{part[cut:]}" if part else whole
            moment = in_utc(datetime.fromisoformat(kept.upper()))
            if moment is not None:
                return moment
    except ValueError:
        pass
    faults.append((name, "must be a time as RFC 3339 has it, such as 2030-01-31T12:00:00Z"))
    return None


def _positive(gas_account_id: str, raw: Raw, faults: Faults) -> int:
    if not gas_account_id:
        faults.append(("gas_account_id", "is required"))
    try:
        return read_positive(raw)
    except AmountFault as exc:
        faults.append(("amount", str(exc)))
        return 0


def _amount(name: str, raw: Raw, faults: Faults) -> int:
    try:
        return read_amount(raw)
    except AmountFault as exc:
        faults.append((name, str(exc)))
        return 0


def _wallet(name: str, text: str, faults: Faults, validate: bool) -> str:
    check_text(name, text, faults)
    try:
        return neo.hash_to_text(neo.parse_wallet(text))
    except neo.NeoFormatError:
        if validate:
            faults.append((name, "must be a Neo N3 address (N...) or a script hash (0x...)"))
        return text.lower()


def due_again(last: datetime, seconds: float) -> datetime:
    """The moment so many seconds after another."""
    return last + timedelta(seconds=seconds)
