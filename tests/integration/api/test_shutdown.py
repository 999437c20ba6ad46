"""Stopping the server: nothing that was asked goes unanswered."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from support.api_server import running_api
from support.patience import patience

if TYPE_CHECKING:
    from support.api_server import ApiProcess


class _Caller(threading.Thread):
    """Asks in a loop over one connection while the server is ready, as a load balancer would.

    It counts as failed whatever was sent and not answered; a connection that the server closed
    after an answer is simply opened anew.
    """

    def __init__(self, api: ApiProcess, told_to_leave: threading.Event) -> None:
        super().__init__(daemon=True)
        self._api = api
        self._leave = told_to_leave
        self.answered = 0
        self.failures: list[str] = []

    def run(self) -> None:
        with self._api.client() as client:
            while not self._leave.is_set():
                try:
                    answer = client.get("/accounts")
                except httpx.TransportError as exc:
                    self.failures.append(repr(exc))
                    return
                if answer.status_code != 200:
                    self.failures.append(f"{answer.status_code} {answer.text}")
                self.answered += 1


def test_no_request_is_dropped_while_the_server_stops(database_url: str, tmp_path: Path) -> None:
    with running_api(database_url, tmp_path, SHUTDOWN_DELAY_SECONDS="2") as api:
        leave = threading.Event()
        callers = [_Caller(api, leave) for _ in range(8)]
        for caller in callers:
            caller.start()
        _wait_until(lambda: all(caller.answered > 20 for caller in callers))

        api.signal(signal.SIGTERM)
        # The load balancer's own probe: it sees 503 at once and takes the callers away.
        api.wait_for("/readyz", 503)
        before = [caller.answered for caller in callers]
        _wait_until(lambda: all(c.answered > b + 5 for c, b in zip(callers, before, strict=True)))
        leave.set()
        for caller in callers:
            caller.join(10)

        assert [caller.failures for caller in callers] == [[] for _ in callers]
        assert api.wait() == 0


def test_answers_close_their_connection_while_the_server_drains(
    database_url: str, tmp_path: Path
) -> None:
    with (
        running_api(database_url, tmp_path, SHUTDOWN_DELAY_SECONDS="3") as api,
        api.client() as client,
    ):
        assert "connection" not in client.get("/livez").headers

        api.signal(signal.SIGTERM)
        api.wait_for("/readyz", 503)

        answer = client.get("/livez")
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"


def test_a_second_signal_ends_the_waiting(database_url: str, tmp_path: Path) -> None:
    with running_api(
        database_url, tmp_path, SHUTDOWN_DELAY_SECONDS="60", SHUTDOWN_GRACE_SECONDS="200"
    ) as api:
        api.signal(signal.SIGTERM)
        api.wait_for("/readyz", 503)

        api.signal(signal.SIGTERM)

        assert api.wait(timeout=30) == 0


def test_several_processes_serve_one_port_and_stop_together(
    empty_database_url: str, tmp_path: Path
) -> None:
    with running_api(empty_database_url, tmp_path, WEB_WORKERS="2") as api:
        leave = threading.Event()
        callers = [_Caller(api, leave) for _ in range(8)]
        for caller in callers:
            caller.start()
        _wait_until(lambda: all(caller.answered > 10 for caller in callers))
        leave.set()
        for caller in callers:
            caller.join(10)

        api.signal(signal.SIGTERM)

        assert api.wait() == 0
        assert [caller.failures for caller in callers] == [[] for _ in callers]
    # Each process says once that it serves and once that it has stopped.
    assert api.output().count('"message":"serving"') == 2
    assert api.output().count('"message":"stopped"') == 2


def test_one_process_that_is_killed_ends_all_of_them(database_url: str, tmp_path: Path) -> None:
    with running_api(database_url, tmp_path, WEB_WORKERS="2") as api:
        children = Path(f"/proc/{api.pid}/task/{api.pid}/children").read_text().split()

        os.kill(int(children[0]), signal.SIGKILL)

        assert api.wait() == 1
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []


def _wait_until(met: object, timeout: float = 20) -> None:
    deadline = time.monotonic() + patience(timeout)
    while time.monotonic() < deadline:
        if callable(met) and met():
            return
        time.sleep(0.02)
    raise AssertionError("the condition was not met in time")
