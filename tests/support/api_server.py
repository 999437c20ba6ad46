"""The API as a real process on a free port, with values that a test can look for in its logs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from support.patience import patience

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["api"]

TOKEN = "canary-token-5d1c7e0a94b2"
SECOND_TOKEN = "canary-token-77aa01c3be55"
JWT_SECRET = "canary-jwt-secret-0123456789abcdef0123"
ENCRYPTION_KEY = "c0ffee" * 10 + "c0ff"
TENANT = "tenant-a"
_START_TIMEOUT = 20.0
_STOP_TIMEOUT = 30.0


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(
    database_url: str, port: int, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Make the environment of a server, without anything of the test's own but the path."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "DATABASE_URL": database_url,
        "API_TOKENS": f"{TOKEN},{SECOND_TOKEN}",
        "AUTH_JWT_SECRET": JWT_SECRET,
        "SECRET_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "LISTEN_ADDR": f"127.0.0.1:{port}",
        "CONFIG_FILE": os.devnull,
        "SHUTDOWN_DELAY_SECONDS": "0",
        # Tests ask as fast as they can; the limit has tests of its own.
        "RATE_LIMIT": "off",
        "LOG_LEVEL": "debug",
        "PYTHONSAFEPATH": "1",
        "PYTHONWARNINGS": "error",
        **(extra or {}),
    }


class ApiProcess:
    """A running `servicelayer-api serve`."""

    def __init__(
        self,
        database_url: str,
        folder: Path,
        extra: Mapping[str, str] | None = None,
        *,
        through: Sequence[str] = (),
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"api-{self.port}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*through, sys.executable, "-m", "servicelayer_api", "serve"],
                env=environment(database_url, self.port, extra),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code once it has ended."""
        return self._process.poll()

    def output(self) -> str:
        """Everything it has written."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def client(self, **headers: str) -> httpx.Client:
        """Make a client that carries the platform token and the tenant."""
        known = {"authorization": f"Bearer {TOKEN}", "x-tenant-id": TENANT}
        return httpx.Client(
            base_url=self.url, headers={**known, **headers}, timeout=10, trust_env=False
        )

    def wait_for(self, path: str, status: int, timeout: float = _START_TIMEOUT) -> httpx.Response:
        """Ask until a path answers with a status."""
        deadline = time.monotonic() + patience(timeout)
        last: object = None
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                answer = httpx.get(self.url + path, timeout=5, trust_env=False)
            except httpx.TransportError as exc:
                last = exc
            else:
                if answer.status_code == status:
                    return answer
                last = f"{answer.status_code} {answer.text[:200]}"
            time.sleep(0.05)
        raise AssertionError(f"{path} did not answer {status}: {last}\n{self.output()[-3000:]}")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self, timeout: float = _STOP_TIMEOUT) -> int:
        """Wait for its end; gives the exit code."""
        return self._process.wait(timeout)

    def close(self) -> int:
        """Stop it, by force if need be."""
        if self._process.poll() is None:
            self.signal()
            try:
                return self.wait()
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()


@contextmanager
def running_api(
    database_url: str, folder: Path, *, wait: str | None = "/readyz", **extra: str
) -> Generator[ApiProcess]:
    """Run the API for a while.

    Args:
        database_url: Its database.
        folder: Where its log goes.
        wait: The path that must answer 200 first; nothing is waited for when it is None.
        extra: Variables of its environment.
    """
    process = ApiProcess(database_url, folder, extra)
    try:
        if wait is not None:
            process.wait_for(wait, 200)
        yield process
    finally:
        process.close()


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[ApiProcess]:
    """The API over a migrated database of the test's own."""
    with running_api(database_url, tmp_path) as process:
        yield process
