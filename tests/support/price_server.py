"""A source of prices on this machine: it counts who asked, and each answer is a new price."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, override
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LATE = 0.3

type Answerer = Callable[[str, int], tuple[int, bytes]]


def rising(base: str, count: int) -> tuple[int, bytes]:
    """The n-th answer for a pair is n times 100: always far beyond any deviation."""
    del base
    return 200, json.dumps({"price": count * 100, "source": "rising"}).encode()


class PriceServer:
    """What was asked, and how it is answered; `answer` may be replaced at any time."""

    def __init__(self, answer: Answerer) -> None:
        self.answer = answer
        self.asked: Counter[str] = Counter()
        self.credentials: set[str] = set()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                base = parse_qs(urlsplit(self.path).query)["base"][0]
                with outer._lock:
                    outer.asked[base] += 1
                    count = outer.asked[base]
                    outer.credentials.add(self.headers.get("authorization", ""))
                status, body = outer.answer(base, count)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/price"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def slow(base: str, count: int) -> tuple[int, bytes]:
    """Answer as `rising`, but late, so that a process that is killed has fetches under way."""
    time.sleep(_LATE)
    return rising(base, count)


@contextmanager
def price_server(answer: Answerer = rising) -> Iterator[PriceServer]:
    """Run a source of prices for a while."""
    server = PriceServer(answer)
    try:
        yield server
    finally:
        server.close()


def environment(*servers: PriceServer, key: str = "") -> dict[str, str]:
    """What the API must be told to fetch from them."""
    return {
        "PRICEFEED_FETCH_URL": ",".join(server.url for server in servers),
        "PRICEFEED_FETCH_KEY": key,
        "EGRESS_ALLOW": "127.0.0.1/32",
    }
