"""Audit entries: as they are kept and as they are shown.

Invariant: the JSON of an `Entry` is what its leaf in the Merkle tree hashes, so the order, names
and forms of its fields never change; a new one goes to the end and is left out when empty.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from servicelayer_api.web.principal import Caller

REFUSED = "request.refused"
SYSTEM = "system"
LONGEST_PATH = 2048
LONGEST_AGENT = 256


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: who did what to which resource, from where, with which result.

    The wire form is the one of `GET /admin/audit` and of the file at `AUDIT_LOG_PATH`.

    Attributes:
        seq: Place in the log; 0 while that is not known, which is in the file only.
        id: Of this entry.
        time: When it was written.
        user: Name of the principal; empty when nobody known asked.
        role: Role of the principal; empty likewise.
        credential: Kind of the credential shown; empty likewise.
        tenant: Tenant the request acted for; empty when none.
        account_id: Account concerned; empty when none.
        action: Such as `account.create`; `request.refused` when nothing was changed.
        resource_id: What was changed; empty when nothing.
        method: HTTP method.
        path: Path without the query.
        status: HTTP status of the answer.
        request_id: As in the answer and in the logs.
        remote_addr: The client's address.
        user_agent: As the client sent it, cut.
        route: Template of the path, such as `/accounts/{account_id}`; empty when none matched.
        scope: What the route asks of an account API key; empty when nothing.
        idempotency: SHA-256 of the request's `Idempotency-Key`; empty when it had none.
        before: Salted SHA-256 of the state before; empty when there was none or it is not kept.
        after: The same of the state after.
    """

    seq: int = 0
    id: UUID
    time: datetime
    user: str
    role: str
    credential: str
    tenant: str
    account_id: UUID | None
    action: str
    resource_id: str
    method: str
    path: str
    status: int
    request_id: str
    remote_addr: str
    user_agent: str
    route: str = ""
    scope: str = ""
    idempotency: str = ""
    before: str = ""
    after: str = ""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An entry with what is kept beside it and never shown.

    Attributes:
        entry: What is shown.
        salt: What the digests were salted with; empty when there are none.
    """

    entry: Entry
    salt: bytes = b""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of many that are recorded at once.

    Attributes:
        caller: Who asked, and how.
        action: What was done, such as `gasbank.deposit`.
        status: The status the answer will have.
        account_id: Account concerned.
        resource_id: What was changed.
        before: The state before, to be digested; no secret.
        after: The state after, likewise.
    """

    caller: Caller
    action: str
    status: int
    account_id: UUID | None = None
    resource_id: UUID | str = ""
    before: object = None
    after: object = None


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What to show of the log.

    Attributes:
        limit: Entries at most.
        offset: Entries to skip, counted from the end that `newest` names.
        newest: Whether the page is taken from the newest entries or from the oldest; either way it
            is shown oldest first.
        user: Exact name.
        role: Exact role.
        tenant: Exact tenant.
        method: Method, any case.
        contains: Part of the path.
        status: HTTP status.
    """

    limit: int = 200
    offset: int = 0
    newest: bool = True
    user: str | None = None
    role: str | None = None
    tenant: str | None = None
    method: str | None = None
    contains: str | None = None
    status: int | None = None
