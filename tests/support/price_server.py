"""A source of prices on this machine: it counts who asked, and each answer is a new price."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from support.local_http import LocalHttp, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler

_LATE = 0.3

type Answerer = Callable[[str, int], tuple[int, bytes]]


def rising(base: str, count: int) -> tuple[int, bytes]:
    """The n-th answer for a pair is n times 100: always far beyond any deviation."""
    del base
    return 200, json.dumps({"price": count * 100, "source": "rising"}).encode()


class PriceServer(LocalHttp):
    """What was asked, and how it is answered; `answer` may be replaced at any time."""

    def __init__(self, answer: Answerer) -> None:
        self.answer = answer
        self.asked: Counter[str] = Counter()
        self.credentials: set[str] = set()
        self._lock = threading.Lock()
        super().__init__(self._answer)
        self.url = f"http://127.0.0.1:{self.port}/price"

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        base = parse_qs(urlsplit(request.path).query)["base"][0]
        with self._lock:
            self.asked[base] += 1
            count = self.asked[base]
            self.credentials.add(request.headers.get("authorization", ""))
        send(request, *self.answer(base, count))


def slow(base: str, count: int) -> tuple[int, bytes]:
    """Answer as `rising`, but late, so that a process that is killed has fetches under way."""
    time.sleep(_LATE)
    return rising(base, count)


@contextmanager
def price_server(answer: Answerer = rising) -> Iterator[PriceServer]:
    """Run a source of prices for a while."""
    with PriceServer(answer) as server:
        yield server


def environment(*servers: PriceServer, key: str = "") -> dict[str, str]:
    """What the API must be told to fetch from them."""
    return {
        "PRICEFEED_FETCH_URL": ",".join(server.url for server in servers),
        "PRICEFEED_FETCH_KEY": key,
        "EGRESS_ALLOW": "127.0.0.1/32",
    }
