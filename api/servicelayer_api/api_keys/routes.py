"""`/accounts/{id}/api-keys`."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from servicelayer_api.api_keys.models import ApiKey, KeyReplacement, NewApiKey
from servicelayer_api.api_keys.service import ApiKeys
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import MAX_LIMIT, Pages

_KEYS: Final = "api-keys"


@post(
    "/accounts/{account_id:str}/api-keys",
    operation_id="createApiKey",
    summary="Make an API key for an account; its text is shown once",
    tags=["api-keys"],
    opt={"scope": "api-keys:write"},
)
async def create_key(
    request: Request[Any, Any, Any],
    api_keys: NamedDependency[ApiKeys],
    account_id: FromPath[str],
    data: JSONBody[NewApiKey],
) -> ApiKey:
    """Make a key."""
    return await api_keys.make_key(caller_of(request.scope), account_id, data)


@get(
    "/accounts/{account_id:str}/api-keys",
    operation_id="listApiKeys",
    summary="List the API keys of an account",
    tags=["api-keys"],
    opt={"scope": "api-keys:read"},
)
async def list_keys(
    request: Request[Any, Any, Any],
    api_keys: NamedDependency[ApiKeys],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
) -> Response[list[ApiKey]]:
    """List keys."""
    page = pages.read(request, _KEYS, MAX_LIMIT)
    found = await api_keys.list_keys(caller_of(request.scope), account_id, page)
    return pages.answer(request, _KEYS, found)


@post(
    "/accounts/{account_id:str}/api-keys/{key_id:str}/rotate",
    operation_id="rotateApiKey",
    summary="Replace an API key; the old one stays valid for a while",
    tags=["api-keys"],
    opt={"scope": "api-keys:write"},
)
async def rotate_key(
    request: Request[Any, Any, Any],
    api_keys: NamedDependency[ApiKeys],
    account_id: FromPath[str],
    key_id: FromPath[str],
    data: JSONBody[KeyReplacement],
) -> ApiKey:
    """Rotate a key."""
    return await api_keys.rotate_key(caller_of(request.scope), account_id, key_id, data)


@delete(
    "/accounts/{account_id:str}/api-keys/{key_id:str}",
    operation_id="revokeApiKey",
    summary="Revoke an API key",
    tags=["api-keys"],
    opt={"scope": "api-keys:write"},
)
async def revoke_key(
    request: Request[Any, Any, Any],
    api_keys: NamedDependency[ApiKeys],
    account_id: FromPath[str],
    key_id: FromPath[str],
) -> None:
    """Revoke a key."""
    await api_keys.revoke_key(caller_of(request.scope), account_id, key_id)


ROUTES = [create_key, list_keys, rotate_key, revoke_key]
