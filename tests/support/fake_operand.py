"""Plays the API of every ServiceLayer: answers GET /<namespace>/<name>/system/status on a port.

It wants a bearer token, notes the one it was given, and can be told that its database is away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.local_http import LocalHttp, send_json

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler


class FakeOperand(LocalHttp):
    """The server; use as a context manager.

    Attributes:
        database_up: What the module `store` says.
        tokens: The tokens that were presented, by namespace and name.
        url: Pattern for the operator's API_URL.
    """

    def __init__(self) -> None:
        self.database_up = True
        self.tokens: dict[str, set[str]] = {}
        super().__init__(self.answer)
        self.url = f"http://127.0.0.1:{self.port}/{{namespace}}/{{name}}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            send_json(request, 401, {"error": "unauthorized"})
            return
        place = request.path.removesuffix("/system/status").strip("/")
        self.tokens.setdefault(place, set()).add(token)
        send_json(request, 200, self._status())

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
