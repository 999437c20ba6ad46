"""The operator as the real process, started from the checkout as a user would start it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx

from support.patience import patience

PROGRAM = Path(sys.executable).with_name("servicelayer-operator")
START_SECONDS = 60.0


class OperatorProcess:
    """One operator; a context manager that kills what is left of it.

    Args:
        kubeconfig: Where its API server is.
        log: File that takes its output; appended to.
        arguments: After `run`.
        environment: Settings over the defaults for tests.
        release: A packed former release to run in place of this checkout.
    """

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        *arguments: str,
        environment: dict[str, str] | None = None,
        release: Path | None = None,
    ) -> None:
        self.log = log
        self.health, self.metrics = (f"127.0.0.1:{port}" for port in free_ports(2))
        packed = [sys.executable, "-P", "-m", "servicelayer_operator"]
        self._command = [*(packed if release else [str(PROGRAM)]), "run", *arguments]
        self._environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(log.parent),
            "KUBECONFIG": str(kubeconfig),
            "HEALTH_ADDR": self.health,
            "METRICS_ADDR": self.metrics,
            "LOG_LEVEL": "debug",
            **({"PYTHONPATH": str(release)} if release else {}),
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it; returns at once."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=output, stderr=output
            )

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def terminate(self, timeout: float = 20) -> int:
        """SIGTERM, and wait for the end; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=timeout)
        self._process = None
        return code

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def wait_ended(self, timeout: float = 30) -> int:
        """Wait until it ends by itself; the exit code."""
        assert self._process is not None
        return self._process.wait(timeout=timeout)

    def wait_ready(self) -> None:
        """Wait until /readyz says so; raises with the log's end when it dies instead."""
        deadline = time.monotonic() + patience(START_SECONDS)
        while self.probe("/readyz") != httpx.codes.OK:
            if not self.running or time.monotonic() > deadline:
                raise AssertionError(f"the operator is not ready:\n{self.text()[-3000:]}")
            time.sleep(0.05)

    def probe(self, path: str) -> int:
        """The status of a probe; 0 when nobody answers."""
        try:
            return httpx.get(f"http://{self.health}{path}", timeout=5, trust_env=False).status_code
        except httpx.HTTPError:
            return 0

    def metric(self, line: str) -> float:
        """The value of one metric, named as the exposition writes it; 0 when it is missing."""
        text = httpx.get(f"http://{self.metrics}/metrics", timeout=5, trust_env=False).text
        values = [row.rpartition(" ")[2] for row in text.splitlines() if row.startswith(f"{line} ")]
        return float(values[0]) if values else 0.0

    def text(self) -> str:
        """All it printed so far."""
        return self.log.read_text() if self.log.exists() else ""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
