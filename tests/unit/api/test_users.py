"""`AUTH_USERS`: what is read, and what stops the start."""

from __future__ import annotations

import pytest

from servicelayer_api.settings import SettingsError
from servicelayer_api.web.principal import Role
from servicelayer_api.web.users import fold_name, parse_users

HASH = "$2b$04$abcdefghijklmnopqrstuu" + "v" * 31


def test_users_are_found_by_folded_name_with_role_and_tenant() -> None:
    users = parse_users(f" Admin:{HASH}:admin , bob:{HASH}:user:acme,")

    assert set(users) == {"admin", "bob"}
    assert users["admin"].name == "Admin"
    assert users["admin"].role is Role.ADMIN
    assert users["admin"].tenant is None
    assert users["bob"].tenant == "acme"
    assert users["bob"].cost == 4


def test_no_users_is_no_fault() -> None:
    assert parse_users("") == {}


def test_names_are_compared_without_case_or_blanks() -> None:
    assert fold_name(" STRASSE ") == fold_name("straße")


def test_fingerprint_changes_with_the_password_and_does_not_show_it() -> None:
    one = parse_users(f"a:{HASH}:user")["a"]
    other = parse_users(f"a:{HASH[:-1]}w:user")["a"]

    assert one.fingerprint != other.fingerprint
    assert one.fingerprint not in HASH


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("admin", "entry 1 must be"),
        ("admin:changeme:admin", "bcrypt"),
        (f"admin:{HASH}", "entry 1 must be"),
        (f"admin:{HASH}:admin:t:x", "entry 1 must be"),
        (f":{HASH}:admin", "name"),
        (f"{'n' * 129}:{HASH}:admin", "name"),
        (f"admin:{HASH}:root", "role"),
        (f"admin:{HASH}:token", "role"),
        (f"admin:{HASH}:", "role"),
        (f"admin:{HASH}:admin:a b", "tenant"),
        (f"admin:{HASH}:admin,ADMIN:{HASH}:user", "entry 2 names a user"),
        (f"a:{HASH}:admin,b:plain:user", "entry 2 needs a bcrypt"),
        (f"admin:{HASH.replace('$04$', '$03$')}:admin", "bcrypt"),
        (f"admin:{HASH[:-1]}:admin", "bcrypt"),
    ],
)
def test_an_entry_that_cannot_be_used_stops_the_start(text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_users(text)

    assert says in str(caught.value)
    assert HASH not in str(caught.value)
    assert "changeme" not in str(caught.value)
