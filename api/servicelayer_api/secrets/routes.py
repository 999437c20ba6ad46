"""`/accounts/{id}/secrets`."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from servicelayer_api.secrets import rules
from servicelayer_api.secrets.models import (
    NewSecret,
    RollbackRequest,
    Secret,
    SecretChange,
    SecretMetadata,
    SecretVersion,
)
from servicelayer_api.secrets.service import Secrets
from servicelayer_api.web.answers import Answer, created
from servicelayer_api.web.gate import caller_of
from servicelayer_api.web.pagination import MAX_LIMIT, Pages

_READ: Final = {"scope": "secrets:read"}
_WRITE: Final = {"scope": "secrets:write"}

_IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="Only if the secret is still at the version of this ETag",
        max_length=1024,
    ),
]
# The refusals that no other operation has; the rest follows from the routes themselves.
_EXPIRES: Final = {410: ResponseSpec(None, generate_examples=False, description="Expired")}
_MATCHES: Final = {412: ResponseSpec(None, generate_examples=False, description="Changed")}


@get(
    "/accounts/{account_id:str}/secrets",
    operation_id="listSecrets",
    summary="List the secrets of an account, oldest first, without their values",
    tags=["secrets"],
    opt=_READ,
)
async def list_secrets(
    request: Request[Any, Any, Any],
    secrets: NamedDependency[Secrets],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
) -> Response[list[SecretMetadata]]:
    """List secrets."""
    # The contract's list is whole: by default a page holds as many as an account may have.
    page = pages.read(request, "secrets", MAX_LIMIT)
    found = await secrets.list_secrets(caller_of(request.scope), account_id, page)
    return pages.answer(request, "secrets", found)


@post(
    "/accounts/{account_id:str}/secrets",
    operation_id="createSecret",
    summary="Make a secret",
    tags=["secrets"],
    opt=_WRITE,
)
async def create_secret(
    request: Request[Any, Any, Any],
    secrets: NamedDependency[Secrets],
    account_id: FromPath[str],
    data: JSONBody[NewSecret],
) -> Response[SecretMetadata]:
    """Make a secret."""
    shown, etag = await secrets.add(caller_of(request.scope), account_id, data)
    answer = created(request, shown, shown.name)
    answer.headers["ETag"] = etag
    return answer


@get(
    "/accounts/{account_id:str}/secrets/{name:str}",
    operation_id="getSecret",
    summary="Give a secret out with its value",
    description=(
        "People of the tenant and platform tokens may read every secret of the account; an account "
        "key those whose `acl` has bit 16."
    ),
    tags=["secrets"],
    responses=_EXPIRES,
    opt=_READ,
)
async def get_secret(
    request: Request[Any, Any, Any],
    secrets: NamedDependency[Secrets],
    account_id: FromPath[str],
    name: FromPath[str],
    version: Annotated[
        str | None, QueryParameter(description="An older version; the present one when left out")
    ] = None,
) -> Response[Secret]:
    """Give a secret out."""
    number = rules.parse_version(version)
    shown, etag = await secrets.read(caller_of(request.scope), account_id, name, number)
    return Answer(shown, headers={"ETag": etag})


@put(
    "/accounts/{account_id:str}/secrets/{name:str}",
    operation_id="changeSecret",
    summary="Change a secret: a new version",
    tags=["secrets"],
    responses=_MATCHES,
    opt=_WRITE,
)
async def change_secret(
    request: Request[Any, Any, Any],
    secrets: NamedDependency[Secrets],
    account_id: FromPath[str],
    name: FromPath[str],
    data: JSONBody[SecretChange],
    if_match: _IfMatch = None,
) -> Response[SecretMetadata]:
    """Change a secret."""
    shown, etag = await secrets.change(
        caller_of(request.scope), account_id, name, data, if_match or ""
    )
    return Answer(shown, headers={"ETag": etag})


@delete(
    "/accounts/{account_id:str}/secrets/{name:str}",
    operation_id="deleteSecret",
    summary="Delete a secret and all its versions",
    tags=["secrets"],
    responses=_MATCHES,
    opt=_WRITE,
)
async def delete_secret(
    request: Request[Any, Any, Any],
    secrets: NamedDependency[Secrets],
    account_id: FromPath[str],
    name: FromPath[str],
    if_match: _IfMatch = None,
) -> None:
    """Delete a secret."""
    await secrets.remove(caller_of(request.scope), account_id, name, if_match or "")


@delete(
    "/accounts/{account_id:str}/secrets",
    operation_id="deleteSecretByName",
    summary="Delete a secret whose name cannot stand in a path",
    description=(
        "Names that hold `/`, and `.` and `..`, are refused today. Secrets that were made with one "
        "before can be deleted here."
    ),
    tags=["secrets"],
    responses=_MATCHES,
    opt=_WRITE,
)
async def delete_secret_by_name(
    request: Request[Any, Any, Any],
    secrets: NamedDependency[Secrets],
    account_id: FromPath[str],
    name: Annotated[str, QueryParameter(description="The whole name", min_length=1)],
    if_match: _IfMatch = None,
) -> None:
    """Delete a secret."""
    await secrets.remove(caller_of(request.scope), account_id, name, if_match or "")


@get(
    "/accounts/{account_id:str}/secrets/{name:str}/versions",
    operation_id="listSecretVersions",
    summary="List the versions of a secret, newest first, without their values",
    tags=["secrets"],
    opt=_READ,
)
async def list_versions(
    request: Request[Any, Any, Any],
    secrets: NamedDependency[Secrets],
    pages: NamedDependency[Pages],
    account_id: FromPath[str],
    name: FromPath[str],
) -> Response[list[SecretVersion]]:
    """List versions."""
    key = rules.name_key(name)
    page = pages.read(request, "secret-versions", secret=key)
    found = await secrets.list_versions(caller_of(request.scope), account_id, name, page)
    return pages.answer(request, "secret-versions", found, secret=key)


@post(
    "/accounts/{account_id:str}/secrets/{name:str}/rollback",
    operation_id="rollBackSecret",
    summary="Bring the value of an older version back, as a new version",
    tags=["secrets"],
    status_code=200,
    responses=_MATCHES,
    opt=_WRITE,
)
async def roll_back_secret(
    request: Request[Any, Any, Any],
    secrets: NamedDependency[Secrets],
    account_id: FromPath[str],
    name: FromPath[str],
    data: JSONBody[RollbackRequest],
    if_match: _IfMatch = None,
) -> Response[SecretMetadata]:
    """Bring a value back."""
    shown, etag = await secrets.roll_back(
        caller_of(request.scope), account_id, name, data, if_match or ""
    )
    return Answer(shown, headers={"ETag": etag})


ROUTES = [
    list_secrets,
    create_secret,
    get_secret,
    change_secret,
    delete_secret,
    delete_secret_by_name,
    list_versions,
    roll_back_secret,
]
