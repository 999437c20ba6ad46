"""What can go wrong between the operator and the API server, in our own words.

`cluster.py` turns every failure of the client library into one of these, so that nothing above it
knows the library. The message never carries a request's body, for a body may hold a secret.
"""

from __future__ import annotations

from typing import ClassVar


class ClusterError(Exception):
    """A call to the API server that failed for good, after the retries in place.

    Attributes:
        status: HTTP status, 0 where no answer came.
        reason: The API's machine-readable reason (`NotFound`, `Conflict`, ...).
        causes: (field, message) pairs of the answer.
        retry_after: Seconds that the server asked to wait, if it did.
    """

    retriable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        causes: tuple[tuple[str, str], ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.causes = causes
        self.retry_after = retry_after


class NotFoundError(ClusterError):
    """The object or its kind does not exist."""


class AlreadyExistsError(ClusterError):
    """A create met an object of that name."""


class ConflictError(ClusterError):
    """Somebody else wrote first; reading again and retrying can help."""

    retriable = True


class PreconditionError(ClusterError):
    """The object is not the one that was meant (its uid differs); it must be left alone."""


class FieldConflictError(ClusterError):
    """Server-side apply met fields that another manager owns."""


class InvalidError(ClusterError):
    """The API server refuses the object; the same object will be refused again."""


class ForbiddenError(ClusterError):
    """The operator may not do this (RBAC, quota, admission)."""


class UnauthorizedError(ClusterError):
    """The API server does not know us (any more)."""

    retriable = True


class ThrottledError(ClusterError):
    """The API server asks to come back later."""

    retriable = True


class UnavailableError(ClusterError):
    """No usable answer: 5xx, a cut connection, a timeout."""

    retriable = True


class ConfigurationError(Exception):
    """No cluster can be reached from here, or an address is taken; one line for a person."""
