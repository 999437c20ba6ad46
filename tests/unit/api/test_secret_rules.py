"""Decisions about secrets, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from servicelayer_api.errors import Invalid
from servicelayer_api.ids import new_id
from servicelayer_api.secrets import rules
from servicelayer_api.secrets.errors import SecretAccessDenied, SecretChanged
from servicelayer_api.secrets.models import NewSecret, Reader, Secret, StoredSecret, StoredVersion
from servicelayer_api.web.principal import Credential, CredentialKind, Principal, Role

_NOW = datetime(2026, 1, 2, tzinfo=UTC)
_SECRET = StoredSecret(
    id=UUID(int=1),
    account_id=UUID(int=2),
    name="Name",
    name_key="name",
    version=2,
    created_at=_NOW,
    updated_at=_NOW,
)
_VERSION = StoredVersion(
    id=new_id(),
    account_id=_SECRET.account_id,
    secret_id=_SECRET.id,
    version=2,
    acl=0,
    expires_at=None,
    sealed=b"",
    imported=False,
    restored_from=None,
    created_by="u",
    created_at=_NOW,
)


def _principal(kind: CredentialKind, role: Role) -> Principal:
    return Principal(credential=Credential(user="u", role=role, kind=kind), tenant="t")


_KEY = _principal(CredentialKind.KEY, Role.USER)


@given(st.text(alphabet="abcXYZ äöÜéØ-_/19"))
def test_case_does_not_tell_names_apart(name: str) -> None:
    assert rules.name_key(name) == rules.name_key(name.upper()) == rules.name_key(name.lower())


def test_a_name_in_composed_and_decomposed_letters_is_one() -> None:
    assert rules.name_key("Schlüssel") == rules.name_key("schlu\u0308ssel")


_PLACES = st.tuples(
    st.integers(1, 12),
    st.integers(0, 255),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.text(alphabet="0123456789ab", min_size=1, max_size=6),
)


@given(_PLACES, _PLACES)
def test_two_places_never_have_the_same_name(
    one: tuple[int, int, datetime | None, str], two: tuple[int, int, datetime | None, str]
) -> None:
    contexts = [
        rules.context(
            replace(_SECRET, name=name),
            replace(_VERSION, version=version, acl=acl, expires_at=expires_at),
        )
        for version, acl, expires_at, name in (one, two)
    ]

    assert (contexts[0] == contexts[1]) == (one == two)


@pytest.mark.parametrize(
    ("header", "fits"),
    [
        ("", True),
        ("*", True),
        (rules.etag(_SECRET), True),
        (f'"other", {rules.etag(_SECRET)}', True),
        (f"W/{rules.etag(_SECRET)}", False),
        (rules.etag(_SECRET).strip('"'), False),
        (rules.etag(replace(_SECRET, version=1)), False),
        (rules.etag(replace(_SECRET, id=UUID(int=3))), False),
        ('""', False),
    ],
)
def test_if_match_fits_this_secret_at_this_version_only(header: str, fits: bool) -> None:
    if fits:
        rules.check_match(header, _SECRET)
    else:
        with pytest.raises(SecretChanged):
            rules.check_match(header, _SECRET)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.USER, Role.TOKEN])
@pytest.mark.parametrize("kind", [CredentialKind.PASSWORD, CredentialKind.STATIC])
def test_people_and_platform_read_whatever_the_bits_say(role: Role, kind: CredentialKind) -> None:
    rules.check_may_read(_principal(kind, role), 0)


def test_a_runner_reads_nothing() -> None:
    with pytest.raises(SecretAccessDenied):
        rules.check_may_read(_principal(CredentialKind.STATIC, Role.RUNNER), 255)


def _may_grant(before: int, after: int) -> bool:
    try:
        rules.check_may_grant(_KEY, before, after)
    except SecretAccessDenied:
        return False
    return True


def _may_read(acl: int) -> bool:
    try:
        rules.check_may_read(_KEY, acl)
    except SecretAccessDenied:
        return False
    return True


def test_a_key_reads_by_its_bit_and_never_adds_one() -> None:
    assert [acl for acl in range(256) if _may_read(acl)] == [
        acl for acl in range(256) if acl & Reader.ACCOUNT_KEYS
    ]
    for before in range(0, 256, 5):
        granted = {after for after in range(256) if _may_grant(before, after)}
        assert granted == {after for after in range(256) if after | before == before}


def test_the_shapes_that_hold_a_value_do_not_show_it() -> None:
    shown = Secret(
        id=new_id(),
        account_id=new_id(),
        name="n",
        value="hidden",
        version=1,
        acl=0,
        created_at=_NOW,
        updated_at=_NOW,
    )

    assert "hidden" not in repr(shown) + repr(NewSecret(name="n", value="hidden"))


def test_all_faults_of_a_new_secret_are_named_at_once() -> None:
    bad = NewSecret(name="a|\0", value="ä" * 40_000, expires_at=_NOW - timedelta(seconds=1))
    with pytest.raises(Invalid) as refusal:
        rules.check_new(bad, _NOW)

    assert [fault.field for fault in refusal.value.fields] == [
        "name", "name", "value", "expires_at",
    ]  # fmt: skip
