"""The database's host by name: which lookups are made, and what they mean for a connection."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from servicelayer_api.db.names import Names


class NameServer:
    """What the system's resolver says; it can be made to wait."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.asked: list[str] = []
        self.answers = threading.Event()
        self.answers.set()

    def look_up(self, host: str, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        self.answers.wait(30)
        if host not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> NameServer:
    played = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", played.look_up)
    return played


async def test_one_known_host_of_several_is_enough(server: NameServer) -> None:
    """After a failover the other host may be gone from DNS."""
    names = Names("postgresql://one:5432,two:5432/x")
    server.known = {"two"}
    await names.find()
    server.known = set()
    with pytest.raises(socket.gaierror, match="not known"):
        await Names("postgresql://one:5432,two:5432/x").find()
    await names.close()


async def test_a_host_that_was_not_known_is_asked_for_again(server: NameServer) -> None:
    names = Names("postgresql://one:5432/x")
    with pytest.raises(socket.gaierror, match="not known"):
        await names.find()
    server.known = {"one"}
    await names.find()
    await names.find()
    assert server.asked == ["one", "one"]
    await names.close()


async def test_who_waits_shares_one_lookup_and_the_end_does_not_wait_for_it(
    server: NameServer,
) -> None:
    server.answers.clear()
    names = Names("postgresql://one:5432/x", wait=0.01)
    found = await asyncio.gather(*(names.find() for _ in range(5)), return_exceptions=True)
    assert [getattr(told, "errno", None) for told in found] == [socket.EAI_AGAIN] * 5
    assert server.asked == ["one"]
    # The limit bounds a hang: the resolver says nothing before this is over.
    try:
        async with asyncio.timeout(10):
            await names.close()
    finally:
        server.answers.set()
