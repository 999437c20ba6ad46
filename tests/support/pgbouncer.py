"""PgBouncer in transaction mode in front of a test's database, as the guide sets it up."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from support.api_server import free_port
from support.patience import patience

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


def find_pgbouncer() -> str | None:
    """Find the program; Debian puts it where only root's PATH looks."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextmanager
def pgbouncer(program: str, database_url: str, folder: Path) -> Generator[str]:
    """Run it; gives the address of the same database behind it."""
    behind, port = urlsplit(database_url), free_port()
    name = behind.path.strip("/")
    users = folder / "userlist.txt"
    users.write_text(f'"{behind.username}" "{behind.password}"\n')
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n{name} = host=127.0.0.1 port={behind.port} dbname={name}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = plain\nauth_file = {users}\npool_mode = transaction\n"
        "max_client_conn = 200\ndefault_pool_size = 3\n"
    )
    command = [program, "-q", str(config)]
    if os.geteuid() == 0:
        # It refuses to run as root; our launcher calls root otherwise and keeps the files readable.
        command = [sys.executable, "-m", "servicelayer_api.unprivileged", str(folder), *command]
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_for_port(port, process, folder / "pgbouncer.log")
        yield f"postgres://{behind.username}:{behind.password}@127.0.0.1:{port}/{name}?sslmode=disable"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + patience(10)
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"PgBouncer did not start: {log.read_text()[-1000:]}")
