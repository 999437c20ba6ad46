"""`GET /admin/audit`."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from servicelayer_api.audit.models import Entry, Query
from servicelayer_api.audit.service import AuditLog
from servicelayer_api.errors import Invalid
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import parse_limit, parse_offset

_DEFAULT_LIMIT = 200


@get(
    "/admin/audit",
    operation_id="listAuditEntries",
    summary="Show the audit log",
    description=(
        "A page of the log, oldest entry first. Pages are counted from the newest entries, so that "
        "the first one shows what just happened; `order=oldest` counts them from the beginning of "
        "the log. Needs the role `admin`; an admin bound to a tenant sees that tenant only."
    ),
    tags=["audit"],
)
async def list_audit_entries(
    request: Request[Any, Any, Any],
    audit: NamedDependency[AuditLog],
    limit: Annotated[str | None, QueryParameter(description="1 to 500, 200 when left out")] = None,
    offset: Annotated[str | None, QueryParameter(description="Entries to skip")] = None,
    order: Annotated[str | None, QueryParameter(description="newest (default) or oldest")] = None,
    user: Annotated[str | None, QueryParameter(description="Exact user name")] = None,
    role: Annotated[str | None, QueryParameter(description="Exact role")] = None,
    tenant: Annotated[str | None, QueryParameter(description="Exact tenant")] = None,
    method: Annotated[str | None, QueryParameter(description="HTTP method")] = None,
    contains: Annotated[str | None, QueryParameter(description="Part of the path")] = None,
    status: Annotated[str | None, QueryParameter(description="HTTP status")] = None,
) -> list[Entry]:
    """Show the audit log."""
    caller = caller_of(request.scope)
    caller.require_admin()
    query = Query(
        limit=parse_limit(limit, _DEFAULT_LIMIT),
        offset=parse_offset(offset),
        newest=_newest(order),
        user=user or None,
        role=role or None,
        tenant=tenant or None,
        method=method or None,
        contains=contains or None,
        status=_status(status),
    )
    return await audit.list_entries(caller, query)


def _newest(order: str | None) -> bool:
    if order not in {None, "", "newest", "oldest"}:
        raise Invalid(fields=[("order", "must be newest or oldest")])
    return order != "oldest"


def _status(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:4]) <= 999:  # noqa: PLR2004 - three digits
        raise Invalid(fields=[("status", "must be a positive integer of three digits")])
    return int(text)


ROUTES = [list_audit_entries]
