"""The module `store`: the database as the rest of the program sees it.

Ready means that the database answers, takes writes, and that its schema is as new as this code
needs. It is asked each time, so that a failover, a full disk and migrations run by another process
are noticed at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.db.errors import DatabaseTrouble
from servicelayer_api.db.migrations import SchemaVersion
from servicelayer_api.errors import ServiceError
from servicelayer_api.web.modules import Module, NotReady

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servicelayer_api.db import Database


class Store:
    """Watches the database for the registry of modules."""

    def __init__(self, database: Database, latest: int) -> None:
        """Watch a database.

        Args:
            database: To ask.
            latest: The version of the schema that this code needs.
        """
        self._database = database
        self.latest = latest
        self.current: int | None = None

    def module(self) -> Module:
        """Describe the database as a module."""
        return Module(
            name="store",
            domain="store",
            layer="infra",
            capabilities=("store", "postgres"),
            surface="store",
            critical=True,
            start=self._database.open,
            stop=self._database.close,
            probe=self._probe,
            figures=self._figures,
        )

    async def _probe(self) -> None:
        try:
            async with self._database.connection() as connection:
                self.current = await SchemaVersion.read(connection)
            if self.current >= self.latest:
                await self._database.require_writes()
        except DatabaseTrouble as exc:
            raise NotReady(exc.told) from exc
        except ServiceError as exc:
            raise NotReady(exc.detail) from exc
        if self.current < self.latest:
            raise NotReady(
                f"the schema is at version {self.current}, this code needs {self.latest}: "
                "run servicelayer-api migrate"
            )

    def _figures(self) -> Mapping[str, int]:
        return self._database.figures()
