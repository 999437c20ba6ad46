"""Who makes a request, and for which tenant: plain values that every room may read.

Invariant: `Principal.tenant` is the tenant of this one request after the binding rules were
    applied; a bound
credential never carries another tenant than its own. Knows nothing of HTTP libraries.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from servicelayer_api.errors import Forbidden, Unauthenticated


class Role(StrEnum):
    """What a principal may do. Only `admin` opens `/admin`."""

    ADMIN = "admin"
    USER = "user"
    TOKEN = "token"  # noqa: S105 - the name of a role
    RUNNER = "runner"


class CredentialKind(StrEnum):
    """What the principal showed."""

    STATIC = "static-token"
    PASSWORD = "password"  # noqa: S105 - the name of a kind
    WALLET = "wallet"
    KEY = "account-key"


class TenantRequired(Forbidden):
    """The request names no tenant: send `X-Tenant-ID`, or use a credential that carries one."""

    code = "tenant-required"
    title = "Tenant required"


class TenantMismatch(Forbidden):
    """The credential belongs to another tenant than the one `X-Tenant-ID` names."""

    code = "tenant-mismatch"
    title = "Tenant mismatch"


class AdminOnly(Forbidden):
    """The request needs the role `admin`."""

    code = "admin-only"
    title = "Admins only"


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A verified credential, before the request's tenant is known; the same for all its requests.

    Attributes:
        user: Name for the audit log and `whoami`.
        role: What it may do.
        kind: How it was proved.
        tenant: The only tenant it can act for; `None` when each request names one.
        account_id: The only account it can act for; `None` for all of the tenant.
        scopes: What an account key is limited to; `None` for everything its kind may do.
        subject: What tells it from all others of its kind in a rate limit; empty when `user` does.
        holder: What stays the same when it is rotated; empty when `user` does.
    """

    user: str
    role: Role
    kind: CredentialKind
    tenant: str | None = None
    account_id: UUID | None = None
    scopes: frozenset[str] | None = None
    subject: str = ""
    holder: str = ""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A credential in one request.

    Attributes:
        credential: What was verified.
        tenant: The tenant the request acts for; `None` when nothing names one.
    """

    credential: Credential
    tenant: str | None

    @property
    def user(self) -> str:
        """Name for the audit log and `whoami`."""
        return self.credential.user

    @property
    def role(self) -> Role:
        """What it may do."""
        return self.credential.role

    @property
    def account_id(self) -> UUID | None:
        """The only account it can act for; `None` for all of the tenant."""
        return self.credential.account_id

    def require_tenant(self) -> str:
        """The tenant of the request.

        Raises:
            TenantRequired: nothing names one.
        """
        if self.tenant is None:
            raise TenantRequired("name the tenant in the header X-Tenant-ID")
        return self.tenant


class Caller(msgspec.Struct, kw_only=True):
    """One request as the services see it: who asks, and the facts that the audit log keeps.

    Attributes:
        method: HTTP method.
        path: Path as it was asked for, without the query.
        request_id: Id in the logs and in the answer's `X-Request-ID`.
        remote_addr: The client's address, proxies that are trusted taken off.
        user_agent: As sent, cut to 256 characters.
        principal: Who, once that is known.
        subject: The known user or wallet that an unauthenticated request is about, such as a failed
            login.
        route: Template of the path; empty when no route matched.
        scope: What the route asks of an account API key, such as `secrets:write`; empty when
            nothing.
        idempotency: SHA-256 of the `Idempotency-Key` in hex; empty when none was sent.
        recorded: What the audit log wrote on behalf of this request; filled by the audit service
            only.
    """

    method: str
    path: str
    request_id: str
    remote_addr: str
    user_agent: str
    principal: Principal | None = None
    subject: str = ""
    route: str = ""
    scope: str = ""
    idempotency: str = ""
    recorded: list[Any] = msgspec.field(default_factory=list[Any])

    def require_principal(self) -> Principal:
        """Who asks.

        Raises:
            Unauthenticated: nobody that is known.
        """
        if self.principal is None:
            raise Unauthenticated
        return self.principal

    def require_tenant(self) -> str:
        """The tenant the request acts for.

        Raises:
            Unauthenticated: nobody that is known asks.
            TenantRequired: nothing names a tenant.
        """
        return self.require_principal().require_tenant()

    def require_admin(self) -> Principal:
        """Who asks, if they are an admin and name a tenant.

        Raises:
            Unauthenticated: nobody that is known asks.
            AdminOnly: another role.
            TenantRequired: nothing names a tenant.
        """
        principal = self.require_principal()
        if principal.role is not Role.ADMIN:
            raise AdminOnly("this needs the role admin")
        principal.require_tenant()
        return principal
