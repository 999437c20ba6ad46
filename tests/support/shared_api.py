"""A database and a server for a whole module of tests, which make rows of their own in it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from support.api_server import running_api
from support.postgres import TEMPLATE, drop_database, make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from servicelayer_api.local_postgres import LocalPostgres
    from support.api_server import ApiProcess


@contextmanager
def own_database(postgres: LocalPostgres) -> Iterator[str]:
    """Make a migrated database, give its address, drop it at the end."""
    url = asyncio.run(make_database(postgres, TEMPLATE))
    try:
        yield url
    finally:
        asyncio.run(drop_database(postgres, url))


@pytest.fixture(scope="module")
def server(
    postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """A server with the default settings; a module that needs others has a `server` of its own."""
    folder = tmp_path_factory.mktemp("server")
    with own_database(postgres) as url, running_api(url, folder) as process:
        yield process


@pytest.fixture
def client(server: ApiProcess) -> Iterator[httpx.Client]:
    """A client of the module's server, in a tenant of its own."""
    with server.client(**{"x-tenant-id": f"tenant-{uuid4()}"}) as made:
        yield made
