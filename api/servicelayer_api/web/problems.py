"""Refusals on the wire: RFC 9457 problem details that also carry the member `error`.

Invariant: a problem holds what the error class and its author said to the caller, nothing of the
inside; whatever is not a `ServiceError` becomes a bare 500 and is logged with the same request id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from servicelayer_api.errors import (
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.types import Scope, Send

MEDIA_TYPE = "application/problem+json"
# Where the code of a refusal stands in the scope of its request.
PROBLEM_CODE = "servicelayer.problem"
_BY_STATUS: dict[int, type[ServiceError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    413: TooLarge,
    415: UnsupportedMedia,
    503: Unavailable,
}

_log = structlog.get_logger(__name__)


def problem(error: ServiceError, *, instance: str, request_id: str) -> dict[str, object]:
    """Give the members of a problem.

    Args:
        error: The refusal.
        instance: Path of the request it is about.
        request_id: What ties it to the logs.
    """
    return {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "request_id": request_id,
        "error": error.detail,
        **error.members(),
    }


def service_error(exc: Exception) -> ServiceError:
    """Say any exception in the program's own terms; what is unknown is a bare 500."""
    if isinstance(exc, ServiceError):
        return exc
    if isinstance(exc, ValidationException):
        return Invalid(fields=_fields(exc.extra))
    if isinstance(exc, MethodNotAllowedException):
        allow = (exc.headers or {}).get("allow", "")
        listed = ", ".join(m.strip() for m in allow.split(",") if m.strip() not in {"", "OPTIONS"})
        if "GET" in listed.split(", "):
            listed = f"{listed}, HEAD"
        return MethodNotAllowed(f"use {listed}" if listed else "", headers={"Allow": listed})
    if isinstance(exc, NotFoundException):
        return NotFound("there is nothing at this path")
    if isinstance(exc, HTTPException):
        return _from_http(exc)
    return ServiceError()


def _from_http(exc: HTTPException) -> ServiceError:
    kind = _BY_STATUS.get(exc.status_code)
    if kind is not None:
        return kind()
    if 400 <= exc.status_code < 500:  # noqa: PLR2004 - the class of client errors
        return Invalid("the request cannot be read")
    return ServiceError()


def _fields(extra: object) -> list[tuple[str, str]]:
    """Read the list of faults that litestar gives for path, query and header parameters."""
    found: list[tuple[str, str]] = []
    if isinstance(extra, list):
        for item in cast("list[object]", extra):
            if isinstance(item, dict):
                fault = cast("dict[str, object]", item)
                key, message = str(fault.get("key", "")), str(fault.get("message", ""))
                # An absent body shows up as an absent parameter of the route.
                found.append(("body", "is required") if key == "data" else (key, message))
    return found


def handle(request: Request[Any, Any, Any], exc: Exception) -> Response[bytes]:
    """Answer an exception that a route or litestar itself raised."""
    error = service_error(exc)
    request_id = str(cast("Mapping[str, object]", request.scope).get("request_id", ""))
    cast("dict[str, Any]", request.scope)[PROBLEM_CODE] = error.code
    _record(error, exc)
    return Response(
        content=msgspec.json.encode(
            problem(error, instance=request.scope["path"], request_id=request_id)
        ),
        status_code=error.status,
        media_type=MEDIA_TYPE,
        headers=error.headers,
    )


async def send_problem(scope: Scope, send: Send, exc: Exception) -> None:
    """Answer an exception that was raised outside of litestar."""
    error = service_error(exc)
    request_id = str(cast("Mapping[str, object]", scope).get("request_id", ""))
    cast("dict[str, Any]", scope)[PROBLEM_CODE] = error.code
    _record(error, exc)
    body = msgspec.json.encode(problem(error, instance=scope["path"], request_id=request_id))
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in error.headers.items()),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    if scope["type"] == "http" and scope["method"] == "HEAD":
        body = b""
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _record(error: ServiceError, exc: Exception) -> None:
    if type(error) is ServiceError:
        _log.error("request failed", code=error.code, exc_info=exc)
    elif error.status >= 500:  # noqa: PLR2004 - the class of server errors
        _log.warning("request refused", code=error.code, detail=error.detail)
