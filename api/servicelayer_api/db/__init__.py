"""PostgreSQL: the pool, transactions, the migration runner and leases.

Promise: code above this room sees a `Connection` and `ServiceError`s, and never has to know whether
the database was away a moment ago.
"""

from servicelayer_api.db.address import parse_dsn
from servicelayer_api.db.pool import Connection, Database
from servicelayer_api.db.shared_reads import SharedReads

__all__ = ["Connection", "Database", "SharedReads", "parse_dsn"]
