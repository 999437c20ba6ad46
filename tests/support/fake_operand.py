"""Plays the API of every ServiceLayer: answers GET /<namespace>/<name>/system/status on a port.

It wants a bearer token, notes the one it was given, and can be told that its database is away.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType


class FakeOperand:
    """The server; use as a context manager.

    Attributes:
        database_up: What the module `store` says.
        tokens: The tokens that were presented, by namespace and name.
        url: Pattern for the operator's API_URL.
    """

    def __init__(self) -> None:
        self.database_up = True
        self.tokens: dict[str, set[str]] = {}
        operand = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                operand.answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{port}/{{namespace}}/{{name}}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            _send(request, 401, {"error": "unauthorized"})
            return
        place = request.path.removesuffix("/system/status").strip("/")
        self.tokens.setdefault(place, set()).add(token)
        _send(request, 200, self._status())

    def _status(self) -> dict[str, Any]:
        ready = "ready" if self.database_up else "not-ready"
        return {
            "status": "ok" if self.database_up else "degraded",
            "version": {"version": "1.2.3", "commit": "abc", "built_at": ""},
            "modules": [
                {"name": "store", "domain": "store", "status": "started", "ready_status": ready},
                {
                    "name": "accounts",
                    "domain": "core",
                    "status": "started",
                    "ready_status": "ready",
                },
            ],
            "modules_meta": {"total": 2, "started": 2, "failed": 0, "not_ready": 0},
            "migrations": {"current": 4, "latest": 4},
        }


def _send(request: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)
