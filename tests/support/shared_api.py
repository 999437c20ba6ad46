"""A database for a whole module of tests, which make rows of their own in it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.postgres import TEMPLATE, drop_database, make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servicelayer_api.local_postgres import LocalPostgres


@contextmanager
def own_database(postgres: LocalPostgres) -> Iterator[str]:
    """Make a migrated database, give its address, drop it at the end."""
    url = asyncio.run(make_database(postgres, TEMPLATE))
    try:
        yield url
    finally:
        asyncio.run(drop_database(postgres, url))
