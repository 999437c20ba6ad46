"""Who makes a request, and for which tenant: plain values that every room may read.

Invariant: `Principal.tenant` is the tenant of this one request after the binding rules were
    applied; a bound
credential never carries another tenant than its own. Knows nothing of HTTP libraries.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Any, Final
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


# Whom an approval counts for when a platform token made the credential, or gave its own name.
PLATFORM: Final = "platform"
_PERSON_PREFIX: Final = "user:"


def person_of(name: str) -> str:
    """The person of a user name, as approvals are counted: spellings that look alike are one."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    visible = "".join(letter for letter in folded if unicodedata.category(letter) != "Cf")
    return f"{_PERSON_PREFIX}{visible.strip()}"


def is_user(person: str) -> bool:
    """Whether a person is one of a name, and not the platform or nobody."""
    return person.startswith(_PERSON_PREFIX)


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One account that a credential may act for, and where the right comes from.

    Attributes:
        account_id: The account.
        person: Who gave the right, at the root of the chain: `platform`, or `person_of` a user;
            empty when that is not known.
        wallet_id: The registered wallet that the right stands on and ends with; `None` for none.
    """

    account_id: UUID
    person: str
    wallet_id: UUID | None = None


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A verified credential, before the request's tenant is known; the same for all its requests.

    Attributes:
        user: Name for the audit log and `whoami`.
        role: What it may do.
        kind: How it was proved.
        tenant: The only tenant it can act for; `None` when each request names one.
        grants: The only accounts it can act for; `None` for all of the tenant.
        scopes: What an account key is limited to; `None` for everything its kind may do.
        person: Whom an approval counts for, when there are no grants to say so.
        subject: What tells it from all others of its kind in a rate limit; empty when `user` does.
        holder: What stays the same when it is rotated; empty when `user` does.
    """

    user: str
    role: Role
    kind: CredentialKind
    tenant: str | None = None
    grants: tuple[Grant, ...] | None = None
    scopes: frozenset[str] | None = None
    person: str = ""
    subject: str = ""
    holder: str = ""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A credential in one request.

    Attributes:
        credential: What was verified.
        tenant: The tenant the request acts for; `None` when nothing names one.
        named: The tenant that the request itself names; `None` when it names none.
    """

    credential: Credential
    tenant: str | None
    named: str | None = None

    @property
    def user(self) -> str:
        """Name for the audit log and `whoami`."""
        return self.credential.user

    @property
    def role(self) -> Role:
        """What it may do."""
        return self.credential.role

    @property
    def bounds(self) -> list[UUID] | None:
        """The only accounts it can act for; `None` for all of the tenant."""
        grants = self.credential.grants
        return None if grants is None else [grant.account_id for grant in grants]

    def find_grant(self, account_id: UUID) -> Grant | None:
        """Its right to act for an account; `None` when it has none."""
        credential = self.credential
        if credential.grants is None:
            return Grant(account_id=account_id, person=credential.person)
        return next((one for one in credential.grants if one.account_id == account_id), None)

    @property
    def only_tenant(self) -> str | None:
        """The tenant that an admin sees: the credential's own, else the one that is named.

        `None` is all of them; the default tenant narrows nothing.
        """
        return self.credential.tenant or self.named

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
        """Who asks, if they are an admin; what they see is `Principal.only_tenant`.

        Raises:
            Unauthenticated: nobody that is known asks.
            AdminOnly: another role.
        """
        principal = self.require_principal()
        if principal.role is not Role.ADMIN:
            raise AdminOnly("log in as a user with the role admin; platform tokens never have it")
        return principal
