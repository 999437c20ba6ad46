"""The one tree of refusals that a caller may see.

Invariant: every refusal of the API is a `ServiceError`; `web/problems.py` maps it once to an RFC
9457 problem. The class says what kind of refusal it is (`code`, `status`, `title`), the instance
says what happened this time (`detail`). A subclass in a feature's `errors.py` keeps the status of
its parent and gives its own `code`; its docstring is what the page of the problem type tells a
reader.

Refused here: any knowledge of HTTP libraries, and any text that comes from a driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class ServiceError(Exception):
    """The server could not do what was asked, for a reason of its own."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str = "", *, headers: dict[str, str] | None = None) -> None:
        """Make a refusal.

        Args:
            detail: One sentence for the caller about this occurrence; never a secret, never the
                text of a driver. The title stands in when it is empty.
            headers: HTTP headers that belong to the refusal, such as `Retry-After`.
        """
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.headers = headers or {}

    def members(self) -> dict[str, object]:
        """Give the extra members of the problem, beside the standard ones."""
        return {}


class FieldError(NamedTuple):
    """A field's path in the request ("metadata.tenant") and what is wrong with it."""

    field: str
    message: str


class Invalid(ServiceError):
    """The request cannot be used as it is: a field is missing, malformed or not allowed."""

    code = "invalid-request"
    status = 400
    title = "Invalid request"

    def __init__(
        self, detail: str = "", fields: Iterable[FieldError | tuple[str, str]] = ()
    ) -> None:
        """Refuse a request, naming each field at fault.

        Args:
            detail: One sentence for the whole; made from the fields when empty.
            fields: `(path, message)` pairs.
        """
        self.fields = tuple(FieldError(field, message) for field, message in fields)
        super().__init__(detail or "; ".join(f"{f.field}: {f.message}" for f in self.fields))

    def members(self) -> dict[str, object]:
        """List the fields at fault."""
        if not self.fields:
            return {}
        return {"fields": [{"field": f.field, "message": f.message} for f in self.fields]}


type CredentialFault = Literal["missing", "malformed", "unknown", "expired"]


class Unauthenticated(ServiceError):
    """The request carries no valid credential: send `Authorization: Bearer <token>`.

    `reason` says what is wrong: `missing`, `malformed`, `unknown` or `expired`. Revoked credentials
    are unknown, and so are those whose user, wallet or account is gone or suspended.
    """

    code = "unauthenticated"
    status = 401
    title = "Unauthenticated"

    def __init__(self, detail: str = "", *, reason: CredentialFault | None = None) -> None:
        """Refuse a request without a valid credential; the answer names the scheme to use.

        Args:
            detail: One sentence for the caller.
            reason: What is wrong with the credential, where that tells a stranger nothing.
        """
        self.reason = reason
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})

    def members(self) -> dict[str, object]:
        """Give the reason, if there is one."""
        return {} if self.reason is None else {"reason": self.reason}


class Forbidden(ServiceError):
    """The credential is valid but does not allow this."""

    code = "forbidden"
    status = 403
    title = "Forbidden"


class NotFound(ServiceError):
    """There is no such resource, or it belongs to somebody else."""

    code = "not-found"
    status = 404
    title = "Not found"


class MethodNotAllowed(ServiceError):
    """The path exists but not with this method; the header `Allow` lists those that do."""

    code = "method-not-allowed"
    status = 405
    title = "Method not allowed"


class RequestTimeout(ServiceError):
    """The request did not come in within its time: send it without pauses."""

    code = "request-timeout"
    status = 408
    title = "Request time-out"


class Conflict(ServiceError):
    """The request contradicts the present state of the resource."""

    code = "conflict"
    status = 409
    title = "Conflict"


class Gone(ServiceError):
    """There was such a thing, and its time is over."""

    code = "gone"
    status = 410
    title = "Gone"


class PreconditionFailed(ServiceError):
    """The resource is not in the state that a header such as `If-Match` asks for."""

    code = "precondition-failed"
    status = 412
    title = "Precondition failed"


class TooLarge(ServiceError):
    """The body of the request is larger than the server takes."""

    code = "body-too-large"
    status = 413
    title = "Body too large"


class UnsupportedMedia(ServiceError):
    """The body is in a format the server does not read: send `application/json`."""

    code = "unsupported-media-type"
    status = 415
    title = "Unsupported media type"


class Unprocessable(ServiceError):
    """The request is well formed, but what it asks for cannot be done with it."""

    code = "unprocessable"
    status = 422
    title = "Unprocessable request"


class RateLimited(ServiceError):
    """Too many requests for now; the header `Retry-After` says when to try again."""

    code = "rate-limited"
    status = 429
    title = "Too many requests"

    def __init__(self, detail: str = "", *, retry_after: int = 1) -> None:
        """Refuse for now.

        Args:
            detail: One sentence for the caller.
            retry_after: Seconds until it makes sense to try again.
        """
        super().__init__(detail, headers={"Retry-After": str(max(1, retry_after))})
        self.retry_after = retry_after


class HeadTooLarge(ServiceError):
    """The request line and the headers together are larger than 64 KiB."""

    code = "head-too-large"
    status = 431
    title = "Request header fields too large"


class Unavailable(ServiceError):
    """Something the request needs does not answer now; the same request may succeed later."""

    code = "unavailable"
    status = 503
    title = "Temporarily unavailable"

    def __init__(self, detail: str = "", *, retry_after: int = 1) -> None:
        """Refuse until a dependency is back.

        Args:
            detail: One sentence for the caller.
            retry_after: Seconds until it makes sense to try again.
        """
        super().__init__(detail, headers={"Retry-After": str(max(1, retry_after))})


def signed_members(text: str) -> dict[str, object]:
    """Give the members of a problem about a signature: what it had to be over.

    Args:
        text: ASCII; never one that is secret until it is signed.
    """
    return {"signed_text": text, "signed_bytes": text.encode("ascii").hex()}


def error_types() -> Iterator[type[ServiceError]]:
    """Walk the tree of refusals, parents before children, each `code` once."""
    seen: set[str] = set()
    queue: list[type[ServiceError]] = [ServiceError]
    while queue:
        kind = queue.pop(0)
        if kind.code not in seen:
            seen.add(kind.code)
            yield kind
        queue.extend(kind.__subclasses__())
