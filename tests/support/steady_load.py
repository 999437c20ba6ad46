"""A steady load of requests through the Ingress that remembers each one that failed."""

import itertools
import threading
import time
from collections.abc import Callable
from typing import Self
from uuid import uuid4

import httpx

from support.patience import patience

CLIENTS = 32
# Of one client between two requests: together they stay well under the limit of a credential.
_PAUSE_SECONDS = 0.6
_REQUESTS_OF_A_CONNECTION = 10


class SteadyLoad:
    """Sends requests from many clients, each in a thread of its own, until the block ends.

    A request fails when no answer comes or the answer is not the wanted one. A connection is kept
    for ten requests and then opened anew, so that both ways of dropping a request are seen.

    Args:
        clients: makes the client for the next round of one thread.
        path: what is asked for, and posted to.
        posts: Whether every second request is a POST of an owner of its own.

    Attributes:
        failures: One line each.
        made: The owners whose POST was acknowledged.
    """

    def __init__(
        self, clients: Callable[[], httpx.Client], path: str, *, posts: bool = False
    ) -> None:
        self.failures: list[str] = []
        self.made: list[str] = []
        self._sent = itertools.count()
        self.sent = 0
        self._clients, self._path, self._posts = clients, path, posts
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"steady-load-{number}", daemon=True)
            for number in range(CLIENTS)
        ]
        self._started = 0.0

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(30)

    def wait_more(self, count: int, seconds: float = 30) -> None:
        """Wait until so many more requests were sent, to be sure that a state was under load."""
        wanted, deadline = self.sent + count, time.monotonic() + patience(seconds)
        while self.sent < wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"only {self.sent} requests of {wanted} were sent")
            time.sleep(0.05)

    def _run(self) -> None:
        while not self._end.is_set():
            with self._clients() as client:
                for number in range(_REQUESTS_OF_A_CONNECTION):
                    if self._end.wait(_PAUSE_SECONDS):
                        return
                    self._send(client, post=self._posts and number % 2 == 1)

    def _send(self, client: httpx.Client, *, post: bool) -> None:
        at = f"{time.monotonic() - self._started:.1f} s"
        owner = str(uuid4())
        try:
            if post:
                answer = client.post(self._path, json={"owner": owner})
            else:
                answer = client.get(self._path, params={"limit": "5"})
        except httpx.HTTPError as exc:
            self.failures.append(f"{at}: {type(exc).__name__} {exc}")
        else:
            wanted = httpx.codes.CREATED if post else httpx.codes.OK
            if answer.status_code != wanted:
                self.failures.append(f"{at}: {answer.status_code} {answer.text[:200]}")
            elif post:
                self.made.append(owner)
        self.sent = next(self._sent) + 1
