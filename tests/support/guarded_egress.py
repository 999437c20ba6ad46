"""The egress guard in front of an outside world that a test sets up."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from servicelayer_api.egress import Egress, EgressFailed, parse_openings
from support.hostile_targets import PUBLIC
from support.outside_world import Names, World

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"


class Guarded:
    """A guard in front of an outside world."""

    def __init__(self, *, allow: Sequence[str] = (), ports: Sequence[str] = ("80", "443")) -> None:
        self.names = Names(every=[PUBLIC])
        self.world = World()
        self.metrics = CollectorRegistry()
        self.openings = parse_openings(allow, ports)
        self.egress = self.build("")

    def build(self, ca_file: str) -> Egress:
        """Make the client."""
        return Egress(
            self.openings,
            self.metrics,
            ca_file=ca_file,
            resolver=self.names,
            sockets=self.world,
        )

    def count(self, outcome: str) -> float:
        """Read the metric."""
        return self.metrics.get_sample_value("egress_requests_total", {"outcome": outcome}) or 0


@asynccontextmanager
async def guard() -> AsyncGenerator[Guarded]:
    """A guard that is closed at the end."""
    found = Guarded()
    yield found
    await found.egress.close()


async def failure(egress: Egress, url: str, **options: float) -> str:
    """The kind of the failure that a request ends with."""
    with pytest.raises(EgressFailed) as caught:
        await egress.request("GET", url, **options)  # pyright: ignore[reportArgumentType]
    return caught.value.kind
