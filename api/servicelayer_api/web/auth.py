"""Authentication of every request, before any route is looked up.

Three kinds of credential, told apart by their form: account API keys (`slk_...`), login tokens
(JWT) and platform tokens (`API_TOKENS`). All are compared as SHA-256 digests by dictionary or by
the database, so that no comparison tells how much of a guess was right. Whatever is not on the list
of public paths answers 401 without a valid credential, unknown paths too. The answer says whether
the credential is missing, malformed, unknown or expired; `expired` is said only to who shows one
that was valid, and what was revoked, or lost its user, wallet or account, is unknown.

Invariant: what a credential was made by must live while it is used. A user's token ends with the
user, a wallet's session with the wallet, a key with the wallet or the user that made it.

Tenants: a bound credential acts for its own tenant; naming another in `X-Tenant-ID` is refused with
    403. An unbound one
(a platform token, a user configured without a tenant) names the tenant in each request or gets
`DEFAULT_TENANT`.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from msgspec.structs import replace

from servicelayer_api.crypto import neo
from servicelayer_api.crypto.tokens import (
    Claims,
    TokenExpiredError,
    TokenRefusedError,
    TokenSigner,
)
from servicelayer_api.errors import CredentialFault, Invalid, Unauthenticated
from servicelayer_api.web.principal import (
    PLATFORM,
    Credential,
    CredentialKind,
    Grant,
    Principal,
    Role,
    TenantMismatch,
)
from servicelayer_api.web.users import TENANT, User, fold_name, living_grants, people_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from servicelayer_api.clock import Clock

ACCOUNT_KEY_PREFIX: Final = "slk_"
SENT_AS: Final = "Authorization: Bearer <platform token, login token or account API key>"
# A token as RFC 6750 has it. Platform tokens may hold other letters: they are looked up before.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")

# Verified login tokens that are remembered; beyond it the oldest are verified anew.
_CACHE_SIZE: Final = 4096
_MAX_CREDENTIAL_LENGTH: Final = 4096
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class Wallets(Protocol):
    """Where it is looked up what a wallet's session may still act for."""

    async def find_grants(self, wallet: str, tenant: str, until: datetime) -> tuple[Grant, ...]:
        """The accounts, of those that had registered the wallet by a time."""
        ...


class AccountKeys(Protocol):
    """Where account API keys are looked up."""

    async def find_credential(self, key: str) -> Credential | None:
        """The credential of a key that is in force, else `None`.

        Raises:
            Unauthenticated: the key was not revoked, but its time is over.
        """
        ...


