"""What replicas ask while they are killed: a source, a settlement resolver and a price source.

It answers from one event loop in a thread of its own and counts what it is asked for. The resolver
says "not done yet" the first time it is asked about a withdrawal, so that each is asked about twice
at least.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Generator

_END = b"\r\n\r\n"


class Outside:
    """The server's address, and how often each thing was asked for.

    Attributes:
        url: Of the server.
        asked: Counts by (kind, id): `source` by request, `settle` by withdrawal, `price` by pair.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: Counter[tuple[str, str]] = Counter()

    def times(self, kind: str) -> Counter[str]:
        """Give the counts of one kind."""
        return Counter({name: count for (of, name), count in self.asked.items() if of == kind})

    def answer(self, target: str) -> dict[str, object]:
        """Decide what to answer to the target of a request."""
        parts = urlsplit(target)
        kind = parts.path.strip("/")
        name = {field: values[0] for field, values in parse_qs(parts.query).items() if values}
        subject = name.get("id") or name.get("transaction_id") or name.get("base", "")
        self.asked[kind, subject] += 1
        if kind == "source":
            return {"id": subject}
        if kind == "settle":
            return {"done": self.asked[kind, subject] > 1, "success": True}
        return {"price": 12.34, "source": "outside"}


class _Connection(asyncio.Protocol):
    """Answers GET requests, on connections that stay open."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._rest = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(_END)
        for head in whole:
            target = head.split(b" ", 2)[1].decode()
            body = json.dumps(self._outside.answer(target)).encode()
            lines = (
                b"HTTP/1.1 200 OK",
                b"content-type: application/json",
                b"content-length: " + str(len(body)).encode(),
            )
            if self._transport is not None:
                self._transport.write(b"\r\n".join(lines) + _END + body)


@contextmanager
def outside_world() -> Generator[Outside]:
    """Serve for a while."""
    outside = Outside()
    loop = asyncio.new_event_loop()
    made = loop.run_until_complete(loop.create_server(lambda: _Connection(outside), "127.0.0.1", 0))
    outside.url = f"http://127.0.0.1:{made.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield outside
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        made.close()
        loop.close()
