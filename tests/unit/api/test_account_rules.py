"""What a valid account, wallet and API key is, and who may do what."""

from __future__ import annotations

import pytest

from servicelayer_api.accounts import rules
from servicelayer_api.accounts.errors import AccountKeyNotAllowed, AccountSuspended
from servicelayer_api.accounts.models import AccountChange, NewAccount, NewWallet
from servicelayer_api.api_keys import rules as key_rules
from servicelayer_api.errors import Forbidden, Invalid
from servicelayer_api.ids import new_id
from servicelayer_api.web.pagination import parse_limit, parse_offset
from servicelayer_api.web.principal import Credential, CredentialKind, Grant, Principal, Role

OWN = new_id()


def principal(kind: CredentialKind = CredentialKind.STATIC, role: Role = Role.TOKEN) -> Principal:
    bound = kind in {CredentialKind.KEY, CredentialKind.WALLET}
    grants = (Grant(account_id=OWN, person="platform"),) if bound else None
    credential = Credential(user="u", role=role, kind=kind, tenant="acme", grants=grants)
    return Principal(credential=credential, tenant="acme")


def test_tenant_in_metadata_is_the_one_of_the_request() -> None:
    new = NewAccount(owner="o", metadata={"tenant": "other", "k": "v"})

    assert rules.check_new_account(new, "acme") == {"tenant": "acme", "k": "v"}
    assert rules.check_new_account(NewAccount(owner=" "), "acme") == {"tenant": "acme"}


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (NewAccount(owner=""), "owner"),
        (NewAccount(owner="a\0b"), "owner"),
        (NewAccount(owner="o", metadata={"": "v"}), "metadata"),
        (NewAccount(owner="o", metadata={"k" * 129: "v"}), "metadata"),
        (NewAccount(owner="o", metadata={"k": "v" * 4097}), "metadata.k"),
        (NewAccount(owner="o", metadata={"k": "\0"}), "metadata.k"),
        (NewAccount(owner="o", metadata={str(n): "" for n in range(65)}), "metadata"),
    ],
)
def test_account_that_cannot_be_kept_is_refused_by_field(new: NewAccount, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        rules.check_new_account(new, "acme")

    assert [fault.field for fault in caught.value.fields] == [field]


def test_change_merges_metadata_and_leaves_out_what_is_not_named() -> None:
    change = AccountChange(metadata={"a": "1", "b": None, "tenant": None})

    assert rules.check_change(change, {"b": "2", "c": "3", "tenant": "acme"}, "acme") == (
        None,
        {"a": "1", "c": "3", "tenant": "acme"},
        None,
    )


def test_change_may_not_empty_the_owner() -> None:
    with pytest.raises(Invalid):
        rules.check_change(AccountChange(owner=""), {}, "acme")


def test_only_admins_and_platform_tokens_suspend() -> None:
    change = AccountChange(status="suspended")

    rules.check_may_set_status(principal(), change)
    rules.check_may_set_status(principal(CredentialKind.PASSWORD, Role.ADMIN), change)
    rules.check_may_set_status(principal(CredentialKind.WALLET, Role.USER), AccountChange())
    for kind in (CredentialKind.PASSWORD, CredentialKind.WALLET, CredentialKind.KEY):
        with pytest.raises(Forbidden):
            rules.check_may_set_status(principal(kind, Role.USER), change)


def test_suspended_account_is_read_only_and_closed_to_its_keys() -> None:
    rules.check_usable("active", principal(CredentialKind.KEY, Role.USER), write=True)
    rules.check_usable("suspended", principal(), write=False)
    with pytest.raises(AccountSuspended):
        rules.check_usable("suspended", principal(), write=True)
    with pytest.raises(AccountSuspended):
        rules.check_usable("suspended", principal(CredentialKind.KEY, Role.USER), write=False)


def test_account_key_reaches_its_own_account_only() -> None:
    key = principal(CredentialKind.KEY, Role.USER)

    assert rules.may_reach(key, OWN)
    assert not rules.may_reach(key, new_id())
    assert rules.may_reach(principal(), new_id())
    with pytest.raises(AccountKeyNotAllowed):
        rules.check_not_account_key(key)


def test_both_forms_of_a_wallet_are_kept_as_its_script_hash() -> None:
    kept = "0xd2a4cff31913016155e38e474a2c06d08be276cf"

    for given in (kept, "0x" + kept[2:].upper(), "NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWM"):
        assert rules.check_wallet(NewWallet(wallet_address=given)) == kept


@pytest.mark.parametrize(
    ("new", "field", "says"),
    [
        (NewWallet(), "wallet_address", "is required"),
        (NewWallet(wallet_address="0x1234"), "wallet_address", "40 hex"),
        (NewWallet(wallet_address="0x" + "g" * 40), "wallet_address", "40 hex"),
        (NewWallet(wallet_address="a" * 42), "wallet_address", "0x"),
        (NewWallet(wallet_address="NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWN"), "wallet_address", "sum"),
        (NewWallet(wallet_address="0x" + "0" * 40, label="x" * 257), "label", "256"),
        (NewWallet(wallet_address="0x" + "0" * 40, status="x" * 65), "status", "64"),
        (NewWallet(wallet_address="0x" + "0" * 40, label="\0"), "label", "NUL"),
    ],
)
def test_wallet_that_is_none_is_refused_by_field(new: NewWallet, field: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        rules.check_wallet(new)

    assert [fault.field for fault in caught.value.fields] == [field]
    assert says in caught.value.fields[0].message


def test_key_has_a_form_and_is_kept_as_a_hash() -> None:
    key = key_rules.write_key(bytes(range(32)))

    assert key_rules.is_key(key)
    assert len(key_rules.hash_key(key)) == 32
    for other in (key[:-1], key + "A", key.replace("slk_", "slx_"), key[:-1] + "\n", "slk_"):
        assert not key_rules.is_key(other)


@pytest.mark.parametrize(
    ("text", "limit"),
    [(None, 25), ("1", 1), ("007", 7), ("500", 500), ("501", 500), ("9" * 99, 500)],
)
def test_limit_is_a_positive_integer_cut_to_five_hundred(text: str | None, limit: int) -> None:
    assert parse_limit(text, 25) == limit


@pytest.mark.parametrize(
    "text", ["0", "00", "-1", "+1", "1.0", "1e2", " 1", "x", "\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_what_is_no_positive_integer_is_no_limit(text: str) -> None:
    with pytest.raises(Invalid):
        parse_limit(text, 25)


def test_a_limit_or_offset_that_is_left_empty_is_none() -> None:
    assert parse_limit("", 25) == parse_limit(None, 25) == 25
    assert parse_offset("") == 0


def test_offset_is_zero_or_more() -> None:
    assert parse_offset(None) == 0
    assert parse_offset("100000") == 100_000
    for text in ("-1", "x", "1" * 10):
        with pytest.raises(Invalid):
            parse_offset(text)
