"""A stand-in for the sources that the oracle asks: answers by path, and remembers each call.

`/ok` gives a price, `/status/503` that status, `/flaky/2` fails twice per `id` of the query before
it answers, `/slow/0.5` waits, `/number/1.5` gives a plain number, `/echo` what it was sent,
`/redirect` leads to `/ok`, `/large` sends more than is taken.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Stub", "oracle_stub"]


@dataclass
class Call:
    """A call as it came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: str


@dataclass
class Stub:
    """The server's address and what it saw."""

    url: str
    calls: list[Call] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, path: str) -> int:
        """Count the calls of a path."""
        return sum(call.path == path for call in self.calls)

    def answer(self, call: Call) -> tuple[int, dict[str, str], str]:
        """Decide what to answer."""
        kind, _, rest = call.path.lstrip("/").partition("/")
        if kind == "slow":
            time.sleep(float(rest))
        if kind == "flaky":
            return self._flaky(call, int(rest))
        sent = {"method": call.method, "query": call.query, "body": call.body}
        status, headers, text = {
            "ok": (200, {}, '{"price": 42.50, "data": {"list": [{"v": "x"}]}}'),
            "number": (200, {}, rest),
            "slow": (200, {}, '"late"'),
            "redirect": (302, {"Location": "/ok"}, ""),
            "large": (200, {}, "x" * 300_000),
            "echo": (200, {}, json.dumps(sent)),
            "leak": (400, {}, json.dumps(call.headers)),
            "status": (0, {"Retry-After": "0"}, json.dumps({"error": "no such pair"})),
        }.get(kind, (404, {}, ""))
        return status or int(rest), headers, text

    def _flaky(self, call: Call, failures: int) -> tuple[int, dict[str, str], str]:
        with self.lock:
            key = call.query.get("id", [""])[0]
            self.failures[key] += 1
            failing = self.failures[key] <= failures
        return (503, {}, "down") if failing else (200, {}, "up")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: Stub

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        parts = urlsplit(self.path)
        call = Call(
            method=self.command,
            path=parts.path,
            query=parse_qs(parts.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        with self.stub.lock:
            self.stub.calls.append(call)
        status, headers, text = self.stub.answer(call)
        raw = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the library's names


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no error here."""


@contextmanager
def oracle_stub() -> Iterator[Stub]:
    """Serve for a while."""
    stub = Stub("")
    handler = cast("type[_Handler]", type("_Bound", (_Handler,), {"stub": stub}))
    server = _Server(("127.0.0.1", 0), handler)
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
