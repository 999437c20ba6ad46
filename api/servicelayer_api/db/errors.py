"""What the driver raises, said in the program's own terms, once.

`translate` maps what any query may meet (the database is away, too slow, refuses a text) to a
`ServiceError`; violations of constraints are left alone, because only the store that wrote the
statement knows what they mean. `diagnose` names the cause for the migration command and its exit
codes.
"""

from __future__ import annotations

import ssl
from typing import Literal

import asyncpg

from servicelayer_api.errors import Invalid, ServiceError, Unavailable

type Cause = Literal["unreachable", "refused", "other"]

_AWAY = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.InvalidCachedStatementError,
    # A connection that the server has just ended: the farewell is read, the end of the stream not.
    asyncpg.InternalClientError,
)
_LOGIN = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
# Met before the migrations have run, when this program is newer than the schema.
_BEHIND = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)
_RETRY = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)


def translate(exc: BaseException) -> ServiceError | None:
    """Say what a driver's error means to a caller, or `None` where others must say."""
    if isinstance(exc, (asyncpg.QueryCanceledError, TimeoutError)):
        return Unavailable("the database took too long")
    if isinstance(exc, _AWAY) or _closed(exc):
        return Unavailable("the database does not answer")
    if isinstance(exc, _RETRY):
        return Unavailable("the database is busy with a competing change; try again")
    if isinstance(exc, _BEHIND):
        return Unavailable("the database is not migrated for this version yet")
    if isinstance(exc, asyncpg.DataError) or _unencodable(exc):
        return Invalid("a value in the request cannot be stored")
    return None


def translate_connect(exc: BaseException) -> ServiceError | None:
    """Do the same for an error met while connecting."""
    if isinstance(exc, (OSError, ssl.SSLError)):
        return Unavailable("the database does not answer")
    if isinstance(exc, _LOGIN):
        return Unavailable("the database refuses the login")
    return translate(exc)


def diagnose(exc: BaseException) -> Cause:
    """Tell an unreachable database from one that refuses the login or a right."""
    if isinstance(exc, _LOGIN):
        return "refused"
    if isinstance(exc, (OSError, TimeoutError, ssl.SSLError, *_AWAY)) or _closed(exc):
        return "unreachable"
    return "other"


def _closed(exc: BaseException) -> bool:
    return isinstance(exc, asyncpg.InterfaceError) and (
        "closed" in str(exc) or "closing" in str(exc)
    )


def _unencodable(exc: BaseException) -> bool:
    """Tell a value that the client side could not encode; the driver makes it both of these."""
    return isinstance(exc, asyncpg.InterfaceError) and isinstance(exc, ValueError)
