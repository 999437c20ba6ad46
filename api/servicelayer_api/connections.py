"""Connections under guard: nobody keeps one, or many, from those who want to ask something.

Invariant: whatever clients do, a connection ends within the time-outs unless a request on it is
being answered, the number of connections is bounded, of one address and of all, and so is what a
connection holds in memory. At a bound the connection that has waited longest for a request makes
room; a connection whose request is being carried out is never cut off for another.

The protocol is uvicorn's, told apart by phases: waiting for a request, reading its head, reading
its body, answering. What follows a chunked body as trailers is dropped: fields that nobody looked
at before the request was let in never join its headers (RFC 9110, 6.5.1). One look a second at all
connections stands in place of a timer for each, so that a request costs a few assignments.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, override

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from servicelayer_api.errors import HeadTooLarge, Invalid, RequestTimeout
from servicelayer_api.web.addresses import site_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SWEEP_SECONDS = 1.0

_MAX_HEAD_BYTES = 64 * 1024
_MAX_HEADERS = 128
# Of a body that is being read: bytes in a row that are none of its own (sizes, trailers).
_MAX_FRAMING_BYTES = 16 * 1024
_MAX_PIPELINED = 8
_KINDS = {kind.status: kind for kind in (Invalid, RequestTimeout, HeadTooLarge)}
_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What connections may do.

    Attributes:
        total: Connections at the same time.
        per_address: Those of one client address.
        head_seconds: Until the head of a request is here, counted from its first byte, or from the
            connection's begin.
        body_seconds: From the head to the end of the body; also the longest a client may stop
            reading.
        idle_seconds: From an answer to the next request.
    """

    total: int
    per_address: int
    head_seconds: float
    body_seconds: float
    idle_seconds: float


class _Phase(Enum):
    WAITING = 0
    HEAD = 1
    BODY = 2
    ANSWERING = 3


class Guard:
    """Knows the connections of one listener."""

    def __init__(
        self, limits: Limits, counts: Callable[[str], bool], now: Callable[[], float]
    ) -> None:
        """Guard a listener.

        Args:
            limits: What connections may do.
            counts: Whether the connections of an address are counted; those of a trusted proxy are
                not, since it has many clients.
            now: Monotonic seconds.
        """
        self.limits = limits
        self.now = now
        self.refused = 0
        self.evicted = 0
        self.timed_out = 0
        self._counts = counts
        self._open: set[GuardedConnection] = set()
        # In the order in which they began to wait; a dictionary is a set with an order.
        self._waiting: dict[GuardedConnection, None] = {}
        self._of_site: dict[str, set[GuardedConnection]] = {}

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def figures(self) -> Mapping[str, int]:
        """Count what the guard did: refused, evicted, timed out."""
        return {"refused": self.refused, "evicted": self.evicted, "timed_out": self.timed_out}

    def admit(self, connection: GuardedConnection, address: str) -> bool:
        """Take a new connection in, if there is room or can be made.

        Args:
            connection: The new one.
            address: Of its peer.
        """
        site = site_of(address) if self._counts(address) else ""
        nobody: set[GuardedConnection] = set()
        own = self._of_site.get(site, nobody)
        if len(own) >= self.limits.per_address and not self._make_room(own):
            self.refused += 1
            return False
        if len(self._open) >= self.limits.total and not self._make_room(self._open):
            self.refused += 1
            return False
        self._open.add(connection)
        if site:
            connection.site = site
            self._of_site.setdefault(site, own).add(connection)
        self._waiting[connection] = None
        return True

    def _make_room(self, among: set[GuardedConnection]) -> bool:
        """Close the connection that has waited longest."""
        oldest = next((one for one in self._waiting if one in among), None)
        if oldest is None:
            return False
        self.evicted += 1
        self.release(oldest)
        oldest.cut()
        return True

    def waits(self, connection: GuardedConnection) -> None:
        """Note that a connection waits for a request."""
        if connection in self._open:
            self._waiting[connection] = None

    def works(self, connection: GuardedConnection) -> None:
        """Note that a request has come."""
        self._waiting.pop(connection, None)

    def release(self, connection: GuardedConnection) -> None:
        """Forget a connection that is closed."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        own = self._of_site.get(connection.site)
        if own is not None:
            own.discard(connection)
            if not own:
                del self._of_site[connection.site]

    def sweep(self) -> None:
        """End the connections whose time is over."""
        now = self.now()
        for connection in list(self._open):
            if connection.expire(now, self.limits):
                self.timed_out += 1

    async def run(self) -> None:
        """Look at all connections once a second, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep()


