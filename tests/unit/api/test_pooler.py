"""Whether statements are kept, as told by poolers that are not part of the integration tests.

The stand-in answers as asyncpg would behind them: PgBouncer 1.21 and newer give statements names of
their own (`max_prepared_statements`); 1.18 is run for real in `test_pgbouncer.py`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from servicelayer_api.db.pooler import keeps_statements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Prepared:
    """A statement that the driver has prepared."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_query(self) -> str:
        return self._text


class Connection:
    """A connection; `named` makes the server's name of a statement out of the client's."""

    def __init__(self, *, behind: bool, named: Any) -> None:
        self._behind = behind
        self._named = named
        self._statements: dict[str, str] = {}
        self.executed: list[str] = []

    @asynccontextmanager
    async def transaction(self, *, readonly: bool) -> AsyncIterator[None]:
        assert readonly
        yield

    def get_server_pid(self) -> int:
        return -7 if self._behind else 7

    async def prepare(self, text: str, *, name: str) -> Prepared:
        self._statements[text] = self._named(name)
        return Prepared(text)

    async def fetchval(self, _statement: str, *arguments: str) -> object:
        return self._statements[arguments[0]] if arguments else 7

    async def execute(self, statement: str) -> None:
        self.executed.append(statement)


@pytest.mark.parametrize(
    ("behind", "named", "kept"),
    [
        (False, lambda name: name, True),
        (True, lambda _: "PGBOUNCER_1", True),
        (True, lambda name: name, False),
        (True, lambda _: None, False),
    ],
    ids=["no pooler", "a pooler that renames", "one that passes names on", "one that loses them"],
)
async def test_statements_are_kept_without_a_pooler_or_behind_one_that_keeps_track(
    behind: bool, named: Any, kept: bool
) -> None:
    connection: Any = Connection(behind=behind, named=named)

    assert await keeps_statements(connection) is kept
