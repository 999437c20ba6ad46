"""DATABASE_URL: its form, the hosts it names, and what the driver is told.

The form is libpq's: one host or several (`h1:5432,h2:5432`). Of several the one that takes writes
is used, unless `target_session_attrs` asks for another. Refusals never repeat the address, which
holds a password.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

CONNECT_TIMEOUT: Final = 5.0
_APPLICATION: Final = "servicelayer-api"
_SSL_MODES: Final = frozenset({
    *("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
})  # fmt: skip
_TARGETS: Final = frozenset({
    *("any", "primary", "read-write", "standby", "prefer-standby", "read-only"),
})  # fmt: skip
_WRITE: Final = "write postgres://user:password@host:5432/name?sslmode=require"
_HIGHEST_PORT: Final = 65535


def parse_dsn(dsn: str) -> str | None:
    """Check the form of a database address; say what is wrong, without repeating it, or `None`."""
    try:
        parts = urlsplit(dsn)
        hosts = _hosts(dsn)
    except ValueError:
        return f"it is not a URL; {_WRITE}"
    query = dict(parse_qsl(parts.query))
    mode = query.get("sslmode", "prefer")
    target = query.get("target_session_attrs", "any")
    faults = {
        "it does not begin with postgres://": parts.scheme not in {"postgres", "postgresql"},
        f"a port is not a number from 1 to {_HIGHEST_PORT}": not all(
            port is None or 0 < port <= _HIGHEST_PORT for _, port in hosts
        ),
        "a character of its user or password must be percent-encoded": "@" in parts.path
        or "@" in parts.fragment
        or ("@" in parts.query and "@" not in parts.netloc),
        "it names no host": not all(host for host, _ in hosts) and "host" not in query,
        "it names no database": not parts.path.strip("/")
        and not ({"dbname", "database"} & query.keys()),
        "its sslmode is unknown": mode not in _SSL_MODES,
        f"its target_session_attrs is none of {', '.join(sorted(_TARGETS))}": target
        not in _TARGETS,
    }
    return next((f"{fault}; {_WRITE}" for fault, found in faults.items() if found), None)


def place_of(dsn: str) -> str:
    """Name the hosts and ports of an address that `parse_dsn` accepts, without credentials."""
    named = dict(parse_qsl(urlsplit(dsn).query)).get("host", "")
    hosts = [(host, port) for host, port in _hosts(dsn) if host]
    return ", ".join(f"{host}:{port or 5432}" for host, port in hosts) or named


def hosts_of(dsn: str) -> list[str]:
    """List the hosts of an address that have to be looked up: those that are no socket's folder."""
    named = dict(parse_qsl(urlsplit(dsn).query)).get("host", "")
    hosts = [host.strip("[]") for host, _ in _hosts(dsn) if host] or named.split(",")
    return [host for host in hosts if host and not host.startswith("/")]


def connect_options(dsn: str, *, statement_cache: bool, timeout: float) -> dict[str, Any]:
    """Give the driver's options that the pool and the migration runner share.

    Args:
        dsn: the address.
        statement_cache: whether prepared statements are kept by name.
        timeout: seconds that a statement may take.
    """
    options: dict[str, Any] = {"timeout": CONNECT_TIMEOUT, "command_timeout": timeout}
    if statement_cache:
        # PgBouncer refuses start-up parameters it does not know, so this one is sent without it
        # only.
        options["server_settings"] = {"application_name": _APPLICATION}
    else:
        options["statement_cache_size"] = 0
    if len(_hosts(dsn)) > 1 and "target_session_attrs" not in dict(parse_qsl(urlsplit(dsn).query)):
        options["target_session_attrs"] = "read-write"
    return options


def _hosts(dsn: str) -> list[tuple[str, int | None]]:
    """Read the hosts with their ports; a `ValueError` for what is none."""
    found: list[tuple[str, int | None]] = []
    for item in urlsplit(dsn).netloc.rpartition("@")[2].split(","):
        host, separator, port = item.rpartition(":")
        if not separator or "]" in port:
            host, port = item, ""
        if port and not (port.isascii() and port.isdigit()):
            raise ValueError
        found.append((host, int(port) if port else None))
    return found
