"""A primary that is switched over under load: nothing acknowledged is lost, and it heals itself."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Self

import asyncpg
import httpx
import pytest

from servicelayer_api.db import Database
from servicelayer_api.db.errors import DatabaseTrouble
from support.api_server import running_api
from support.failover import FailoverPair
from support.patience import patience

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.api_server import ApiProcess

_SWITCHES = 3
_CLIENTS = 4
_LIMIT = 60.0


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[FailoverPair]:
    made = FailoverPair(tmp_path / "pair")
    try:
        (tmp_path / "pair").mkdir()
        made.start()
        yield made
    finally:
        made.stop()


class Load:
    """Clients that open accounts as fast as they are let; what was acknowledged is kept."""

    def __init__(self, api: ApiProcess) -> None:
        self._api = api
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(_CLIENTS)]
        self.acknowledged: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self) -> None:
        """Wait until something more was acknowledged."""
        before, deadline = len(self.acknowledged), time.monotonic() + patience(_LIMIT)
        while len(self.acknowledged) == before:
            assert time.monotonic() < deadline, self._api.output()[-3000:]
            time.sleep(0.02)

    def _run(self) -> None:
        with self._api.client() as client:
            while not self._ended.is_set():
                answer = client.post("/accounts", json={"owner": "somebody"})
                if answer.status_code == 201:
                    self.acknowledged.append(answer.json()["ID"])
                else:
                    assert answer.status_code == 503, answer.text
                    time.sleep(0.02)


@pytest.mark.timeout(300)
def test_switching_over_three_times_loses_nothing_and_heals_by_itself(
    pair: FailoverPair, tmp_path: Path
) -> None:
    with running_api(pair.url(), tmp_path) as api, Load(api) as load:
        for _ in range(_SWITCHES):
            load.wait_for_more()
            pair.lose_primary()
            api.wait_for("/readyz", 503, _LIMIT)
            pair.promote()
            api.wait_for("/readyz", 200, _LIMIT)
            with api.client() as client:
                assert client.post("/accounts", json={"owner": "ready"}).status_code == 201
            load.wait_for_more()
            pair.rebuild()
        assert api.returncode is None
    assert asyncio.run(_missing(pair.primary.url(), load.acknowledged)) == []


async def _missing(url: str, ids: list[str]) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT id::text FROM accounts")
    finally:
        await connection.close()
    return sorted(set(ids) - {row["id"] for row in rows})


async def test_a_standby_is_not_taken_for_a_primary(pair: FailoverPair) -> None:
    database = Database(pair.standby.url())
    await database.open()
    try:
        with pytest.raises(DatabaseTrouble) as caught:
            await database.require_writes()
        place = f"127.0.0.1:{pair.standby.port}"
        assert caught.value.told == f"the database at {place} takes no writes: it is a standby"
    finally:
        await database.close()


def test_the_program_serves_its_readers_of_health_while_only_a_standby_is_left(
    pair: FailoverPair, tmp_path: Path
) -> None:
    with running_api(pair.url(), tmp_path) as api:
        pair.lose_primary()
        api.wait_for("/readyz", 503, _LIMIT)
        assert httpx.get(f"{api.url}/livez", trust_env=False).status_code == 200
        with api.client() as client:
            modules = client.get("/system/status").json()["modules"]
    (store,) = [module for module in modules if module["name"] == "store"]
    hosts = f"127.0.0.1:{pair.primary.port}, 127.0.0.1:{pair.standby.port}"
    assert hosts in store["ready_error"]
