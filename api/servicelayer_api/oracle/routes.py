"""`/accounts/{id}/oracle`: sources, requests, dead letters."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from servicelayer_api.errors import Invalid
from servicelayer_api.oracle.dead_letters import DeadLetters
from servicelayer_api.oracle.models import (
    DeadLetter,
    DeadReason,
    NewRequest,
    NewSource,
    OracleRequest,
    Redrive,
    RedriveRequest,
    RequestChange,
    Source,
    SourceChange,
)
from servicelayer_api.oracle.service import Oracle
from servicelayer_api.web.answers import created
from servicelayer_api.web.gate import caller_of, header
from servicelayer_api.web.pagination import (
    MAX_LIMIT,
    NEXT_CURSOR,
    Cursor,
    Limit,
    Pages,
    parse_limit,
)

_READ: Final = {"scope": "oracle:read"}
_WRITE: Final = {"scope": "oracle:write"}
_DEFAULT_LIMIT: Final = 100
_REASONS: Final[dict[str, DeadReason]] = {"attempts": "attempts", "expired": "expired"}

_Status = Annotated[str | None, QueryParameter(description="Only those of this status")]
_Reason = Annotated[str | None, QueryParameter(description="attempts or expired")]
_HttpRequest = Request[Any, Any, Any]


@get(
    "/accounts/{account_id:str}/oracle/sources",
    operation_id="listOracleSources",
    summary="List the data sources of an account, oldest first; credentials are masked",
    tags=["oracle"],
    opt=_READ,
)
async def list_sources(
    request: _HttpRequest,
    oracle: NamedDependency[Oracle],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    limit: Limit = None,  # noqa: ARG001 - read by `pages`, described here
    cursor: Cursor = None,  # noqa: ARG001 - as above
) -> Response[list[Source]]:
    """List data sources."""
    page = pages.read(request, "oracle-sources", MAX_LIMIT)
    found = await oracle.list_sources(caller_of(request.scope), account_id, page)
    return pages.answer(request, "oracle-sources", found)


@post(
    "/accounts/{account_id:str}/oracle/sources",
    operation_id="createOracleSource",
    summary="Make a data source",
    tags=["oracle"],
    opt=_WRITE,
)
async def create_source(
    request: _HttpRequest,
    oracle: NamedDependency[Oracle],
    account_id: FromPath[str],
    data: JSONBody[NewSource],
) -> Response[Source]:
    """Make a data source."""
    made = await oracle.add_source(caller_of(request.scope), account_id, data)
    return created(request, made, made.id)


@get(
    "/accounts/{account_id:str}/oracle/sources/{source_id:str}",
    operation_id="getOracleSource",
    summary="Show a data source; credentials are masked",
    tags=["oracle"],
    opt=_READ,
)
async def get_source(
    request: _HttpRequest,
    oracle: NamedDependency[Oracle],
    account_id: FromPath[str],
    source_id: FromPath[str],
) -> Source:
    """Show a data source."""
    return await oracle.get_source(caller_of(request.scope), account_id, source_id)


@patch(
    "/accounts/{account_id:str}/oracle/sources/{source_id:str}",
    operation_id="changeOracleSource",
    summary="Change a data source, or switch it off",
    tags=["oracle"],
    opt=_WRITE,
)
async def change_source(
    request: _HttpRequest,
    oracle: NamedDependency[Oracle],
    account_id: FromPath[str],
    source_id: FromPath[str],
    data: JSONBody[SourceChange],
) -> Source:
    """Change a data source."""
    return await oracle.change_source(caller_of(request.scope), account_id, source_id, data)


@delete(
    "/accounts/{account_id:str}/oracle/sources/{source_id:str}",
    operation_id="deleteOracleSource",
    summary="Delete a data source with the requests that were made to it",
    description=(
        "Refused with 409 while it is enabled, or one of its requests is pending or running."
    ),
    tags=["oracle"],
    responses={409: ResponseSpec(None, generate_examples=False, description="In use")},
    opt=_WRITE,
)
async def delete_source(
    request: _HttpRequest,
    oracle: NamedDependency[Oracle],
    account_id: FromPath[str],
    source_id: FromPath[str],
) -> None:
    """Delete a data source."""
    await oracle.remove_source(caller_of(request.scope), account_id, source_id)


@get(
    "/accounts/{account_id:str}/oracle/requests",
    operation_id="listOracleRequests",
    summary="List the oracle requests of an account, newest first",
    tags=["oracle"],
    opt=_READ,
)
async def list_requests(
    request: _HttpRequest,
    oracle: NamedDependency[Oracle],
    account_id: FromPath[str],
    limit: Limit = None,
    cursor: Cursor = None,
    status: _Status = None,
) -> Response[list[OracleRequest]]:
    """List requests. The cursor of this list is the id of the last request, by contract."""
    found, following = await oracle.list_requests(
        caller_of(request.scope),
        account_id,
        limit=parse_limit(limit, _DEFAULT_LIMIT),
        status=status,
        cursor=cursor,
    )
    return Response(found, headers={NEXT_CURSOR: following} if following else None)


@post(
    "/accounts/{account_id:str}/oracle/requests",
    operation_id="createOracleRequest",
    summary="Ask a data source; the answer comes later",
    tags=["oracle"],
    opt=_WRITE,
)
async def create_request(
    request: _HttpRequest,
    oracle: NamedDependency[Oracle],
    account_id: FromPath[str],
    data: JSONBody[NewRequest],
) -> Response[OracleRequest]:
    """Ask a data source."""
    made = await oracle.add_request(caller_of(request.scope), account_id, data)
    return created(request, made, made.id)


@get(
    "/accounts/{account_id:str}/oracle/requests/{request_id:str}",
    operation_id="getOracleRequest",
    summary="Show an oracle request",
    tags=["oracle"],
    opt=_READ,
)
async def get_request(
    request: _HttpRequest,
    oracle: NamedDependency[Oracle],
    account_id: FromPath[str],
    request_id: FromPath[str],
) -> OracleRequest:
    """Show a request."""
    return await oracle.get_request(caller_of(request.scope), account_id, request_id)


@patch(
    "/accounts/{account_id:str}/oracle/requests/{request_id:str}",
    operation_id="changeOracleRequest",
    summary="Take, complete or fail a request as a runner, or retry a failed one",
    description=(
        "All but `retry` needs the token of a runner in `X-Oracle-Runner-Token` when the server "
        "was given some."
    ),
    tags=["oracle"],
    opt=_WRITE,
)
async def change_request(
    request: _HttpRequest,
    oracle: NamedDependency[Oracle],
    account_id: FromPath[str],
    request_id: FromPath[str],
    data: JSONBody[RequestChange],
) -> OracleRequest:
    """Change a request."""
    scope = request.scope
    bearer = header(scope, b"authorization").partition(" ")[2].strip(" ")
    return await oracle.change_request(
        caller_of(scope),
        account_id,
        request_id,
        data,
        shown_tokens=(header(scope, b"x-oracle-runner-token") or bearer,),
    )


@get(
    "/accounts/{account_id:str}/oracle/dead-letters",
    operation_id="listOracleDeadLetters",
    summary="List the requests that were given up, oldest first",
    tags=["oracle"],
    opt=_READ,
)
async def list_dead_letters(
    request: _HttpRequest,
    oracle_dead_letters: NamedDependency[DeadLetters],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    limit: Limit = None,  # noqa: ARG001 - read by `pages`, described here
    cursor: Cursor = None,  # noqa: ARG001 - as above
    reason: _Reason = None,
) -> Response[list[DeadLetter]]:
    """List dead letters."""
    if reason is not None and reason not in _REASONS:
        raise Invalid(fields=[("reason", "must be attempts or expired")])
    page = pages.read(request, "oracle-dead-letters", _DEFAULT_LIMIT, reason=reason)
    found = await oracle_dead_letters.list_dead_letters(
        caller_of(request.scope), account_id, page, _REASONS[reason] if reason else None
    )
    return pages.answer(request, "oracle-dead-letters", found, reason=reason)


@post(
    "/accounts/{account_id:str}/oracle/dead-letters/redrive",
    operation_id="redriveOracleDeadLetters",
    summary="Put the dead letters back that a filter finds; a dry run only shows them",
    tags=["oracle"],
    opt=_WRITE,
    status_code=200,
)
async def redrive_dead_letters(
    request: _HttpRequest,
    oracle_dead_letters: NamedDependency[DeadLetters],
    account_id: FromPath[str],
    data: JSONBody[RedriveRequest],
) -> Redrive:
    """Put several dead letters back."""
    return await oracle_dead_letters.redrive(caller_of(request.scope), account_id, data)


@post(
    "/accounts/{account_id:str}/oracle/dead-letters/{request_id:str}/redrive",
    operation_id="redriveOracleDeadLetter",
    summary="Put a dead letter back; the request keeps its id",
    tags=["oracle"],
    opt=_WRITE,
    status_code=200,
)
async def redrive_dead_letter(
    request: _HttpRequest,
    oracle_dead_letters: NamedDependency[DeadLetters],
    account_id: FromPath[str],
    request_id: FromPath[str],
) -> OracleRequest:
    """Put a dead letter back."""
    return await oracle_dead_letters.redrive_one(caller_of(request.scope), account_id, request_id)


@delete(
    "/accounts/{account_id:str}/oracle/dead-letters/{request_id:str}",
    operation_id="deleteOracleDeadLetter",
    summary="Let a dead letter go; its request stays failed",
    tags=["oracle"],
    opt=_WRITE,
)
async def delete_dead_letter(
    request: _HttpRequest,
    oracle_dead_letters: NamedDependency[DeadLetters],
    account_id: FromPath[str],
    request_id: FromPath[str],
) -> None:
    """Let a dead letter go."""
    await oracle_dead_letters.bury(caller_of(request.scope), account_id, request_id)


ROUTES = [
    list_sources,
    create_source,
    get_source,
    change_source,
    delete_source,
    list_requests,
    create_request,
    get_request,
    change_request,
    list_dead_letters,
    redrive_dead_letters,
    redrive_dead_letter,
    delete_dead_letter,
]
