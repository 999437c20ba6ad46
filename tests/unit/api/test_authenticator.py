"""Credentials and tenants, without a database or a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from servicelayer_api.clock import FixedClock
from servicelayer_api.crypto import neo
from servicelayer_api.crypto.tokens import Claims, TokenSigner
from servicelayer_api.errors import Invalid, Unauthenticated
from servicelayer_api.ids import new_id
from servicelayer_api.web import auth
from servicelayer_api.web.auth import Authenticator
from servicelayer_api.web.principal import (
    AdminOnly,
    Caller,
    Credential,
    CredentialKind,
    Grant,
    Principal,
    Role,
    TenantMismatch,
)
from servicelayer_api.web.users import User, parse_users

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HASH = "$2b$04$abcdefghijklmnopqrstuu" + "v" * 31
USERS = parse_users(f"Alice:{HASH}:admin,bob:{HASH}:user:acme")
SIGNER = TokenSigner("a-secret-of-more-than-thirty-two-characters")
ACCOUNT = new_id()
WALLET = "NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWM"


def key_of(person: str, tenant: str = "acme") -> Credential:
    return Credential(
        user="key:ci",
        role=Role.USER,
        kind=CredentialKind.KEY,
        tenant=tenant,
        grants=(Grant(account_id=ACCOUNT, person=person),),
    )


KEYS = {
    "slk_known": key_of("platform"),
    "slk_old": key_of(""),
    "slk_bobs": key_of("user:bob"),
    "slk_bobs_elsewhere": key_of("user:bob", "other"),
    "slk_alices": key_of("user:alice", "other"),
    "slk_carols": key_of("user:carol"),
}


class Keys:
    """Knows the keys above."""

    async def find_credential(self, key: str) -> Credential | None:
        return KEYS.get(key)


class Wallets:
    """Knows what one wallet was registered for, by whom, and when."""

    def __init__(self) -> None:
        self.grants = (
            Grant(account_id=new_id(), person="user:bob", wallet_id=new_id()),
            Grant(account_id=new_id(), person="user:carol", wallet_id=new_id()),
        )
        self.asked: list[tuple[str, str, datetime]] = []

    async def find_grants(self, wallet: str, tenant: str, until: datetime) -> tuple[Grant, ...]:
        self.asked.append((wallet, tenant, until))
        return self.grants


def make(
    *,
    users: Mapping[str, User] = USERS,
    default_tenant: str = "",
    wallets: Wallets | None = None,
) -> tuple[Authenticator, FixedClock]:
    clock = FixedClock(NOW)
    return Authenticator(
        clock=clock,
        tokens=["tok-1", "tok-2"],
        users=users,
        signer=SIGNER,
        account_keys=Keys(),
        wallets=wallets,
        default_tenant=default_tenant,
    ), clock


def claims_of(name: str, lifetime: int = 3600) -> Claims:
    user = USERS[name]
    return Claims(
        sub=user.name,
        role=user.role,
        method="password",
        jti="j",
        iat=int(NOW.timestamp()),
        exp=int(NOW.timestamp()) + lifetime,
        tenant=user.tenant,
        fingerprint=user.fingerprint,
    )


def bearer(claims: Claims) -> str:
    return f"Bearer {SIGNER.sign(claims)}"


async def test_platform_token_is_role_token_and_names_its_tenant() -> None:
    authenticator, _ = make()
    credential = await authenticator.authenticate("bEaReR tok-2")

    assert (credential.user, credential.role) == ("token", Role.TOKEN)
    assert authenticator.bind(credential, " acme ").tenant == "acme"
    assert authenticator.bind(credential, "").tenant is None


async def test_platform_token_without_header_gets_the_default_tenant() -> None:
    authenticator, _ = make(default_tenant="main")
    credential = await authenticator.authenticate("Bearer tok-1")

    assert authenticator.bind(credential, "").tenant == "main"
    assert authenticator.bind(credential, "acme").tenant == "acme"


async def test_user_without_tenant_names_one_in_each_request() -> None:
    authenticator, _ = make()
    credential = await authenticator.authenticate(bearer(claims_of("alice")))

    assert credential.role is Role.ADMIN
    assert authenticator.bind(credential, "acme").tenant == "acme"
    assert authenticator.bind(credential, "other").tenant == "other"


@pytest.mark.parametrize("header", [bearer(claims_of("bob")), "Bearer slk_known"])
async def test_bound_credential_acts_for_its_own_tenant_only(header: str) -> None:
    authenticator, _ = make(default_tenant="main")
    credential = await authenticator.authenticate(header)

    assert authenticator.bind(credential, "").tenant == "acme"
    assert authenticator.bind(credential, "acme").tenant == "acme"
    with pytest.raises(TenantMismatch):
        authenticator.bind(credential, "other")


@pytest.mark.parametrize("tenant", ["a b", "ä", "x" * 129, "a\tb", "acme, other"])
async def test_tenant_that_is_no_plain_name_is_refused(tenant: str) -> None:
    authenticator, _ = make()
    credential = await authenticator.authenticate("Bearer tok-1")

    with pytest.raises(Invalid):
        authenticator.bind(credential, tenant)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "tok-1",
        "Basic dG9rLTE6",
        "Bearer tok-3",
        "Bearer tok-1 tok-2",
        "Bearer tok-1, Bearer tok-2",
        "Bearer slk_unknown",
        "Bearer a.b.c",
        "Bearer " + "x" * 5000,
        bearer(replace(claims_of("alice"), sub="nobody")),
        bearer(replace(claims_of("bob"), role="admin")),
        bearer(replace(claims_of("bob"), tenant=None)),
        bearer(replace(claims_of("bob"), tenant="other")),
        bearer(replace(claims_of("bob"), fingerprint="of an older password")),
        bearer(replace(claims_of("alice"), fingerprint=None)),
        bearer(replace(claims_of("alice"), method="wallet")),
    ],
)
async def test_what_is_no_valid_credential_is_refused(header: str) -> None:
    authenticator, _ = make()

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(header)


async def test_token_that_was_remembered_is_refused_when_it_expires() -> None:
    authenticator, clock = make()
    header = bearer(claims_of("alice", lifetime=10))
    await authenticator.authenticate(header)
    clock.advance(timedelta(seconds=9))
    await authenticator.authenticate(header)
    clock.advance(timedelta(seconds=1))

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(header)


async def test_removed_user_ends_the_tokens_made_before() -> None:
    authenticator, _ = make(users={})

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(bearer(claims_of("alice")))


def wallet_token(**differs: object) -> str:
    registered = int(NOW.timestamp()) * 1_000_000 + 5
    claims = replace(claims_of("bob"), sub=WALLET, method="wallet", role="admin")
    return bearer(replace(claims, **{"registered": registered, **differs}))


async def test_wallet_token_acts_for_what_living_people_registered_it_for() -> None:
    wallets = Wallets()
    authenticator, _ = make(wallets=wallets)
    credential = await authenticator.authenticate(wallet_token())

    assert (credential.role, credential.tenant) == (Role.USER, "acme")
    assert credential.grants == wallets.grants[:1]  # carol is no user
    expected = neo.hash_to_text(neo.parse_wallet(WALLET))
    assert wallets.asked == [(expected, "acme", NOW + timedelta(microseconds=5))]


async def test_wallet_token_is_asked_about_at_each_request() -> None:
    wallets = Wallets()
    authenticator, _ = make(wallets=wallets)
    await authenticator.authenticate(wallet_token())
    wallets.grants = ()

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(wallet_token())


@pytest.mark.parametrize(
    "differs", [{"registered": None}, {"tenant": None}, {"sub": "bob"}, {"tenant": "other"}]
)
async def test_wallet_token_that_says_too_little_is_refused(differs: dict[str, object]) -> None:
    authenticator, _ = make(wallets=Wallets())

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(wallet_token(**differs))


@pytest.mark.parametrize("key", ["slk_known", "slk_old", "slk_bobs", "slk_alices"])
async def test_key_lives_as_long_as_its_maker(key: str) -> None:
    authenticator, _ = make()

    assert (await authenticator.authenticate(f"Bearer {key}")) == KEYS[key]


@pytest.mark.parametrize("key", ["slk_carols", "slk_bobs_elsewhere"])
async def test_key_whose_maker_is_gone_or_moved_is_refused(key: str) -> None:
    authenticator, _ = make()

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(f"Bearer {key}")


async def test_memory_of_verified_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_CACHE_SIZE", 3)
    authenticator, _ = make()
    for number in range(10):
        await authenticator.authenticate(bearer(replace(claims_of("alice"), jti=str(number))))

    assert len(authenticator._verified) == 3


def caller(role: Role, tenant: str | None) -> Caller:
    credential = Credential(user="u", role=role, kind=CredentialKind.PASSWORD)
    return Caller(
        method="GET",
        path="/",
        request_id="r",
        remote_addr="",
        user_agent="",
        principal=Principal(credential=credential, tenant=tenant),
    )


def test_caller_without_principal_is_refused_wherever_one_is_needed() -> None:
    nobody = Caller(method="GET", path="/", request_id="r", remote_addr="", user_agent="")

    for needs in (nobody.require_principal, nobody.require_tenant, nobody.require_admin):
        with pytest.raises(Unauthenticated):
            needs()


@pytest.mark.parametrize("role", [Role.USER, Role.TOKEN, Role.RUNNER])
def test_only_an_admin_passes_where_an_admin_is_needed(role: Role) -> None:
    assert caller(Role.ADMIN, "acme").require_admin().user == "u"
    with pytest.raises(AdminOnly):
        caller(role, "acme").require_admin()


@pytest.mark.parametrize(
    ("user", "named", "seen"),
    [("alice", "", None), ("alice", "acme", "acme"), ("bob", "", "acme"), ("bob", "acme", "acme")],
)
def test_an_admin_sees_the_tenant_that_is_bound_or_named_and_the_default_narrows_nothing(
    user: str, named: str, seen: str | None
) -> None:
    authenticator, _ = make(default_tenant="main")
    assert authenticator.bind(USERS[user].credential, named).only_tenant == seen
