"""A steady loop of requests through the Ingress that remembers each one that failed."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import httpx

from support.patience import patience

_PAUSE_SECONDS = 0.02


class SteadyLoad:
    """Sends requests one after the other from a thread of its own until the block ends.

    A request fails when no answer comes or the answer is not 200. The connection is kept for ten
    requests and then opened anew, so that both ways of dropping a request are seen.

    Args:
        clients: makes the client for the next round.
        path: what is asked for.
    """

    def __init__(self, clients: Callable[[], httpx.Client], path: str) -> None:
        self.sent = 0
        self.failures: list[str] = []
        self._clients, self._path = clients, path
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="steady-load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join(30)

    def wait_more(self, count: int, seconds: float = 30) -> None:
        """Wait until so many more requests were sent, to be sure that a state was under load."""
        wanted, deadline = self.sent + count, time.monotonic() + patience(seconds)
        while self.sent < wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"only {self.sent} requests of {wanted} were sent")
            time.sleep(0.05)

    def _run(self) -> None:
        started = time.monotonic()
        while not self._end.is_set():
            with self._clients() as client:
                for _ in range(10):
                    if self._end.is_set():
                        return
                    self._send(client, started)
                    self._end.wait(_PAUSE_SECONDS)

    def _send(self, client: httpx.Client, started: float) -> None:
        at = f"{time.monotonic() - started:.1f} s"
        try:
            answer = client.get(self._path)
        except httpx.HTTPError as exc:
            self.failures.append(f"{at}: {type(exc).__name__} {exc}")
        else:
            if answer.status_code != httpx.codes.OK:
                self.failures.append(f"{at}: {answer.status_code} {answer.text[:200]}")
        self.sent += 1
