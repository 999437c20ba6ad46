"""What the driver raises, said in the program's own terms, once.

The trouble of a database is told by the class of its SQLSTATE (PostgreSQL, appendix A), so that an
error that nobody thought of is still told as what it is. `translate` gives the caller's view, a
`ServiceError`; violations of constraints are left alone, because only the store that wrote the
statement knows what they mean. `explain` gives the view of whoever runs the program: one sentence
with the host and PostgreSQL's own words.

Refused here: the detail, the hint and the statement of a driver's error, which may hold data.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import TYPE_CHECKING, Final, Literal

import asyncpg
import msgspec

from servicelayer_api.errors import Invalid, ServiceError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

type Cause = Literal["unreachable", "refused", "other"]


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is the matter with the database, not with the request.

    Attributes:
        name: for logs, stable.
        says: to a caller; no host, no name of ours.
        remedy: to whoever runs the program; empty where there is nothing to do but wait.
        condemns: the connection is of no more use and must leave the pool.
        all_connections: the others are suspect as well, such as after a failover.
        stops_writes: no write may succeed until one has been tried.
        uncached: a pooler in between lost a prepared statement.
        passes_by_itself: a part of normal work, nothing to tell anybody.
    """

    name: str
    says: str
    remedy: str = ""
    condemns: bool = False
    all_connections: bool = False
    stops_writes: bool = False
    uncached: bool = False
    passes_by_itself: bool = False


class DatabaseTrouble(Unavailable):
    """The database does not answer or takes no writes now; the same request may succeed later."""

    def __init__(self, trouble: Trouble, told: str) -> None:
        """Refuse because of a trouble.

        Args:
            trouble: which.
            told: one sentence for whoever runs the program; never shown to a caller.
        """
        super().__init__(trouble.says)
        self.trouble = trouble
        self.told = told


class ReadOnlyError(Exception):
    """The database answers and takes no writes: it is a standby or set to read only."""


class RightMissingError(Exception):
    """The program's user may not write to a table; the text names it."""


_AWAY: Final = Trouble(name="away", says="the database does not answer", condemns=True)
_SLOW: Final = Trouble(name="slow", says="the database took too long")
_BUSY: Final = Trouble(
    name="busy",
    says="the database is busy with a competing change; try again",
    passes_by_itself=True,
)
_CHANGED: Final = Trouble(
    name="changed",
    says="the database was changed meanwhile; try again",
    passes_by_itself=True,
)
# Met before the migrations have run, when this program is newer than the schema.
_BEHIND: Final = Trouble(
    name="not-migrated",
    says="the database is not migrated for this version yet",
    remedy="run: servicelayer-api migrate",
)
_READ_ONLY: Final = Trouble(
    name="read-only",
    says="the database takes no writes now",
    remedy="point DATABASE_URL at the primary (several hosts may be listed: h1:5432,h2:5432), "
    "or reset default_transaction_read_only",
    condemns=True,
    all_connections=True,
)
_LOGIN: Final = Trouble(
    name="login-refused",
    says="the database refuses the login",
    remedy="check user, password, database name and TLS of DATABASE_URL, and pg_hba.conf",
    condemns=True,
)
_RIGHTS: Final = Trouble(
    name="right-missing",
    says="the database refuses a right",
    remedy="grant the service's user SELECT, INSERT, UPDATE and DELETE on its tables",
    stops_writes=True,
)
_RESOURCES: Final = Trouble(
    name="out-of-resources",
    says="the database has run out of resources",
    remedy="look at the database server's log",
    stops_writes=True,
)
_DISK: Final = Trouble(
    name="disk-full",
    says="the database has no room left",
    remedy="free or add disk space at the database server",
    stops_writes=True,
)
_OPTION: Final = Trouble(
    name="option-unknown",
    says="the database refuses the login",
    remedy="take the option out of the query of DATABASE_URL",
    condemns=True,
)
POOL_EXHAUSTED: Final = Trouble(
    name="pool-exhausted",
    says="all connections to the database are in use",
    remedy="raise DATABASE_POOL_SIZE, or look for slow statements and locks",
)
_CONNECTIONS: Final = Trouble(
    name="too-many-connections",
    says="the database takes no more connections",
    remedy="lower DATABASE_POOL_SIZE, raise max_connections, or put a pooler in between",
)
_STORAGE: Final = Trouble(
    name="storage-fault",
    says="the database cannot read or write its files",
    remedy="look at the database server's log and its disks",
    stops_writes=True,
)
_STATEMENT: Final = Trouble(
    name="statement-lost",
    says="the database does not answer",
    remedy="a pooler in transaction mode loses prepared statements: set "
    "DATABASE_STATEMENT_CACHE=off, or PgBouncer's max_prepared_statements (1.21 or newer)",
    condemns=True,
    uncached=True,
)
_ENDED: Final = Trouble(
    name="connection-ended",
    says="the database ended the connection",
    remedy="look for a server-side timeout such as idle_in_transaction_session_timeout",
    condemns=True,
)

