"""What of a request is let into memory: so many bytes of one body, and of all bodies together.

Invariant: no body is collected beyond its bound, and the bodies of all requests that are being
answered never hold more than the budget. It is counted where the bytes come in, so whoever reads a
body, a route or a layer in front of it, is bound by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from servicelayer_api.errors import Invalid, TooLarge, Unavailable

if TYPE_CHECKING:
    from litestar.types import HTTPReceiveMessage, Receive, WebSocketReceiveMessage

# Nobody who has no credential yet has much to say: a name and a password, a signature.
PUBLIC_BODY_BYTES: Final = 8 * 1024


class Overloaded(Unavailable):
    """The server holds as many bodies in memory as it may; the same request may pass in a moment.

    `MAX_BUFFERED_BYTES` sets how many bytes that is.
    """

    code = "overloaded"
    title = "Overloaded"


class Budget:
    """Bytes of bodies that may be held at the same time."""

    def __init__(self, most: int) -> None:
        """Allow so many."""
        self._most = most
        self.used = 0

    def reserve(self, count: int) -> None:
        """Take bytes.

        Raises:
            Overloaded: There are not so many left.
        """
        if self.used + count > self._most:
            raise Overloaded("the server is busy with other large requests; try again in a moment")
        self.used += count

    def release(self, count: int) -> None:
        """Give bytes back."""
        self.used -= count


class Intake:
    """The `receive` of one request, counted."""

    __slots__ = ("_announced", "_budget", "_complete", "_most", "_receive", "held")

    def __init__(self, receive: Receive, budget: Budget, most: int, announced: int | None) -> None:
        """Count what `receive` gives.

        Args:
            receive: The server's.
            budget: Of all requests.
            most: Bytes of the body at most.
            announced: `Content-Length`, if it was sent.
        """
        self._receive = receive
        self._budget = budget
        self._most = most
        self._announced = announced
        self._complete = False
        self.held = 0

    async def __call__(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        """Receive the next part.

        Raises:
            TooLarge: The body is larger than it may be, or announces that it will be.
            Overloaded: The budget is used up.
            Invalid: The client has gone, or what it sent cannot be read to the end.
        """
        if self._announced is not None and self._announced > self._most:
            raise TooLarge(f"the body may have {self._most} bytes at most")
        message = await self._receive()
        if message["type"] == "http.request":
            details = cast("dict[str, Any]", message)
            count = len(details.get("body", b""))
            if self.held + count > self._most:
                raise TooLarge(f"the body may have {self._most} bytes at most")
            self._budget.reserve(count)
            self.held += count
            self._complete = not details.get("more_body", False)
        elif not self._complete:
            raise Invalid("the body ended before it was complete")
        return message

    def close(self) -> None:
        """Give back what the request held."""
        self._budget.release(self.held)
        self.held = 0
