"""Audit entries: as they are kept and as they are shown."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

REFUSED = "request.refused"
LONGEST_PATH = 2048
LONGEST_AGENT = 256


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: who did what to which resource, from where, with which result.

    The wire form is the one of `GET /admin/audit` and of the file at `AUDIT_LOG_PATH`.

    Attributes:
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
    """

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
