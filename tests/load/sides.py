"""The two servers that are compared, each with a database of its own in one PostgreSQL.

Both get the same environment in what counts: one process, eight connections to the database, no
access log, the same token and tenant.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from servicelayer_api.local_postgres import LocalPostgres
from support.api_server import ENCRYPTION_KEY, TENANT, TOKEN, free_port, running_api
from support.postgres import make_database

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parents[2]
PEER_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 10.0
# Durable, as production is: a commit has reached the disk when it is answered.
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "shared_buffers": "128MB"}


class Side:
    """A running server: where it is, whose process it is, and what stands in its database."""

    def __init__(self, name: str, url: str, pid: int, database_url: str) -> None:
        self.name = name
        self.url = url
        self.pid = pid
        self.database_url = database_url
        self.headers = {"authorization": f"Bearer {TOKEN}", "x-tenant-id": TENANT}

    def client(self) -> httpx.Client:
        """Make a client that carries the token and the tenant."""
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=30, trust_env=False)

    def operations(self) -> set[tuple[str, str]]:
        """List what the server's OpenAPI document offers: method and path, parameters as `{}`."""
        with self.client() as client:
            document: dict[str, Any] = client.get("/openapi.json").raise_for_status().json()
        return {
            (method.upper(), _anonymous(path))
            for path, item in document["paths"].items()
            for method in item
        }


def _anonymous(path: str) -> str:
    parts = path.split("/")
    return "/".join("{}" if part.startswith("{") else part for part in parts)


@contextmanager
def postgres_server(folder: Path) -> Generator[LocalPostgres]:
    """Run a durable PostgreSQL for a while."""
    server = LocalPostgres(folder / "postgres", secrets.token_hex(8), settings=_DURABLE)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def product(database_url: str, folder: Path, **environment: str) -> Generator[Side]:
    """Run the product as it is served, with the rate limit of a proxy in front of it."""
    settings = {
        "RATE_LIMIT": "off",
        "LOG_LEVEL": "info",
        "PYTHONWARNINGS": "default",
        "EGRESS_ALLOW": "127.0.0.1/32",
        **environment,
    }
    with running_api(database_url, folder, **settings) as process:
        yield Side("product", process.url, process.pid, database_url)


@contextmanager
def peer(database_url: str, folder: Path) -> Generator[Side]:
    """Run the plain peer: FastAPI, uvicorn, SQLAlchemy."""
    port = free_port()
    address = database_url.replace("postgres://", "postgresql+asyncpg://", 1)
    environment = {
        "PEER_DATABASE_URL": address.replace("sslmode=", "ssl="),
        "PEER_TOKENS": TOKEN,
        "PEER_KEY": ENCRYPTION_KEY,
    }
    command = [
        *(str(PEER_PYTHON), "-m", "uvicorn", "load.peer.app:app", "--port", str(port)),
        *("--no-access-log", "--log-level", "warning"),
    ]
    with _started("peer", command, environment, folder) as process:
        side = Side("peer", f"http://127.0.0.1:{port}", process.pid, database_url)
        _wait(side, process, folder)
        yield side


@contextmanager
def bare(database_url: str, folder: Path) -> Generator[Side]:
    """Run the stack that the product stands on, without the product."""
    port = free_port()
    command = [sys.executable, "-m", "load.bare", str(port)]
    with _started("bare", command, {"BARE_DATABASE_URL": database_url}, folder) as process:
        side = Side("bare", f"http://127.0.0.1:{port}", process.pid, database_url)
        _wait(side, process, folder)
        yield side


@contextmanager
def _started(
    name: str, command: list[str], environment: dict[str, str], folder: Path
) -> Generator[subprocess.Popen[bytes]]:
    kept = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "tests"),
        "PYTHONSAFEPATH": "1",
    }
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=kept | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(side: Side, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    with side.client() as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.get("/livez").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
    said = (folder / f"{side.name}.log").read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"{side.name} did not start: {said[-2000:]}")


@contextmanager
def both(folder: Path, **environment: str) -> Generator[tuple[LocalPostgres, Side, Side]]:
    """Run PostgreSQL, the product and the peer."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server(folder))
        product_url, peer_url = _two_databases(server)
        yield (
            server,
            stack.enter_context(product(product_url, folder, **environment)),
            stack.enter_context(peer(peer_url, folder)),
        )


def _two_databases(server: LocalPostgres) -> tuple[str, str]:
    async def make() -> tuple[str, str]:
        return await make_database(server), await make_database(server)

    return asyncio.run(make())
