"""PURE: what an error answer of the API server means, and how long to wait before the next try."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from servicelayer_operator import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_WAIT = 30.0
_FIRST_WAIT = 0.2

_BY_STATUS: dict[int, type[errors.ClusterError]] = {
    HTTPStatus.BAD_REQUEST: errors.InvalidError,
    HTTPStatus.UNAUTHORIZED: errors.UnauthorizedError,
    HTTPStatus.FORBIDDEN: errors.ForbiddenError,
    HTTPStatus.NOT_FOUND: errors.NotFoundError,
    HTTPStatus.METHOD_NOT_ALLOWED: errors.InvalidError,
    HTTPStatus.REQUEST_TIMEOUT: errors.UnavailableError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: errors.InvalidError,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: errors.InvalidError,
    HTTPStatus.UNPROCESSABLE_ENTITY: errors.InvalidError,
    HTTPStatus.TOO_MANY_REQUESTS: errors.ThrottledError,
}


def error_of(
    method: str, path: str, status: int, data: bytes, headers: Mapping[str, str]
) -> errors.ClusterError:
    """The error that an answer stands for.

    The message carries the server's own words only where they speak of the object's shape
    (field conflicts, validation), and never the request's body.
    """
    answer = _decode(data)
    reason = str(answer.get("reason") or "")
    details = cast("dict[str, Any]", answer.get("details") or {})
    causes = tuple(
        (str(cause.get("field", "")), str(cause.get("message", "")))
        for cause in details.get("causes") or ()
    )
    kind = _kind_of(status, reason, details, str(answer.get("message") or ""))
    said = str(answer.get("message") or HTTPStatus(status).phrase if _known(status) else status)
    return kind(
        f"{method} {path}: {status} {said}",
        status=status,
        reason=reason,
        causes=causes,
        retry_after=_retry_after(headers, details),
    )


def retry_delay(error: errors.ClusterError, attempt: int, jitter: float) -> float:
    """Seconds to wait before the next attempt in place.

    Args:
        error: What the last attempt met.
        attempt: How many attempts were made, from 1.
        jitter: A random number in [0, 1).
    """
    backoff = _FIRST_WAIT * 2 ** (attempt - 1) * (0.5 + jitter)
    asked = error.retry_after or 0.0
    # The server's word is the least; the jitter on top keeps many callers from coming back at once.
    return min(max(backoff, asked + 0.1 * jitter * asked), _LONGEST_WAIT)


def _kind_of(
    status: int, reason: str, details: Mapping[str, Any], message: str
) -> type[errors.ClusterError]:
    if status == HTTPStatus.CONFLICT:
        reasons = {cause.get("reason") for cause in details.get("causes") or ()}
        if reason == "AlreadyExists":
            return errors.AlreadyExistsError
        if "FieldManagerConflict" in reasons:
            return errors.FieldConflictError
        # The second is the answer to an apply that names the uid of an object that is gone.
        if "Precondition failed: UID" in message or message.startswith("uid mismatch"):
            return errors.PreconditionError
        return errors.ConflictError
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.UnavailableError
    return _BY_STATUS.get(status, errors.ClusterError)


def _decode(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        return {}
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}


def _retry_after(headers: Mapping[str, str], details: Mapping[str, Any]) -> float | None:
    raw = headers.get("Retry-After") or details.get("retryAfterSeconds")
    try:
        return max(0.0, float(raw)) if raw else None
    except ValueError:
        return None


def _known(status: int) -> bool:
    return status in HTTPStatus.__members__.values()
