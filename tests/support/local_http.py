"""An HTTP server of this machine that answers GET, for what outside systems are played by.

It runs in a thread for as long as its block; what it answers is up to whoever plays.
"""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self, override

if TYPE_CHECKING:
    from collections.abc import Callable


def own_loopback() -> str:
    """An address of this machine that no other run of the tests uses, for a port that is fixed."""
    number = os.getpid()
    return f"127.{64 + (number >> 14) % 128}.{(number >> 7) % 128}.{number % 128 + 1}"


class LocalHttp:
    """The server; use as a context manager.

    Args:
        answer: Called with each request, in a thread of its connection.
        address: Where it listens; any free port of 127.0.0.1 when left out.

    Attributes:
        port: Where it listens.
    """

    def __init__(
        self,
        answer: Callable[[BaseHTTPRequestHandler], None],
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                answer(self)

            @override
            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(address, Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


def send(request: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
    """Answer with JSON that is written already."""
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


def send_json(request: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
    """Answer with a body."""
    send(request, status, json.dumps(body).encode())
