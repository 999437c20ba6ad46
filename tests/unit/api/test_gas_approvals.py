"""Who may approve a withdrawal, and whom an approval counts for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from servicelayer_api.errors import Invalid
from servicelayer_api.gasbank import approvals
from servicelayer_api.gasbank.errors import OwnWithdrawal
from servicelayer_api.gasbank.models import GasAccount, NewDecision, Transaction
from servicelayer_api.gasbank.withdrawals import successor
from servicelayer_api.ids import new_id
from servicelayer_api.web.principal import Credential, CredentialKind, Principal, Role
from servicelayer_api.web.scopes import InsufficientScope


def principal(kind: CredentialKind, user: str) -> Principal:
    return Principal(credential=Credential(user=user, role=Role.USER, kind=kind), tenant="acme")


def key(key_id: str, origin: str = "", scopes: frozenset[str] | None = None) -> Principal:
    credential = Credential(
        user="key:ops",
        role=Role.USER,
        kind=CredentialKind.KEY,
        scopes=scopes,
        subject=key_id,
        holder=origin or key_id,
    )
    return Principal(credential=credential, tenant="acme")


def test_a_user_is_counted_and_shown_whatever_name_the_body_has() -> None:
    alice = principal(CredentialKind.PASSWORD, "alice")

    for name in ("ann", "ben", ""):
        decided = approvals.check_decision(NewDecision(approver=name), alice)
        assert decided == ("password:alice", "alice")
    wallet = approvals.check_decision(NewDecision(), principal(CredentialKind.WALLET, "alice"))
    assert wallet == ("wallet:alice", "alice")


def test_a_key_is_counted_and_shown_whatever_name_the_body_has() -> None:
    decided = approvals.check_decision(NewDecision(approver="ann"), key("k-1"))

    assert decided == ("account-key:k-1", "key:ops (k-1)")


def test_keys_of_one_name_are_two_and_a_rotated_key_is_one() -> None:
    first, other, rotated = key("k-1"), key("k-2"), key("k-3", origin="k-1")

    assert approvals.identity_of(first) != approvals.identity_of(other)
    assert approvals.identity_of(first) == approvals.identity_of(rotated)


def test_a_platform_token_must_name_the_person_it_speaks_for() -> None:
    token = principal(CredentialKind.STATIC, "token")

    named = approvals.check_decision(NewDecision(approver=" ann "), token)
    assert named == ("static-token:ann", "ann")
    with pytest.raises(Invalid):
        approvals.check_decision(NewDecision(approver=" "), token)


def test_a_platform_token_cannot_pass_for_another_kind_of_credential() -> None:
    token = principal(CredentialKind.STATIC, "token")

    named = approvals.check_decision(NewDecision(approver="password:alice"), token)
    assert named[0] != "password:alice"


def test_a_key_approves_what_others_asked_for_and_not_what_it_asked_for() -> None:
    asked = approvals.identity_of(key("k-1"))

    for approver in (key("k-1"), key("k-3", origin="k-1")):
        with pytest.raises(OwnWithdrawal):
            approvals.check_may_approve(approver, asked)
    approvals.check_may_approve(key("k-2"), asked)
    approvals.check_may_approve(key("k-1"), "password:alice")
    approvals.check_may_approve(key("k-1"), "")


def test_people_and_platform_tokens_approve_what_they_asked_for() -> None:
    for kind in (CredentialKind.PASSWORD, CredentialKind.WALLET, CredentialKind.STATIC):
        alice = principal(kind, "alice")
        approvals.check_may_approve(alice, approvals.identity_of(alice))


@pytest.mark.parametrize(
    ("scopes", "refused"),
    [
        (frozenset({"gasbank:write"}), True),
        (frozenset({"gasbank:write", "gasbank:approve"}), False),
        (None, False),
    ],
)
def test_required_approvals_are_lowered_by_approvers_only(
    scopes: frozenset[str] | None, *, refused: bool
) -> None:
    asked = key("k-1", scopes=scopes)

    approvals.check_may_require(asked, 1, 1)
    approvals.check_may_require(asked, 1, 2)
    if refused:
        with pytest.raises(InsufficientScope) as caught:
            approvals.check_may_require(asked, 2, 1)
        assert caught.value.scope == "gasbank:approve"
    else:
        approvals.check_may_require(asked, 2, 0)
    approvals.check_may_require(principal(CredentialKind.PASSWORD, "alice"), 2, 0)


def test_a_repeated_withdrawal_stays_that_of_whoever_asked_for_the_first() -> None:
    now = datetime(2026, 5, 17, tzinfo=UTC)
    account = GasAccount(
        id=new_id(),
        account_id=new_id(),
        tenant="acme",
        wallet_address="",
        created_at=now,
        updated_at=now,
    )
    first = Transaction(
        id=new_id(),
        gas_account_id=account.id,
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
    )

    following = successor(first, account, now)

    assert following is not None
    assert following.requested_by == "account-key:k-1"
