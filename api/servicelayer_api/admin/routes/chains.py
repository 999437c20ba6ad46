"""`/admin/config/chains`."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from servicelayer_api.admin.models import Chain, ChainChange
from servicelayer_api.admin.rules import CHAINS
from servicelayer_api.admin.service import Configuration
from servicelayer_api.web.answers import created
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import MAX_LIMIT, Pages

_LIST = "admin-chains"


@get(
    "/admin/config/chains",
    operation_id="listChains",
    summary="List chains' nodes",
    tags=["admin"],
)
async def list_chains(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    pages: NamedDependency[Pages],
) -> Response[list[Chain]]:
    """List chains' nodes."""
    page = pages.read(request, _LIST, MAX_LIMIT)
    found = await configuration.list_items(caller_of(request.scope), CHAINS, page)
    return pages.answer(request, _LIST, found)


@post(
    "/admin/config/chains",
    operation_id="createChain",
    summary="Make a chain's node",
    tags=["admin"],
    opt={"needs": CHAINS.required},
)
async def create_chain(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    data: JSONBody[ChainChange],
) -> Response[Chain]:
    """Make a chain's node."""
    made = await configuration.create_item(caller_of(request.scope), CHAINS, data)
    return created(request, made, made.id)


@get(
    "/admin/config/chains/{item_id:str}",
    operation_id="getChain",
    summary="Show a chain's node",
    tags=["admin"],
)
async def get_chain(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    item_id: FromPath[str],
) -> Chain:
    """Show a chain's node."""
    return await configuration.get_item(caller_of(request.scope), CHAINS, item_id)


@put(
    "/admin/config/chains/{item_id:str}",
    operation_id="replaceChain",
    summary="Replace a chain's node: what is not sent becomes empty",
    tags=["admin"],
)
async def replace_chain(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    item_id: FromPath[str],
    data: JSONBody[ChainChange],
) -> Chain:
    """Replace a chain's node."""
    return await configuration.replace_item(caller_of(request.scope), CHAINS, item_id, data)


@patch(
    "/admin/config/chains/{item_id:str}",
    operation_id="changeChain",
    summary="Change a chain's node: what is not sent stays as it is",
    tags=["admin"],
)
async def change_chain(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    item_id: FromPath[str],
    data: JSONBody[ChainChange],
) -> Chain:
    """Change a chain's node."""
    return await configuration.change_item(caller_of(request.scope), CHAINS, item_id, data)


@delete(
    "/admin/config/chains/{item_id:str}",
    operation_id="deleteChain",
    summary="Delete a chain's node",
    tags=["admin"],
)
async def delete_chain(
    request: Request[Any, Any, Any],
    configuration: NamedDependency[Configuration],
    item_id: FromPath[str],
) -> None:
    """Delete a chain's node."""
    await configuration.delete_item(caller_of(request.scope), CHAINS, item_id)


ROUTES = [
    list_chains,
    create_chain,
    get_chain,
    replace_chain,
    change_chain,
    delete_chain,
]
