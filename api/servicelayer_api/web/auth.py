"""Authentication of every request, before any route is looked up.

Three kinds of credential, told apart by their form: account API keys (`slk_...`), login tokens
(JWT) and platform tokens (`API_TOKENS`). All are compared as SHA-256 digests by dictionary or by
the database, so that no comparison tells how much of a guess was right. Whatever is not on the list
of public paths answers 401 without a valid credential, unknown paths too.

Tenants: a bound credential acts for its own tenant; naming another in `X-Tenant-ID` is refused with
    403. An unbound one
(a platform token, a user configured without a tenant) names the tenant in each request or gets
`DEFAULT_TENANT`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, Protocol

from servicelayer_api.crypto.tokens import Claims, TokenRefusedError, TokenSigner
from servicelayer_api.errors import Invalid, Unauthenticated
from servicelayer_api.web.principal import (
    Credential,
    CredentialKind,
    Principal,
    Role,
    TenantMismatch,
)
from servicelayer_api.web.users import TENANT, User, fold_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from servicelayer_api.clock import Clock

ACCOUNT_KEY_PREFIX: Final = "slk_"

# Verified login tokens that are remembered; beyond it the oldest are verified anew.
_CACHE_SIZE: Final = 4096
_MAX_CREDENTIAL_LENGTH: Final = 4096


class AccountKeys(Protocol):
    """Where account API keys are looked up."""

    async def find_credential(self, key: str) -> Credential | None:
        """The credential of a key that is in force, else `None`."""
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
        default_tenant: str = "",
    ) -> None:
        """Hold what credentials are checked against.

        Args:
            clock: for the expiry of login tokens.
            tokens: platform tokens.
            users: users of the configuration by folded name.
            signer: of login tokens; without one no login token is valid.
            account_keys: of accounts; without one no account key is valid.
            default_tenant: tenant of an unbound credential that names none; empty for none.
        """
        self._static = {digest: _platform(digest) for digest in map(_digest, tokens)}
        self._clock = clock
        self._users = users or {}
        self._signer = signer
        self._account_keys = account_keys
        self._default_tenant = default_tenant or None
        self._verified: dict[bytes, tuple[Credential, int]] = {}

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
        if scheme.lower() != "bearer" or not token or len(token) > _MAX_CREDENTIAL_LENGTH:
            raise Unauthenticated
        digest = _digest(token)
        found = self._static.get(digest) or self._remembered(digest)
        if found is None:
            found = await self._find(token, digest)
        if found is None:
            raise Unauthenticated
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
        return Principal(credential=credential, tenant=named or self._default_tenant)

    async def _find(self, token: str, digest: bytes) -> Credential | None:
        if token.startswith(ACCOUNT_KEY_PREFIX):
            return await self._account_keys.find_credential(token) if self._account_keys else None
        if self._signer is None or token.count(".") != 2:  # noqa: PLR2004 - a JWT has three parts
            return None
        try:
            claims = self._signer.verify(token, self._clock.now())
        except TokenRefusedError:
            return None
        credential = self._holder(claims)
        if credential is not None:
            self._remember(digest, credential, claims.exp)
        return credential

    def _holder(self, claims: Claims) -> Credential | None:
        """The holder as the configuration knows them today; `None` when it no longer does."""
        if claims.method == "wallet":
            if claims.tenant is None:
                return None
            return Credential(
                user=claims.sub, role=Role.USER, kind=CredentialKind.WALLET, tenant=claims.tenant
            )
        user = self._users.get(fold_name(claims.sub))
        if user is None or (user.role, user.tenant, user.fingerprint) != (
            claims.role,
            claims.tenant,
            claims.fingerprint,
        ):
            return None
        return Credential(
            user=user.name, role=user.role, kind=CredentialKind.PASSWORD, tenant=user.tenant
        )

    def _remembered(self, digest: bytes) -> Credential | None:
        entry = self._verified.get(digest)
        if entry is None:
            return None
        if entry[1] <= self._clock.now().timestamp():
            del self._verified[digest]
            return None
        return entry[0]

    def _remember(self, digest: bytes, credential: Credential, expires: int) -> None:
        if len(self._verified) >= _CACHE_SIZE:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = (credential, expires)


def _platform(digest: bytes) -> Credential:
    return Credential(
        user="token",
        role=Role.TOKEN,
        kind=CredentialKind.STATIC,
        subject=digest.hex()[:32],
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
