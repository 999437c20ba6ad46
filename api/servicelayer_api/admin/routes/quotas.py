"""`/admin/config/quotas`."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from servicelayer_api.admin.models import Quota, QuotaChange
from servicelayer_api.admin.rules import QUOTAS
from servicelayer_api.admin.service import Configuration
from servicelayer_api.web.answers import created
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import MAX_LIMIT, Pages

_LIST = "admin-quotas"
_IN_FORCE = (
    "`max_functions`, `max_rpc_per_min` and `max_storage_bytes` are kept and limit nothing in this "
    "version, which lacks the modules they are for. `max_gas_per_day` is in fractions of GAS."
)


@get(
    "/admin/config/quotas",
    operation_id="listQuotas",
    summary="List tenants' quotas",
    tags=["admin"],
)
async def list_quotas(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    pages: NamedDependency[Pages],
) -> Response[list[Quota]]:
    """List tenants' quotas."""
    page = pages.read(request, _LIST, MAX_LIMIT)
    found = await configuration.list_items(caller_of(request.scope), QUOTAS, page)
    return pages.answer(request, _LIST, found)


@post(
    "/admin/config/quotas",
    operation_id="createQuota",
    summary="Make a tenant's quota",
    description=_IN_FORCE,
    tags=["admin"],
    opt={"needs": QUOTAS.required},
)
async def create_quota(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    data: JSONBody[QuotaChange],
) -> Response[Quota]:
    """Make a tenant's quota."""
    made = await configuration.create_item(caller_of(request.scope), QUOTAS, data)
    return created(request, made, made.tenant_id)


@get(
    "/admin/config/quotas/{tenant:str}",
    operation_id="getQuota",
    summary="Show a tenant's quota",
    tags=["admin"],
)
async def get_quota(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    tenant: FromPath[str],
) -> Quota:
    """Show a tenant's quota."""
    return await configuration.get_item(caller_of(request.scope), QUOTAS, tenant)


@put(
    "/admin/config/quotas/{tenant:str}",
    operation_id="replaceQuota",
    summary="Replace a tenant's quota: what is not sent becomes empty",
    description=_IN_FORCE,
    tags=["admin"],
)
async def replace_quota(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    tenant: FromPath[str],
    data: JSONBody[QuotaChange],
) -> Quota:
    """Replace a tenant's quota."""
    return await configuration.replace_item(caller_of(request.scope), QUOTAS, tenant, data)


@patch(
    "/admin/config/quotas/{tenant:str}",
    operation_id="changeQuota",
    summary="Change a tenant's quota: what is not sent stays as it is",
    description=_IN_FORCE,
    tags=["admin"],
)
async def change_quota(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    tenant: FromPath[str],
    data: JSONBody[QuotaChange],
) -> Quota:
    """Change a tenant's quota."""
    return await configuration.change_item(caller_of(request.scope), QUOTAS, tenant, data)


@delete(
    "/admin/config/quotas/{tenant:str}",
    operation_id="deleteQuota",
    summary="Delete a tenant's quota",
    tags=["admin"],
)
async def delete_quota(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    tenant: FromPath[str],
) -> None:
    """Delete a tenant's quota."""
    await configuration.delete_item(caller_of(request.scope), QUOTAS, tenant)


@delete(
    "/admin/config/quotas",
    operation_id="deleteQuotaByName",
    summary="Delete a quota whose name cannot stand in a path",
    tags=["admin"],
)
async def delete_quota_by_name(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    tenant_id: Annotated[str, QueryParameter(description="The whole name", min_length=1)],
) -> None:
    """Delete a quota."""
    await configuration.delete_item(caller_of(request.scope), QUOTAS, tenant_id)


ROUTES = [
    list_quotas,
    create_quota,
    get_quota,
    replace_quota,
    change_quota,
    delete_quota,
    delete_quota_by_name,
]
