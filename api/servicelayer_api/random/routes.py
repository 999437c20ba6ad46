"""`/accounts/{id}/random` and the public keys at `/random/keys`."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from servicelayer_api.random.models import NewDraw, ProofDocument, PublishedKey, RandomResult
from servicelayer_api.random.service import Randomness
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import Pages

_LIST = "random-requests"


@post(
    "/accounts/{account_id:str}/random",
    operation_id="drawRandom",
    summary="Draw random bytes; the same request_id gives the same answer",
    tags=["random"],
    status_code=200,
    opt={"scope": "random:write"},
)
async def draw(
    request: Request[Any, Any, Any],
    randomness: NamedDependency[Randomness],
    account_id: FromPath[str],
    data: JSONBody[NewDraw],
) -> RandomResult:
    """Draw."""
    return await randomness.draw(caller_of(request.scope), account_id, data)


@get(
    "/accounts/{account_id:str}/random/requests",
    operation_id="listRandomRequests",
    summary="List the draws of an account, newest first",
    tags=["random"],
    opt={"scope": "random:read"},
)
async def list_draws(
    request: Request[Any, Any, Any],
    randomness: NamedDependency[Randomness],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
) -> Response[list[RandomResult]]:
    """List draws."""
    page = pages.read(request, _LIST)
    found = await randomness.list_draws(caller_of(request.scope), account_id, page)
    return pages.answer(request, _LIST, found)


@get(
    "/accounts/{account_id:str}/random/requests/{request_id:str}/proof",
    operation_id="proveRandomRequest",
    summary="Everything that is needed to check a draw, by its request_id or its ID",
    tags=["random"],
    opt={"scope": "random:read"},
    responses={409: ResponseSpec(None, description="The key is retired")},
)
async def prove(
    request: Request[Any, Any, Any],
    randomness: NamedDependency[Randomness],
    account_id: FromPath[str],
    request_id: FromPath[str],
) -> ProofDocument:
    """Prove a draw."""
    return await randomness.get_proof(caller_of(request.scope), account_id, request_id)


@get(
    "/random/keys",
    operation_id="listRandomKeys",
    summary="The public keys that draws are or were answered with",
    tags=["random"],
    opt={"public": True},
)
async def list_keys(randomness: NamedDependency[Randomness]) -> list[PublishedKey]:
    """List public keys."""
    return await randomness.list_keys()


ROUTES = [draw, list_draws, prove, list_keys]
