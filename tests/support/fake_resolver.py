"""A settlement resolver on this machine that decides by the id it is asked about."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal, override
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

type Plan = Literal["succeeds", "fails", "waits", "stumbles", "breaks"]

_PLANS: tuple[Plan, ...] = ("succeeds", "fails", "waits", "stumbles")


def planned(withdrawal: str) -> Plan:
    """What is decided about a withdrawal: by the last digit of its id."""
    return _PLANS[int(withdrawal[-1], 16) % len(_PLANS)]


class FakeResolver:
    """Answers by plan; `asked` counts the questions about each withdrawal."""

    def __init__(self, key: str, plan: Plan | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self.unauthorised = 0
        self.plan = plan
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            @override
            def log_message(self, format: str, *args: object) -> None:
                del format, args

            def do_GET(self) -> None:
                if self.headers.get("authorization") != f"Bearer {key}":
                    outer.unauthorised += 1
                withdrawal = parse_qs(urlsplit(self.path).query)["transaction_id"][0]
                status, body = outer.answer(withdrawal)
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}/gas?chain=n3"

    def answer(self, withdrawal: str) -> tuple[int, dict[str, object]]:
        """What is answered about a withdrawal now."""
        plan = self.plan or planned(withdrawal)
        self.asked[withdrawal] += 1
        done = plan in {"succeeds", "fails"} or self.asked[withdrawal] > 2
        if plan == "breaks" or (plan == "stumbles" and not done):
            return 500, {"error": "boom"}
        if not done:
            return 200, {"done": False, "retry_after_seconds": 0.1}
        return 200, {"done": True, "success": plan != "fails", "message": "as planned"}

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
        self._thread.join(10)
