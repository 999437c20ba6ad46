"""The state machine of withdrawals as a table, the limits, and who may decide."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from servicelayer_api.errors import Invalid
from servicelayer_api.gasbank import rules
from servicelayer_api.gasbank.errors import (
    BelowMinimumBalance,
    DailyLimitExceeded,
    GasBalanceTooLarge,
    GasQuotaExceeded,
    InsufficientGas,
    WithdrawalState,
)
from servicelayer_api.gasbank.models import (
    BOOKS,
    Event,
    GasAccount,
    GasAccountChange,
    Move,
    NewDeposit,
    NewWithdrawal,
    State,
)
from servicelayer_api.ids import new_id

NOW = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
ADDRESS = "NZNos2WqTbu5oCgyfss9kUJgBXJqhuYAaj"
HASH = "0x" + "ab" * 20
E, S = Event, State

# Every pair that is not here must be refused.
ALLOWED = {
    (S.SCHEDULED, E.DUE): S.PENDING,
    (S.SCHEDULED, E.DUE_UNAPPROVED): S.AWAITING_APPROVAL,
    (S.SCHEDULED, E.REJECTED): S.CANCELLED,
    (S.SCHEDULED, E.CANCELLED): S.CANCELLED,
    (S.AWAITING_APPROVAL, E.APPROVED): S.PENDING,
    (S.AWAITING_APPROVAL, E.REJECTED): S.CANCELLED,
    (S.AWAITING_APPROVAL, E.CANCELLED): S.CANCELLED,
    (S.PENDING, E.REJECTED): S.CANCELLED,
    (S.PENDING, E.CANCELLED): S.CANCELLED,
    (S.PENDING, E.DISPATCHED): S.SETTLING,
    (S.SETTLING, E.DISPATCHED): S.SETTLING,
    (S.SETTLING, E.SUCCEEDED): S.SETTLED,
    (S.SETTLING, E.REFUSED): S.FAILED,
    (S.SETTLING, E.EXHAUSTED): S.DEAD_LETTER,
    (S.DEAD_LETTER, E.RETRIED): S.PENDING,
    (S.DEAD_LETTER, E.RETRIED_UNAPPROVED): S.AWAITING_APPROVAL,
    (S.DEAD_LETTER, E.DISCARDED): S.CANCELLED,
}


def account(**fields: Any) -> GasAccount:
    common: dict[str, Any] = {
        "id": new_id(),
        "account_id": new_id(),
        "tenant": "acme",
        "wallet_address": "",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return GasAccount(**(common | fields))


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_withdrawal_moves_as_the_table_says_and_not_otherwise(state: State, event: Event) -> None:
    if (state, event) in ALLOWED:
        assert rules.advance(state, event) is ALLOWED[state, event]
    else:
        with pytest.raises(WithdrawalState):
            rules.advance(state, event)


@pytest.mark.parametrize("state", [S.SETTLED, S.FAILED, S.CANCELLED])
def test_what_has_ended_stays_ended_and_moved_its_gas_on_the_way(state: State) -> None:
    assert state in rules.MOVES
    assert not [pair for pair in rules.TRANSITIONS if pair[0] is state]


def test_states_that_move_gas_are_entered_from_states_that_hold_it_only() -> None:
    sources = {source for (source, _), target in ALLOWED.items() if target in rules.MOVES}

    assert sources == {S.SCHEDULED, S.AWAITING_APPROVAL, S.PENDING, S.SETTLING, S.DEAD_LETTER}


def test_state_diagram_of_the_documentation_shows_every_transition() -> None:
    drawn = (ROOT / "docs" / "states.md").read_text()

    for (source, event), target in rules.TRANSITIONS.items():
        assert f"    {source.name.lower()} --> {target.name.lower()}: {event}\n" in drawn


def test_database_allows_the_same_moves_between_books_as_the_program() -> None:
    sql = (ROOT / "migrations" / "0007_gasbank.sql").read_text()

    for move in Move:
        debit, credit = BOOKS[move]
        assert f"('{move}', '{debit}', '{credit}')" in sql


@pytest.mark.parametrize(
    ("fields", "amount", "refusal"),
    [
        ({"available": 5}, 6, InsufficientGas),
        ({"available": 5, "pending": 50, "reserved": 50}, 6, InsufficientGas),
        ({"available": 5, "min_balance": 1}, 5, BelowMinimumBalance),
        ({"available": 5, "min_balance": 1}, 4, None),
        ({"available": 5, "daily_limit": 3}, 4, DailyLimitExceeded),
        ({"available": 5, "daily_limit": 3}, 3, None),
        (
            {"available": 9, "daily_limit": 3, "daily_on": NOW.date(), "daily_withdrawn": 1},
            3,
            DailyLimitExceeded,
        ),
        (
            {"available": 9, "daily_limit": 3, "daily_on": date(2026, 5, 16), "daily_withdrawn": 3},
            3,
            None,
        ),
        ({"available": 5}, 5, None),
    ],
)
def test_withdrawal_keeps_to_what_the_account_allows(
    fields: dict[str, Any], amount: int, refusal: type[Exception] | None
) -> None:
    if refusal is None:
        rules.check_funds(account(**fields), amount, NOW)
    else:
        with pytest.raises(refusal):
            rules.check_funds(account(**fields), amount, NOW)


def test_quota_of_the_tenant_is_used_up_to_the_last_fraction() -> None:
    rules.check_quota(3, 7, 10)
    with pytest.raises(GasQuotaExceeded) as caught:
        rules.check_quota(3, 8, 10)
    assert "0.00000007 GAS" in caught.value.detail
    assert caught.value.members() == {"quota": "max_gas_per_day", "limit": 10}
    # It may have been lowered since.
    with pytest.raises(GasQuotaExceeded, match="0 GAS"):
        rules.check_quota(11, 1, 10)


def test_daily_sum_forgets_what_is_given_back_on_the_same_day_only() -> None:
    used = account(daily_on=NOW.date(), daily_withdrawn=10)

    assert rules.daily_after(used, -4, NOW, NOW) == 6
    assert rules.daily_after(used, -4, NOW - timedelta(days=1), NOW) == 10
    assert rules.daily_after(used, -4, NOW, NOW + timedelta(days=1)) == 0
    assert rules.daily_after(used, 4, NOW, NOW) == 14


def test_credit_beyond_what_the_ledger_holds_is_refused() -> None:
    rules.check_room(account(available=2**63 - 2), 1)
    with pytest.raises(GasBalanceTooLarge):
        rules.check_room(account(available=2**62, pending=2**62 - 1), 1)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (NewWithdrawal(amount=Raw(b"1"), to_address=ADDRESS), "gas_account_id"),
        (NewWithdrawal(gas_account_id="g", to_address=ADDRESS), "amount"),
        (NewWithdrawal(gas_account_id="g", amount=Raw(b"0"), to_address=ADDRESS), "amount"),
        (NewWithdrawal(gas_account_id="g", amount=Raw(b"1")), "to_address"),
        (NewWithdrawal(gas_account_id="g", amount=Raw(b"1"), to_address="Nout"), "to_address"),
        (
            NewWithdrawal(gas_account_id="g", amount=Raw(b"1"), to_address=ADDRESS[:-1] + "k"),
            "to_address",
        ),
        (
            NewWithdrawal(
                gas_account_id="g", amount=Raw(b"1"), to_address=HASH, schedule_at="soon"
            ),
            "schedule_at",
        ),
        (
            NewWithdrawal(
                gas_account_id="g", amount=Raw(b"1"), to_address=HASH, schedule_at="2026-02-30"
            ),
            "schedule_at",
        ),
        (
            NewWithdrawal(
                gas_account_id="g",
                amount=Raw(b"1"),
                to_address=HASH,
                cron_expression="0 0 30 2 *",
            ),
            "cron_expression",
        ),
    ],
)
def test_withdrawal_that_cannot_be_made_is_refused_by_field(
    sent: NewWithdrawal, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        rules.check_withdrawal(sent, NOW, validate=True)

    assert [fault.field for fault in caught.value.fields] == [field]


@pytest.mark.parametrize(
    ("schedule_at", "cron_expression", "start"),
    [
        ("", "", None),
        ("2001-01-01T00:00:00Z", "", None),
        ("2026-05-18T02:00:00.123456789+02:00", "", datetime(2026, 5, 18, 0, 0, 0, 123456, UTC)),
        ("2099-01-01t00:00:00z", "", datetime(2099, 1, 1, tzinfo=UTC)),
        ("", "0 9 * * *", datetime(2026, 5, 18, 9, tzinfo=UTC)),
        ("2026-06-01T00:00:00Z", "@daily", datetime(2026, 6, 1, tzinfo=UTC)),
        ("2001-01-01T00:00:00Z", "@hourly", datetime(2026, 5, 17, 13, tzinfo=UTC)),
    ],
)
def test_withdrawal_starts_when_it_is_told_to(
    schedule_at: str, cron_expression: str, start: datetime | None
) -> None:
    sent = NewWithdrawal(
        gas_account_id="g",
        amount=Raw(b"1.5"),
        to_address=HASH,
        schedule_at=schedule_at,
        cron_expression=cron_expression,
    )

    assert rules.check_withdrawal(sent, NOW, validate=True) == (150_000_000, HASH, start)


def test_any_destination_goes_where_addresses_are_not_checked() -> None:
    sent = NewWithdrawal(gas_account_id="g", amount=Raw(b"1"))

    assert rules.check_withdrawal(sent, NOW, validate=False) == (100_000_000, "", None)


def test_account_settings_clamp_negative_limits_and_write_wallets_one_way() -> None:
    sent = GasAccountChange(
        wallet_address=HASH.upper().replace("0X", "0x"),
        min_balance=Raw(b"-5"),
        daily_limit=Raw(b"1.25"),
        required_approvals=-3,
    )

    assert rules.check_change(sent, validate=True) == {
        "wallet_address": HASH,
        "min_balance": 0,
        "daily_limit": 125_000_000,
        "required_approvals": 0,
    }
    with pytest.raises(Invalid):
        rules.check_change(GasAccountChange(wallet_address="not-a-wallet"), validate=True)
    assert rules.check_change(GasAccountChange(wallet_address="Not-A-Wallet"), validate=False) == {
        "wallet_address": "not-a-wallet"
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [("0x" + "AB" * 32, "ab" * 32), (" dep-1 ", "dep-1"), ("Dep", "dep")],
)
def test_two_spellings_of_a_chain_transaction_are_one_deposit(one: str, other: str) -> None:
    assert rules.deposit_key(one) == rules.deposit_key(other) != None  # noqa: E711 - both in one


def test_deposit_without_a_chain_transaction_cannot_be_told_from_another() -> None:
    assert rules.deposit_key("") is None
    assert rules.deposit_key("  ") is None
    assert rules.check_deposit(NewDeposit(gas_account_id="g", amount=Raw(b"0.1"))) == 10_000_000


def test_waiting_grows_with_errors_and_follows_the_resolver_within_bounds() -> None:
    assert [rules.wait_after_error(n, 15) for n in (1, 2, 3, 100)] == [15, 30, 60, 3600]
    assert [rules.wait_as_told(s) for s in (-1, 0, 0.001, 7, 1e9)] == [5, 5, 0.1, 7, 3600]
