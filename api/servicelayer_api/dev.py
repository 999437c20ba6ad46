"""`servicelayer-api dev`: the API here with a PostgreSQL and secrets of its own, in one command.

The secrets are made once and kept in the data folder, so that a token goes on working from one run
to the next. Invariant: nothing is left running, and nothing is reachable from another machine
unless `--addr` or `LISTEN_ADDR` says so.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import os
import secrets
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import bcrypt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from servicelayer_api import settings_checks, settings_loader
from servicelayer_api.db.migrations import load_migrations
from servicelayer_api.db.migrator import MigrationError, Migrator
from servicelayer_api.local_postgres import LocalPostgres, PostgresError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from servicelayer_api.settings import Settings

_DATABASE = "servicelayer"
_TENANT = "dev"
_BCRYPT_ROUNDS = 10


class DevSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """What a run needs and a later run must find again."""

    api_token: str
    jwt_secret: str
    admin_password: str
    admin_hash: str
    encryption_key: str
    signing_key: str
    postgres_password: str


def run(
    data: Path | None,
    addr: str | None,
    serve: Callable[[Settings, Callable[[], None]], int],
) -> int:
    """Start everything, serve until Ctrl-C, stop everything.

    Args:
        data: Folder for database and secrets; a folder of the user's own when left out.
        addr: Where to listen; the loopback address when left out.
        serve: Serves settings, and calls back once when it is ready.

    Returns:
        The exit code.
    """
    began = time.monotonic()
    folder = (data or _default_folder()).resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with _only_one(folder):
            kept = _load_secrets(folder / "secrets.json")
            postgres = LocalPostgres(folder / "postgres", kept.postgres_password)
            _say(f"PostgreSQL starts in {folder / 'postgres'}")
            postgres.start()
            try:
                asyncio.run(_prepare(postgres))
                settings = _settings(kept, postgres.url(_DATABASE), addr)
                settings_checks.check_serve(settings)
                return serve(settings, lambda: _announce(settings, kept, began))
            finally:
                postgres.stop()
                _say("stopped; the data is kept")
    except (PostgresError, MigrationError, _Taken) as exc:
        sys.stderr.write(f"servicelayer-api: {exc}\n")
        return 1


class _Taken(Exception):
    """Another run uses the folder."""


@contextmanager
def _only_one(folder: Path) -> Generator[None]:
    with (folder / "lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _Taken(
                f"{folder} is in use by another run; give this one a folder and a port of "
                f"its own: servicelayer-api dev --data {folder}-2 --addr 127.0.0.1:8090"
            ) from None
        yield


def _default_folder() -> Path:
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "servicelayer" / "dev"


def _load_secrets(path: Path) -> DevSecrets:
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=DevSecrets)
    made = _make_secrets()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(made), indent=2))
    return made


def _make_secrets() -> DevSecrets:
    password = secrets.token_urlsafe(12)
    key = Ed25519PrivateKey.generate()
    pair = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return DevSecrets(
        api_token=secrets.token_hex(24),
        jwt_secret=secrets.token_hex(32),
        admin_password=password,
        admin_hash=bcrypt.hashpw(password.encode(), bcrypt.gensalt(_BCRYPT_ROUNDS)).decode(),
        encryption_key=secrets.token_hex(32),
        signing_key=base64.b64encode(pair).decode(),
        postgres_password=secrets.token_hex(16),
    )


async def _prepare(postgres: LocalPostgres) -> None:
    """Make the database at the first run, and bring it to the newest version at every run."""
    connection = await asyncpg.connect(postgres.url())
    try:
        known = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _DATABASE)
        if known is None:
            await connection.execute(f"CREATE DATABASE {_DATABASE}")
    finally:
        await connection.close()
    await Migrator(
        postgres.url(_DATABASE), load_migrations(), lambda line: _say(f"migrations: {line}")
    ).run()


def _settings(kept: DevSecrets, url: str, addr: str | None) -> Settings:
    """Put the generated values over the environment, and defaults that suit a desk under it."""
    defaults = {
        "API_DOCS": "public",
        "LISTEN_ADDR": "127.0.0.1:8080",
        "LOG_FORMAT": "text",
        "DEFAULT_TENANT": _TENANT,
        "SHUTDOWN_DELAY_SECONDS": "0",
    }
    generated = {
        "DATABASE_URL": url,
        "API_TOKENS": kept.api_token,
        "AUTH_USERS": f"admin:{kept.admin_hash}:admin",
        "AUTH_JWT_SECRET": kept.jwt_secret,
        "SECRET_ENCRYPTION_KEY": kept.encryption_key,
        "RANDOM_SIGNING_KEY": kept.signing_key,
        "MIGRATE": "false",
    }
    environ = {**defaults, **os.environ, **generated}
    for name in generated:
        environ.pop(f"{name}_FILE", None)
    if addr is not None:
        environ["LISTEN_ADDR"] = addr
    return settings_loader.load(environ)


def _announce(settings: Settings, kept: DevSecrets, began: float) -> None:
    address = settings.listen_addr
    base = f"http://{address.host or '127.0.0.1'}:{address.port}"
    sys.stdout.write(
        f"\nReady in {time.monotonic() - began:.1f} s\n"
        f"  API        {base}\n"
        f"  API page   {base}/docs#token={kept.api_token}\n"
        f"  token      {kept.api_token}\n"
        f"  login      admin / {kept.admin_password}\n"
        f"  tenant     {settings.default_tenant} (when X-Tenant-ID is not sent)\n\n"
        f"  curl -s -H 'Authorization: Bearer {kept.api_token}' {base}/system/status\n\n"
        "Ctrl-C stops it.\n"
    )
    sys.stdout.flush()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
