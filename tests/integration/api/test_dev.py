"""`servicelayer-api dev`: one command, its own PostgreSQL, nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from support.api_server import free_port
from support.patience import patience

if TYPE_CHECKING:
    from collections.abc import Generator


class _Dev:
    def __init__(self, folder: Path, log: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "servicelayer_api", "dev"),
                    *("--data", str(folder), "--addr", f"127.0.0.1:{port}"),
                ],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def output(self) -> str:
        return self._log.read_text()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + patience(60)
        while "Ready in" not in self.output():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)

    def token(self) -> str:
        found = re.search(r"token +(\S+)", self.output())
        assert found is not None
        return found[1]


@contextmanager
def _dev(folder: Path, log: Path) -> Generator[_Dev]:
    dev = _Dev(folder, log, free_port())
    try:
        yield dev
    finally:
        if dev.process.poll() is None:
            dev.process.send_signal(signal.SIGINT)
        dev.process.wait(30)


def _processes_of(folder: Path) -> list[str]:
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if str(folder).encode() in command:
            found.append(command.replace(b"\0", b" ").decode())
    return found


def test_it_serves_keeps_its_data_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with _dev(folder, tmp_path / "first.log") as dev:
        dev.wait_ready()
        headers = {"authorization": f"Bearer {dev.token()}"}
        made = httpx.post(
            f"{dev.url}/accounts", json={"owner": "me"}, headers=headers, trust_env=False
        )
        page = httpx.get(f"{dev.url}/docs", trust_env=False)
        first_token = dev.token()
    with _dev(folder, tmp_path / "second.log") as again:
        again.wait_ready()
        listed = httpx.get(f"{again.url}/accounts", headers=headers, trust_env=False).json()
        second_token = again.token()

    assert (made.status_code, page.status_code) == (201, 200)
    assert [account["ID"] for account in listed] == [made.json()["ID"]]
    assert second_token == first_token
    assert _processes_of(folder) == []
    assert (folder / "secrets.json").stat().st_mode & 0o077 == 0


def test_a_folder_serves_one_run_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with _dev(folder, tmp_path / "first.log") as dev:
        dev.wait_ready()
        with _dev(folder, tmp_path / "second.log") as second:
            code = second.process.wait(30)

    assert code == 1
    assert "is in use by another run" in second.output()
    assert f"servicelayer-api dev --data {folder}-2 --addr 127.0.0.1:8090" in second.output()


def test_the_database_does_not_outlive_a_killed_run(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with _dev(folder, tmp_path / "log") as dev:
        dev.wait_ready()
        dev.process.kill()
        dev.process.wait(10)

        deadline = time.monotonic() + patience(20)
        while _processes_of(folder) and time.monotonic() < deadline:
            time.sleep(0.1)

    assert _processes_of(folder) == []