# By SQLSTATE or its beginning; the longest that fits counts.
_BY_STATE: Final[Mapping[str, Trouble]] = {
    "08": _AWAY,
    "25006": _READ_ONLY,
    "25P03": _ENDED,
    "25P04": _ENDED,
    "26": _STATEMENT,
    "28": _LOGIN,
    "3D": _LOGIN,
    "3F": _BEHIND,
    "40001": _BUSY,
    "40P01": _BUSY,
    "40003": _AWAY,
    "42501": _RIGHTS,
    "42703": _BEHIND,
    "42P01": _BEHIND,
    "42P05": _STATEMENT,
    "53": _RESOURCES,
    "53100": _DISK,
    "53300": _CONNECTIONS,
    "55P03": _BUSY,
    "57": _AWAY,
    "57014": _SLOW,
    "57P05": _ENDED,
    "58": _STORAGE,
    "F0": _STORAGE,
    "XX001": _STORAGE,
    "XX002": _STORAGE,
}
_BY_TYPE: Final[tuple[tuple[tuple[type[BaseException], ...], Trouble], ...]] = (
    ((ReadOnlyError, asyncpg.TargetServerAttributeNotMatched), _READ_ONLY),
    ((RightMissingError,), _RIGHTS),
    ((TimeoutError,), _SLOW),
    ((asyncpg.OutdatedSchemaCacheError, asyncpg.InvalidCachedStatementError), _CHANGED),
)
# The second: a connection that the server has just ended; the farewell is read, the end is not.
_ENDS: Final = (ConnectionError, asyncpg.InternalClientError)
_AT_LOGIN: Final[Mapping[str, Trouble]] = {"42501": _LOGIN, "42704": _OPTION}
_INVALID: Final = {
    "22": "a value in the request cannot be stored",
    "54": "a value in the request is too large to be stored",
}


def find_trouble(exc: BaseException) -> Trouble | None:
    """Tell which trouble of the database an error is; `None` when it is none."""
    for types, trouble in _BY_TYPE:
        if isinstance(exc, types):
            return trouble
    if isinstance(exc, asyncpg.PostgresError):
        state = exc.sqlstate or ""
        known = (state[:length] for length in range(len(state), 1, -1))
        return next((_BY_STATE[prefix] for prefix in known if prefix in _BY_STATE), None)
    if isinstance(exc, _ENDS) or _closed(exc):
        return _AWAY
    return None


def find_connect_trouble(exc: BaseException) -> Trouble | None:
    """Do the same for an error met while connecting."""
    if isinstance(exc, (OSError, ssl.SSLError)):
        return _AWAY
    if isinstance(exc, asyncpg.PostgresError) and exc.sqlstate in _AT_LOGIN:
        return _AT_LOGIN[exc.sqlstate]
    return find_trouble(exc)


def translate(exc: BaseException, place: str) -> ServiceError | None:
    """Say what a driver's error means to a caller, or `None` where others must say.

    Args:
        exc: what the driver raised.
        place: host and port of the database, without credentials.
    """
    trouble = find_trouble(exc)
    if trouble is not None:
        return DatabaseTrouble(trouble, explain(exc, place))
    if isinstance(exc, asyncpg.PostgresError):
        text = _INVALID.get((exc.sqlstate or "")[:2])
        return None if text is None else Invalid(text)
    if isinstance(exc, asyncpg.DataError) or _unencodable(exc):
        return Invalid(_INVALID["22"])
    return None


def translate_connect(exc: BaseException, place: str) -> ServiceError | None:
    """Do the same for an error met while connecting."""
    trouble = find_connect_trouble(exc)
    return None if trouble is None else DatabaseTrouble(trouble, explain(exc, place))


def diagnose(exc: BaseException) -> Cause:
    """Tell a database that cannot be used now from one that refuses the login or a right."""
    trouble = find_connect_trouble(exc)
    if trouble in {_LOGIN, _OPTION, _RIGHTS}:
        return "refused"
    return "other" if trouble in {None, _BEHIND, _BUSY, _CHANGED, _SLOW} else "unreachable"


def explain(exc: BaseException, place: str) -> str:
    """Say in one sentence what is the matter, for whoever runs the program.

    Args:
        exc: what the driver raised.
        place: host and port, without credentials.
    """
    if isinstance(exc, OSError):
        return _explain_network(exc, place)
    if isinstance(exc, asyncpg.TargetServerAttributeNotMatched):
        return f"none of the databases at {place} takes writes"
    if isinstance(exc, (ReadOnlyError, RightMissingError)):
        return f"the database at {place} takes no writes: {exc}"
    if isinstance(exc, asyncpg.PostgresError):
        # The message names tables, settings and users, never data; the detail would.
        words = str(exc.args[0]) if exc.args else type(exc).__name__
        return f"the database at {place} says: {words} ({exc.sqlstate})"
    return f"the database at {place} failed ({type(exc).__name__})"


def _explain_network(exc: OSError, place: str) -> str:
    if isinstance(exc, socket.gaierror) and exc.errno == socket.EAI_AGAIN:
        return f"DNS does not answer for the database's host: {place} ({exc.strerror})"
    if isinstance(exc, socket.gaierror):
        return f"the database's host is not known to DNS: {place} ({exc.strerror})"
    if isinstance(exc, TimeoutError):
        return f"the database at {place} did not answer in time"
    if isinstance(exc, ConnectionError) and "rejected SSL" in str(exc):
        return f"the database at {place} offers no TLS, which sslmode asks for"
    if isinstance(exc, ssl.SSLError):
        return f"TLS with the database at {place} failed: {exc.reason or type(exc).__name__}"
    words = os.strerror(exc.errno) if exc.errno else "the connection ended"
    return f"the database at {place} cannot be reached: {words}"


def _closed(exc: BaseException) -> bool:
    return isinstance(exc, asyncpg.InterfaceError) and (
        "closed" in str(exc) or "closing" in str(exc)
    )


def _unencodable(exc: BaseException) -> bool:
    """Tell a value that the client side could not encode; the driver makes it both of these."""
    return isinstance(exc, asyncpg.InterfaceError) and isinstance(exc, ValueError)
