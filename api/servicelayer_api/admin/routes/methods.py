"""`/admin/config/methods`."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from servicelayer_api.admin.models import MethodList, MethodListChange
from servicelayer_api.admin.rules import METHODS
from servicelayer_api.admin.service import Configuration
from servicelayer_api.web.answers import created
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import MAX_LIMIT, Pages

_LIST = "admin-methods"


@get(
    "/admin/config/methods",
    operation_id="listAllMethods",
    summary="List the methods of chains",
    tags=["admin"],
)
async def list_all_methods(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    pages: NamedDependency[Pages],
) -> Response[list[MethodList]]:
    """List the methods of chains."""
    page = pages.read(request, _LIST, MAX_LIMIT)
    found = await configuration.list_items(caller_of(request.scope), METHODS, page)
    return pages.answer(request, _LIST, found)


@post(
    "/admin/config/methods",
    operation_id="createMethods",
    summary="Make the methods of a chain",
    tags=["admin"],
    opt={"needs": METHODS.required},
)
async def create_methods(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    data: JSONBody[MethodListChange],
) -> Response[MethodList]:
    """Make the methods of a chain."""
    made = await configuration.create_item(caller_of(request.scope), METHODS, data)
    return created(request, made, made.chain_id)


@get(
    "/admin/config/methods/{chain:str}",
    operation_id="getMethods",
    summary="Show the methods of a chain",
    tags=["admin"],
)
async def get_methods(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    chain: FromPath[str],
) -> MethodList:
    """Show the methods of a chain."""
    return await configuration.get_item(caller_of(request.scope), METHODS, chain)


@put(
    "/admin/config/methods/{chain:str}",
    operation_id="replaceMethods",
    summary="Replace the methods of a chain: what is not sent becomes empty",
    tags=["admin"],
)
async def replace_methods(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    chain: FromPath[str],
    data: JSONBody[MethodListChange],
) -> MethodList:
    """Replace the methods of a chain."""
    return await configuration.replace_item(caller_of(request.scope), METHODS, chain, data)


@patch(
    "/admin/config/methods/{chain:str}",
    operation_id="changeMethods",
    summary="Change the methods of a chain: what is not sent stays as it is",
    tags=["admin"],
)
async def change_methods(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    chain: FromPath[str],
    data: JSONBody[MethodListChange],
) -> MethodList:
    """Change the methods of a chain."""
    return await configuration.change_item(caller_of(request.scope), METHODS, chain, data)


ROUTES = [
    list_all_methods,
    create_methods,
    get_methods,
    replace_methods,
    change_methods,
]
