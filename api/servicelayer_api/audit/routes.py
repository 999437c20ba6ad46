"""`GET /admin/audit`, and what proves that the log was not touched. All need the role `admin`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter

from servicelayer_api.audit.models import (
    ConsistencyProof,
    Entry,
    InclusionProof,
    PublicKey,
    Query,
    SignedCheckpoint,
)
from servicelayer_api.audit.proofs import Proofs
from servicelayer_api.audit.service import AuditLog
from servicelayer_api.errors import Invalid
from servicelayer_api.ids import parse_id
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import Pages, parse_offset

if TYPE_CHECKING:
    from uuid import UUID

_DEFAULT_LIMIT = 200
_LIST = "audit"
_MAX_DIGITS = 18
_NOT_SEALED = {409: ResponseSpec(None, generate_examples=False, description="Not sealed yet")}


@get(
    "/admin/audit",
    operation_id="listAuditEntries",
    summary="Show the audit log",
    description=(
        "A page of the log, oldest entry first, 200 by default. Pages are counted from the newest "
        "entries, so that the first one shows what just happened; `order=oldest` counts them from "
        "the beginning of the log. The header `X-Next-Cursor` leads to the next page away from "
        "that end, and stays right while entries come in, which `offset` does not. Needs the role "
        "`admin`; an admin bound to a tenant sees that one only, as does one who names it in "
        "`X-Tenant-ID`. Without one, an admin of the platform sees all."
    ),
    tags=["audit"],
)
async def list_audit_entries(
    request: Request[Any, Any, Any],
    audit: NamedDependency[AuditLog],
    pages: NamedDependency[Pages],
    offset: Annotated[str | None, QueryParameter(description="Entries to skip")] = None,
    order: Annotated[str | None, QueryParameter(description="newest (default) or oldest")] = None,
    user: Annotated[str | None, QueryParameter(description="Exact user name")] = None,
    role: Annotated[str | None, QueryParameter(description="Exact role")] = None,
    tenant: Annotated[str | None, QueryParameter(description="Exact tenant")] = None,
    method: Annotated[str | None, QueryParameter(description="HTTP method")] = None,
    contains: Annotated[str | None, QueryParameter(description="Part of the path")] = None,
    status: Annotated[str | None, QueryParameter(description="HTTP status")] = None,
    account: Annotated[str | None, QueryParameter(description="Account that it is about")] = None,
    action: Annotated[str | None, QueryParameter(description="Exact action")] = None,
) -> Response[list[Entry]]:
    """Show the audit log."""
    caller = caller_of(request.scope)
    caller.require_admin()
    filters = {
        "order": order,
        "user": user,
        "role": role,
        "of": tenant,
        "method": method,
        "contains": contains,
        "status": status,
        "about": account,
        "action": action,
    }
    page = pages.read(request, _LIST, _DEFAULT_LIMIT, **filters)
    query = Query(
        limit=page.limit,
        # The link to the next page still carries the offset of the first one.
        offset=parse_offset(None if page.after else offset),
        after=int(page.after[0]) if page.after else None,
        newest=_newest(order),
        user=user or None,
        role=role or None,
        tenant=tenant or None,
        method=method or None,
        contains=contains or None,
        status=_status(status),
        account_id=_account(account),
        action=action or None,
    )
    found = await audit.list_entries(caller, query)
    return pages.answer(request, _LIST, found, **filters)


@get(
    "/admin/audit/key",
    operation_id="getAuditKey",
    summary="Show the key that signs the audit log's checkpoints",
    tags=["audit"],
)
async def get_audit_key(
    request: Request[Any, Any, Any], proofs: NamedDependency[Proofs]
) -> PublicKey:
    """Show the key that signs the audit log's checkpoints."""
    return await proofs.show_key(caller_of(request.scope))


@get(
    "/admin/audit/checkpoint",
    operation_id="getAuditCheckpoint",
    summary="Show the latest signed checkpoint of the audit log",
    description=(
        "Keep the note somewhere else: whoever has it can tell for ever after whether anything "
        "before it was changed. `size` asks for an earlier one."
    ),
    tags=["audit"],
    responses=_NOT_SEALED,
)
async def get_audit_checkpoint(
    request: Request[Any, Any, Any],
    proofs: NamedDependency[Proofs],
    size: Annotated[str | None, QueryParameter(description="Leaves of the tree")] = None,
) -> SignedCheckpoint:
    """Show a signed checkpoint of the audit log."""
    return await proofs.show_checkpoint(
        caller_of(request.scope), None if size is None else _size("size", size)
    )


@get(
    "/admin/audit/consistency",
    operation_id="proveAuditGrowth",
    summary="Prove that the audit log only grew",
    description=(
        "The hashes that show, by RFC 6962, that the tree of `new` leaves (the whole log when left "
        "out) begins with the tree of `old` leaves."
    ),
    tags=["audit"],
)
async def prove_audit_growth(
    request: Request[Any, Any, Any],
    proofs: NamedDependency[Proofs],
    old: Annotated[str, QueryParameter(description="Leaves of the smaller tree")],
    new: Annotated[str | None, QueryParameter(description="Leaves of the larger tree")] = None,
) -> ConsistencyProof:
    """Prove that the audit log only grew."""
    return await proofs.prove_growth(
        caller_of(request.scope), _size("old", old), None if new is None else _size("new", new)
    )


@get(
    "/admin/audit/entries/{entry_id:str}/proof",
    operation_id="proveAuditEntry",
    summary="Prove that an entry is in the audit log",
    description=(
        "The entry, the hashes that lead from it to the root, and the signed checkpoint of that "
        "root: `servicelayer-api audit verify --proof` checks the answer from a file alone."
    ),
    tags=["audit"],
    responses=_NOT_SEALED,
)
async def prove_audit_entry(
    request: Request[Any, Any, Any],
    proofs: NamedDependency[Proofs],
    entry_id: Annotated[str, PathParameter(description="The entry's id")],
) -> InclusionProof:
    """Prove that an entry is in the audit log."""
    return await proofs.prove_entry(caller_of(request.scope), entry_id)


def _size(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS or int(text) == 0:
        raise Invalid(fields=[(name, "must be a positive integer")])
    return int(text)


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


def _account(text: str | None) -> UUID | None:
    if not text:
        return None
    found = parse_id(text)
    if found is None:
        raise Invalid(fields=[("account", "must be the id of an account")])
    return found


ROUTES = [
    list_audit_entries,
    get_audit_key,
    get_audit_checkpoint,
    prove_audit_growth,
    prove_audit_entry,
]
