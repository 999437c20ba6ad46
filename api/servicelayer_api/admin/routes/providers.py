"""`/admin/config/providers`."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from servicelayer_api.admin.models import Provider, ProviderChange
from servicelayer_api.admin.rules import PROVIDERS
from servicelayer_api.admin.service import Configuration
from servicelayer_api.web.answers import created
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import MAX_LIMIT, Pages

_LIST = "admin-providers"


@get(
    "/admin/config/providers",
    operation_id="listProviders",
    summary="List providers",
    tags=["admin"],
)
async def list_providers(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    pages: NamedDependency[Pages],
    kind: Annotated[str | None, QueryParameter(name="type", description="Type of provider")] = None,
) -> Response[list[Provider]]:
    """List providers."""
    page = pages.read(request, _LIST, MAX_LIMIT, type=kind)
    found = await configuration.list_items(caller_of(request.scope), PROVIDERS, page, kind or None)
    return pages.answer(request, _LIST, found, type=kind)


@post(
    "/admin/config/providers",
    operation_id="createProvider",
    summary="Make a provider",
    tags=["admin"],
    opt={"needs": PROVIDERS.required},
)
async def create_provider(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    data: JSONBody[ProviderChange],
) -> Response[Provider]:
    """Make a provider."""
    made = await configuration.create_item(caller_of(request.scope), PROVIDERS, data)
    return created(request, made, made.id)


@get(
    "/admin/config/providers/{item_id:str}",
    operation_id="getProvider",
    summary="Show a provider",
    tags=["admin"],
)
async def get_provider(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    item_id: FromPath[str],
) -> Provider:
    """Show a provider."""
    return await configuration.get_item(caller_of(request.scope), PROVIDERS, item_id)


@put(
    "/admin/config/providers/{item_id:str}",
    operation_id="replaceProvider",
    summary="Replace a provider: what is not sent becomes empty",
    tags=["admin"],
)
async def replace_provider(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    item_id: FromPath[str],
    data: JSONBody[ProviderChange],
) -> Provider:
    """Replace a provider."""
    return await configuration.replace_item(caller_of(request.scope), PROVIDERS, item_id, data)


@patch(
    "/admin/config/providers/{item_id:str}",
    operation_id="changeProvider",
    summary="Change a provider: what is not sent stays as it is",
    tags=["admin"],
)
async def change_provider(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    item_id: FromPath[str],
    data: JSONBody[ProviderChange],
) -> Provider:
    """Change a provider."""
    return await configuration.change_item(caller_of(request.scope), PROVIDERS, item_id, data)


@delete(
    "/admin/config/providers/{item_id:str}",
    operation_id="deleteProvider",
    summary="Delete a provider",
    tags=["admin"],
)
async def delete_provider(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    item_id: FromPath[str],
) -> None:
    """Delete a provider."""
    await configuration.delete_item(caller_of(request.scope), PROVIDERS, item_id)


ROUTES = [
    list_providers,
    create_provider,
    get_provider,
    replace_provider,
    change_provider,
    delete_provider,
]