class Authenticator:
    """Turns the header `Authorization` into a credential, and a credential into a principal."""

    def __init__(
        self,
        *,
        clock: Clock,
        tokens: Iterable[str] = (),
        users: Mapping[str, User] | None = None,
        signer: TokenSigner | None = None,
        account_keys: AccountKeys | None = None,
        wallets: Wallets | None = None,
        default_tenant: str = "",
    ) -> None:
        """Hold what credentials are checked against.

        Args:
            clock: for the expiry of login tokens.
            tokens: platform tokens.
            users: users of the configuration by folded name.
            signer: of login tokens; without one no login token is valid.
            account_keys: of accounts; without one no account key is valid.
            wallets: of accounts; without one no wallet's session is valid.
            default_tenant: tenant of an unbound credential that names none; empty for none.
        """
        self._static = {digest: _platform(digest) for digest in map(_digest, tokens)}
        self._clock = clock
        self._users = users or {}
        self._people = people_of(self._users)
        self._signer = signer
        self._account_keys = account_keys
        self._wallets = wallets
        self._default_tenant = default_tenant or None
        self._verified: dict[bytes, Claims] = {}

    async def authenticate(self, authorization: str) -> Credential:
        """Check a header.

        Args:
            authorization: the value of `Authorization`, empty when the request has none.

        Returns:
            The credential it shows.

        Raises:
            Unauthenticated: it shows none that is valid.
        """
        scheme, _, token = authorization.partition(" ")
        token = token.strip(" ")
        if not authorization.strip():
            raise _refused("missing", "the header Authorization is missing")
        if scheme.lower() != "bearer" or not token or len(token) > _MAX_CREDENTIAL_LENGTH:
            raise _refused("malformed", "the header Authorization holds no bearer token")
        digest = _digest(token)
        found = self._static.get(digest) or await self._find(token, digest)
        if found is None:
            if _TOKEN.fullmatch(token) is None:
                raise _refused("malformed", "the header Authorization holds no bearer token")
            raise _refused("unknown", "the credential is unknown or revoked")
        return found

    def bind(self, credential: Credential, tenant_header: str) -> Principal:
        """Apply the tenant rules.

        Args:
            credential: who asks.
            tenant_header: the value of `X-Tenant-ID`, empty when the request has none.

        Returns:
            The principal of this request.

        Raises:
            TenantMismatch: a bound credential names another tenant.
            Invalid: the name is not 1 to 128 visible ASCII characters.
        """
        named = tenant_header.strip()
        if named and not TENANT.fullmatch(named):
            raise Invalid(fields=[("X-Tenant-ID", "must be 1 to 128 visible ASCII characters")])
        own = credential.tenant
        if own is not None:
            if named and named != own:
                raise TenantMismatch("the credential belongs to another tenant")
            return Principal(credential=credential, tenant=own)
        return Principal(
            credential=credential, tenant=named or self._default_tenant, named=named or None
        )

    async def _find(self, token: str, digest: bytes) -> Credential | None:
        if token.startswith(ACCOUNT_KEY_PREFIX):
            if self._account_keys is None:
                return None
            return self._living(await self._account_keys.find_credential(token))
        claims = self._verify(token, digest)
        if claims is None:
            return None
        return await self._wallet(claims) if claims.method == "wallet" else self._user(claims)

    def _verify(self, token: str, digest: bytes) -> Claims | None:
        """What a login token says; its signature is checked once, its time always."""
        claims, now = self._verified.get(digest), self._clock.now()
        if claims is not None:
            if claims.exp > now.timestamp():
                return claims
            del self._verified[digest]
            raise _refused("expired", "the login token has expired: log in again")
        if self._signer is None or token.count(".") != 2:  # noqa: PLR2004 - a JWT has three parts
            return None
        try:
            claims = self._signer.verify(token, now)
        except TokenExpiredError as exc:
            raise _refused("expired", "the login token has expired: log in again") from exc
        except TokenRefusedError:
            return None
        if len(self._verified) >= _CACHE_SIZE:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = claims
        return claims

    def _user(self, claims: Claims) -> Credential | None:
        """The user as the configuration knows them today; `None` when it no longer does."""
        user = self._users.get(fold_name(claims.sub))
        if user is None or (user.role, user.tenant, user.fingerprint) != (
            claims.role,
            claims.tenant,
            claims.fingerprint,
        ):
            return None
        return user.credential

    async def _wallet(self, claims: Claims) -> Credential | None:
        """The wallet's session with what is left of what it was opened for."""
        if self._wallets is None or claims.tenant is None or claims.registered is None:
            return None
        try:
            wallet = neo.hash_to_text(neo.parse_wallet(claims.sub))
        except neo.NeoFormatError:
            return None
        until = _EPOCH + timedelta(microseconds=claims.registered)
        return self._living(
            wallet_credential(
                claims.sub,
                claims.tenant,
                await self._wallets.find_grants(wallet, claims.tenant, until),
            )
        )

    def _living(self, credential: Credential | None) -> Credential | None:
        """A credential without the rights whose givers are gone; `None` when none is left."""
        if credential is None or credential.grants is None:
            return None
        grants = living_grants(self._people, credential.grants, credential.tenant)
        if not grants:
            return None
        return credential if grants == credential.grants else replace(credential, grants=grants)


def wallet_credential(address: str, tenant: str, grants: tuple[Grant, ...]) -> Credential:
    """The credential of a wallet's session.

    Args:
        address: of the wallet, as people write it.
        tenant: in which it acts.
        grants: what for.
    """
    return Credential(
        user=address,
        role=Role.USER,
        kind=CredentialKind.WALLET,
        tenant=tenant,
        grants=grants,
    )


def _refused(reason: CredentialFault, detail: str) -> Unauthenticated:
    """Refuse a header; nothing of it is repeated, since a credential may stand in any part."""
    return Unauthenticated(f"{detail}; send `{SENT_AS}`", reason=reason)


def _platform(digest: bytes) -> Credential:
    return Credential(
        user="token",
        role=Role.TOKEN,
        kind=CredentialKind.STATIC,
        person=PLATFORM,
        subject=digest.hex()[:32],
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