class GuardedConnection(HttpToolsProtocol):
    """One connection; `guarded_by` gives the class whose connections a guard knows."""

    guard: ClassVar[Guard]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make the protocol of a connection; the arguments are uvicorn's."""
        super().__init__(*args, **kwargs)
        self.site = ""
        self._phase = _Phase.WAITING
        self._since = self.guard.now()
        self._head_bytes = 0
        self._framing_bytes = 0
        self._stalled: float | None = None
        self._closing: float | None = None
        self._asked = False

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        if not self.guard.admit(self, self.client[0] if self.client else ""):
            self.cut()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.guard.release(self)
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._framing_bytes += len(data)
        super().data_received(data)
        if self._phase is _Phase.BODY and self._framing_bytes > _MAX_FRAMING_BYTES:
            self._refuse(431, "the body is followed or framed by more than 16 KiB")
        elif self._phase is _Phase.HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self._refuse(431, "the head of the request is larger than 64 KiB")

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._phase, self._since, self._head_bytes = _Phase.HEAD, self.guard.now(), 0

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is _Phase.HEAD:
            super().on_header(name, value)

    @override
    def on_body(self, body: bytes) -> None:
        self._framing_bytes = 0
        super().on_body(body)

    @override
    def on_headers_complete(self) -> None:
        if len(self.headers) > _MAX_HEADERS or len(self.pipeline) >= _MAX_PIPELINED:
            # Ends the parsing; the caller is told that this is no request.
            raise ValueError("too many headers or requests at once")
        super().on_headers_complete()
        self._asked = True
        self._phase, self._since, self._framing_bytes = _Phase.BODY, self.guard.now(), 0
        self.guard.works(self)

    @override
    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.cycle.response_complete:
            self._wait()
        else:
            self._phase = _Phase.ANSWERING

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._phase is _Phase.ANSWERING and self.cycle.response_complete:
            self._wait()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.guard.now()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled = None

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is not a request of HTTP/1.1 that can be read")

    def expire(self, now: float, limits: Limits) -> bool:
        """End the connection if its time is over; tell whether it was."""
        if self.transport.is_closing():
            return self._expire_closing(now, limits.body_seconds)
        if self._stalled is not None and now - self._stalled > limits.body_seconds:
            self.cut()
            return True
        waited = now - self._since
        if self._phase is _Phase.WAITING:
            if waited > (limits.idle_seconds if self._asked else limits.head_seconds):
                self.cut()
                return True
        elif self._phase is _Phase.HEAD and waited > limits.head_seconds:
            self._refuse(408, "the head of the request did not arrive in time")
            return True
        elif self._phase is _Phase.BODY and waited > limits.body_seconds:
            self._refuse(408, "the body of the request did not arrive in time")
            return True
        return False

    def _expire_closing(self, now: float, seconds: float) -> bool:
        """Cut what is closed for long, and whose last bytes nobody reads."""
        if self._closing is None:
            self._closing = now
        elif now - self._closing > seconds:
            self.cut()
            return True
        return False

    def cut(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    def _wait(self) -> None:
        self._phase, self._since = _Phase.WAITING, self.guard.now()
        self.guard.waits(self)

    def _refuse(self, status: int, detail: str) -> None:
        """Answer outside of the application, which was not reached or waits for a body."""
        if self.transport.is_closing():
            return
        busy = self._asked and self.cycle.response_started and not self.cycle.response_complete
        if not busy:
            self.transport.write(_refusal(status, detail))
        if self._asked:
            # Whatever the application still says must not follow on the refusal.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def guarded_by(guard: Guard) -> type[GuardedConnection]:
    """Make the class of the connections that a guard knows."""
    return type("Connection", (GuardedConnection,), {"guard": guard})


def _refusal(status: int, detail: str) -> bytes:
    kind = _KINDS[status]
    body = msgspec.json.encode(
        {
            "type": f"/problems/{kind.code}",
            "title": kind.title,
            "status": status,
            "detail": detail,
            "code": kind.code,
            "error": detail,
        }
    )
    head = (
        b"HTTP/1.1 %d %s\r\n"
        b"content-type: application/problem+json\r\n"
        b"content-length: %d\r\n"
        b"connection: close\r\n\r\n"
    )
    return head % (status, _PHRASES[status], len(body)) + body
