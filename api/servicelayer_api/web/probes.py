"""What the listener for probes serves: whether the process lives and is ready, and its figures.

Invariant: nothing here waits for anything: no database, no credential, no other listener, so it
answers whatever clients do to the other one. It tells the inside (`/metrics`, and why a module is
not ready), so it must not be reachable from outside; an Ingress does not know its port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from servicelayer_api.errors import MethodNotAllowed, NotFound
from servicelayer_api.web.exposition import CONTENT_TYPE
from servicelayer_api.web.health import readiness
from servicelayer_api.web.problems import send_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.types import Receive, Scope, Send

    from servicelayer_api.web.exposition import Exposition
    from servicelayer_api.web.lifecycle import Lifecycle

_READS: Final = frozenset({"GET", "HEAD"})
_JSON: Final = "application/json"
_OK: Final = 200


class Probes:
    """The ASGI application of the listener for probes."""

    def __init__(self, lifecycle: Lifecycle, exposition: Exposition) -> None:
        """Answer with what is known of the program.

        Args:
            lifecycle: Knows whether requests can be served.
            exposition: Writes the metrics.
        """
        self._lifecycle = lifecycle
        self._exposition = exposition

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        del receive
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if path not in {"/livez", "/readyz", "/healthz", "/metrics"}:
            await send_problem(scope, send, NotFound("there is nothing at this path"))
        elif method not in _READS:
            error = MethodNotAllowed("use GET", headers={"Allow": "GET, HEAD"})
            await send_problem(scope, send, error)
        else:
            await _send(send, method, *self._answer(path))

    def _answer(self, path: str) -> tuple[int, str, bytes, Mapping[str, str]]:
        if path == "/metrics":
            return 200, CONTENT_TYPE, self._exposition.text(), {}
        if path == "/livez":
            return 200, _JSON, b'{"status":"ok"}', {}
        status, media_type, body, headers = readiness(self._lifecycle, path, "")
        reasons = self._lifecycle.reasons()
        if status != _OK and reasons:
            body = {**body, "modules": reasons}
        return status, media_type, msgspec.json.encode(body), headers


async def _send(
    send: Send, method: str, status: int, media_type: str, body: bytes, headers: Mapping[str, str]
) -> None:
    fields = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *((name.lower().encode(), value.encode()) for name, value in headers.items()),
    ]
    start: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": fields}
    await send(cast("Any", start))
    shown = b"" if method == "HEAD" else body
    await send({"type": "http.response.body", "body": shown, "more_body": False})
