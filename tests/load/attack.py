"""Attacks from the loopback, with an honest client beside each: `python -m load.attack`.

For each attack a server is started anew, with the memory of a pod: whoever grows beyond it is
killed, as the kernel would do it, and started again. Once a second somebody asks `/livez` as a
kubelet does. What is printed: how long the honest client waited, what he was refused, how often
the server was killed or did not answer its probe, how large it became, and how much the audit log
grew.

`--server PATH` names the Python of another checkout, to measure an older version in the same way.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import platform
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import bcrypt
import msgspec

from load.attacks import ATTACKS, Target, under
from load.sides import postgres_server
from support.api_server import TENANT, TOKEN, environment, free_port
from support.postgres import make_database

if TYPE_CHECKING:
    from collections.abc import Generator

    from load.attacks import Attack

_USER, _PASSWORD = "honest", "correct horse battery staple"
_POD_MIB = 512
_PACE = 0.1
_PATIENCE = 10.0
_HEADERS = {"authorization": f"Bearer {TOKEN}", "x-tenant-id": TENANT}


class Seen(msgspec.Struct):
    """What came of one attack."""

    waits_ms: list[float] = []
    errors: int = 0
    probes: int = 0
    dead_probes: int = 0
    kills: int = 0
    peak_mib: float = 0.0
    audit_rows: int = 0

    def percentile(self, share: float) -> float:
        """Give the wait that this share of the honest requests did not exceed."""
        found = sorted(self.waits_ms)
        return found[min(len(found) - 1, int(len(found) * share))] if found else float("inf")


class Pod:
    """A server that is killed when it outgrows its memory, and started again."""

    def __init__(self, python: str, database_url: str, folder: Path, seen: Seen) -> None:
        self.port = free_port()
        self.probe_port = free_port()
        self._seen = seen
        self._log = (folder / "api.log").open("ab")
        self._command = [python, "-m", "servicelayer_api", "serve"]
        hashed = bcrypt.hashpw(_PASSWORD.encode(), bcrypt.gensalt(10)).decode()
        self._environment = environment(
            database_url,
            self.port,
            {
                "AUTH_USERS": f"{_USER}:{hashed}:user:{TENANT}",
                "LOG_LEVEL": "info",
                "PROBE_ADDR": f"127.0.0.1:{self.probe_port}",
                "RATE_LIMIT": "100/s",
            },
        )
        self._stopping = threading.Event()
        self._process = self._start()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command, env=self._environment, stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=self._log,
        )  # fmt: skip

    def _watch(self) -> None:
        while not self._stopping.wait(0.02):
            size = _resident_mib(self._process.pid)
            self._seen.peak_mib = max(self._seen.peak_mib, size)
            if size > _POD_MIB:
                self._process.kill()
                self._process.wait()
            if self._process.poll() is not None and not self._stopping.is_set():
                self._seen.kills += 1
                self._process = self._start()

    def close(self) -> None:
        """Stop it."""
        self._stopping.set()
        self._watcher.join()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def _resident_mib(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/statm").read_text(encoding="ascii")
    except (OSError, ProcessLookupError):
        return 0.0
    return int(text.split()[1]) * 4096 / (1024 * 1024) if text else 0.0


def _ask(port: int, method: str, path: str, body: bytes | None = None) -> int:
    """Ask over a connection of its own; 0 when there was no answer in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    headers = {"content-type": "application/json"} if path.startswith("/auth") else _HEADERS
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    else:
        return answer.status
    finally:
        connection.close()


def _be_honest(port: int, seconds: float, seen: Seen, *, logs_in: bool) -> None:
    body = json.dumps({"username": _USER, "password": _PASSWORD}).encode()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        status = (
            _ask(port, "POST", "/auth/login", body) if logs_in else _ask(port, "GET", "/accounts")
        )
        if status == http.HTTPStatus.OK:
            seen.waits_ms.append((time.monotonic() - began) * 1000)
        else:
            seen.errors += 1
        time.sleep(_PACE)


@contextmanager
def _probing(port: int, seen: Seen) -> Generator[None]:
    """Ask `/livez` once a second, as a kubelet does."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(1.0):
            seen.probes += 1
            began = time.monotonic()
            # A kubelet waits five seconds for an answer.
            if _ask(port, "GET", "/livez") != http.HTTPStatus.OK or time.monotonic() - began > 5:
                seen.dead_probes += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + 60
    while _ask(port, "GET", "/readyz") != http.HTTPStatus.OK:
        if time.monotonic() > deadline:
            raise RuntimeError("the server did not become ready")
        time.sleep(0.1)


def _audit_rows(url: str) -> int:
    async def count() -> int:
        connection = await asyncpg.connect(url)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM audit_log"))
        finally:
            await connection.close()

    return asyncio.run(count())


def measure(attack: Attack, python: str, url: str, folder: Path, seconds: float) -> Seen:
    """Run one attack against a fresh server."""
    seen = Seen()
    pod = Pod(python, url, folder, seen)
    try:
        _wait_until_ready(pod.port)
        before = _audit_rows(url)
        own_listener = _ask(pod.probe_port, "GET", "/livez") == http.HTTPStatus.OK
        target = Target(pod.port, seconds + 2, _HEADERS, _USER)
        with (
            _probing(pod.probe_port if own_listener else pod.port, seen),
            under(attack, target),
        ):
            time.sleep(2)  # the attack unfolds
            _be_honest(pod.port, seconds, seen, logs_in=attack.logs_in)
        time.sleep(1)  # what is written after the answer
        seen.audit_rows = _audit_rows(url) - before
    finally:
        pod.close()
    return seen


def _table(rows: list[tuple[Attack, Seen]]) -> str:
    titles = ("attack", "honest: answers, errors", "p50 / p99 ms", "probes lost", "killed", "MiB")
    columns = (*titles, "audit rows")
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [
        f"| {attack.title} | {len(seen.waits_ms)}, {seen.errors} | {seen.percentile(0.5):.0f} / "
        f"{seen.percentile(0.99):.0f} | {seen.dead_probes} of {seen.probes} | {seen.kills} | "
        f"{seen.peak_mib:.0f} | {seen.audit_rows} |"
        for attack, seen in rows
    ]
    return "\n".join(lines)


def main() -> int:
    """Run the attacks that are asked for."""
    parser = argparse.ArgumentParser(prog="load.attack", description=__doc__)
    parser.add_argument("names", nargs="*", help="which; all when none is named")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack")
    parser.add_argument("--server", default=sys.executable, help="Python of the server's checkout")
    arguments = parser.parse_args()
    chosen = [one for one in ATTACKS if not arguments.names or one.name in arguments.names]
    rows: list[tuple[Attack, Seen]] = []
    with tempfile.TemporaryDirectory() as name, postgres_server(Path(name)) as server:
        for attack in chosen:
            url = asyncio.run(make_database(server))
            seen = measure(attack, arguments.server, url, Path(name), arguments.seconds)
            rows.append((attack, seen))
            print(f"{attack.name}: p99 {seen.percentile(0.99):.0f} ms, {seen.errors} errors")
    print(f"\n{platform.machine()}, {platform.system()} {platform.release()}, "
          f"Python {platform.python_version()}, a pod of {_POD_MIB} MiB\n")  # fmt: skip
    print(_table(rows))
    held = all(seen.percentile(0.99) < 1000 and not seen.kills for _, seen in rows)
    print("\nheld" if held else "\nNOT held: an honest client waited a second, or a server died")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
