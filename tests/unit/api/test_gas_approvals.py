"""Who may approve a withdrawal, and whom an approval counts for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from servicelayer_api.errors import Invalid
from servicelayer_api.gasbank import approvals
from servicelayer_api.gasbank.approvals import Approver
from servicelayer_api.gasbank.errors import ApproverUnknown, DepositUnproven, OwnWithdrawal
from servicelayer_api.gasbank.models import GasAccount, NewDecision, Transaction
from servicelayer_api.gasbank.withdrawals import successor
from servicelayer_api.ids import new_id
from servicelayer_api.web.principal import (
    PLATFORM,
    Credential,
    CredentialKind,
    Grant,
    Principal,
    Role,
    person_of,
)
from servicelayer_api.web.scopes import InsufficientScope

NOW = datetime(2026, 5, 17, tzinfo=UTC)
ACCOUNT = new_id()


def principal(kind: CredentialKind, user: str, person: str = "") -> Principal:
    known = person or person_of(user)
    grants = None
    if kind is CredentialKind.WALLET:
        grants = (Grant(account_id=ACCOUNT, person=known, wallet_id=new_id()),)
    credential = Credential(user=user, role=Role.USER, kind=kind, person=known, grants=grants)
    return Principal(credential=credential, tenant="acme")


def key(
    key_id: str, origin: str = "", scopes: frozenset[str] | None = None, person: str = "user:maker"
) -> Principal:
    credential = Credential(
        user="key:ops",
        role=Role.USER,
        kind=CredentialKind.KEY,
        grants=(Grant(account_id=ACCOUNT, person=person),),
        scopes=scopes,
        subject=key_id,
        holder=origin or key_id,
    )
    return Principal(credential=credential, tenant="acme")


def withdrawal(asked: Principal | None) -> Transaction:
    return Transaction(
        id=new_id(),
        gas_account_id=new_id(),
        account_id=ACCOUNT,
        tenant="acme",
        type="withdrawal",
        status="awaiting_approval",
        amount=1,
        net_amount=1,
        created_at=NOW,
        updated_at=NOW,
        requested_by=approvals.identity_of(asked) if asked else "",
        requested_person=approvals.person_at(asked, ACCOUNT) if asked else "",
    )


def decide(asked: Principal, name: str = "") -> Approver:
    return approvals.check_decision(NewDecision(approver=name), asked, ACCOUNT)


def check(approver: Principal, asked: Principal | None, name: str = "x") -> None:
    approvals.check_may_approve(approver, decide(approver, name), withdrawal(asked))


def test_a_user_is_counted_and_shown_whatever_name_the_body_has() -> None:
    alice = principal(CredentialKind.PASSWORD, "alice")

    for name in ("ann", "ben", ""):
        assert decide(alice, name) == Approver("password:alice", "user:alice", "alice")


def test_a_key_and_a_wallet_count_as_whoever_made_them() -> None:
    wallet = principal(CredentialKind.WALLET, "Nwallet", "user:alice")

    assert decide(key("k-1", person="user:alice"), "ann") == Approver(
        "account-key:k-1", "user:alice", "key:ops (k-1)"
    )
    assert decide(wallet) == Approver("wallet:Nwallet", "user:alice", "Nwallet")


def test_keys_of_one_name_are_two_and_a_rotated_key_is_one() -> None:
    first, other, rotated = key("k-1"), key("k-2"), key("k-3", origin="k-1")

    assert approvals.identity_of(first) != approvals.identity_of(other)
    assert approvals.identity_of(first) == approvals.identity_of(rotated)


def test_a_platform_token_must_name_the_person_it_speaks_for() -> None:
    token = principal(CredentialKind.STATIC, "token")

    assert decide(token, " ann ") == Approver("static-token:ann", "user:ann", "ann")
    with pytest.raises(Invalid):
        decide(token, " ")


@pytest.mark.parametrize("name", ["Alice", "ALICE ", "al\u200bice", "\uff41lice", "alice\ufeff"])
def test_whom_a_platform_token_names_is_the_user_of_that_name(name: str) -> None:
    alice = decide(principal(CredentialKind.PASSWORD, "alice"))

    assert decide(principal(CredentialKind.STATIC, "token"), name).person == alice.person


def test_a_platform_token_cannot_pass_for_another_kind_of_credential() -> None:
    token = principal(CredentialKind.STATIC, "token")

    named = decide(token, "password:alice")
    assert named.identity != "password:alice"
    assert named.person != "user:alice"
    assert decide(token, "platform").person != PLATFORM


def test_a_key_approves_what_others_asked_for_and_not_what_a_key_of_its_maker_did() -> None:
    asked = key("k-1")

    for approver in (key("k-1"), key("k-3", origin="k-1"), key("k-2")):
        with pytest.raises(OwnWithdrawal):
            check(approver, asked)
    with pytest.raises(OwnWithdrawal):  # rotated by somebody else
        check(key("k-3", origin="k-1", person="user:other"), asked)
    check(key("k-2", person="user:other"), asked)
    check(key("k-1"), principal(CredentialKind.PASSWORD, "alice"))
    check(key("k-1"), None)


def test_people_and_platform_tokens_approve_what_they_asked_for() -> None:
    for kind in (CredentialKind.PASSWORD, CredentialKind.WALLET, CredentialKind.STATIC):
        alice = principal(kind, "alice")
        check(alice, alice)


def test_what_nobody_is_known_to_have_made_approves_nothing() -> None:
    with pytest.raises(ApproverUnknown):
        check(key("k-1", person=""), None)


def account(**settings: int) -> GasAccount:
    return GasAccount(
        id=ACCOUNT,
        account_id=ACCOUNT,
        tenant="acme",
        wallet_address="",
        created_at=NOW,
        updated_at=NOW,
        **settings,
    )


SET = {"required_approvals": 2, "min_balance": 5, "daily_limit": 10}
LOOSER = (
    {"required_approvals": 1},
    {"required_approvals": 0},
    {"min_balance": 4},
    {"min_balance": 0},
    {"daily_limit": 0},
    {"daily_limit": 11},
    {"daily_limit": 9},
)


@pytest.mark.parametrize("change", LOOSER, ids=str)
def test_limits_are_taken_away_by_approvers_only(change: dict[str, int]) -> None:
    before, after = account(**SET), account(**{**SET, **change})
    limits, approve = "gasbank:limits", "gasbank:approve"

    with pytest.raises(InsufficientScope) as caught:
        approvals.check_may_loosen(key("k-1", scopes=frozenset({limits})), before, after)
    assert caught.value.scope == approve
    approvals.check_may_loosen(key("k-1", scopes=frozenset({limits, approve})), before, after)
    approvals.check_may_loosen(key("k-1"), before, after)
    approvals.check_may_loosen(principal(CredentialKind.PASSWORD, "alice"), before, after)


def test_limits_are_set_and_tightened_by_whoever_may_set_them() -> None:
    limited = key("k-1", scopes=frozenset({"gasbank:limits"}))

    approvals.check_may_loosen(limited, account(), account(**SET))
    approvals.check_may_loosen(limited, account(**SET), account(**SET))
    tighter = account(**{**SET, "required_approvals": 3, "min_balance": 6})
    approvals.check_may_loosen(limited, account(**SET), tighter)


@pytest.mark.parametrize(
    ("kind", "tenant", "refused"),
    [
        (CredentialKind.STATIC, None, False),
        (CredentialKind.PASSWORD, None, False),
        (CredentialKind.PASSWORD, "acme", True),
        (CredentialKind.WALLET, "acme", True),
        (CredentialKind.KEY, "acme", True),
    ],
)
def test_deposits_are_the_platform_s(
    kind: CredentialKind, tenant: str | None, *, refused: bool
) -> None:
    credential = Credential(user="u", role=Role.USER, kind=kind, tenant=tenant)
    asked = Principal(credential=credential, tenant="acme")

    if not refused:
        approvals.check_may_deposit(asked)
        return
    with pytest.raises(DepositUnproven):
        approvals.check_may_deposit(asked)


def test_a_repeated_withdrawal_stays_that_of_whoever_asked_for_the_first() -> None:
    now = NOW
    owned = account()
    first = Transaction(
        id=new_id(),
        gas_account_id=owned.id,
        account_id=new_id(),
        tenant="acme",
        type="withdrawal",
        status="scheduled",
        amount=1,
        net_amount=1,
        cron_expression="0 0 * * *",
        created_at=now,
        updated_at=now,
        requested_by="account-key:k-1",
        requested_person="user:maker",
    )

    following = successor(first, owned, now)

    assert following is not None
    assert following.requested_by == "account-key:k-1"
    assert following.requested_person == "user:maker"
