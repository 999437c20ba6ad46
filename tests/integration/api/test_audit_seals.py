"""Sealing the audit log: the order of leaves, who may seal, what is written when."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from servicelayer_api.audit.sealer import Sealer
from servicelayer_api.audit.verify import verify_database
from servicelayer_api.clock import SystemClock
from servicelayer_api.db.leases import LeaseLost
from servicelayer_api.errors import Unavailable
from support.audit_trail import KEY, Trail, changes, open_trail, tamper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from servicelayer_api.crypto.signed_note import NoteVerifier
    from servicelayer_api.db import Connection


@pytest.fixture
async def trail(database_url: str) -> AsyncIterator[Trail]:
    async with open_trail(database_url) as opened:
        yield opened


async def leaves(trail: Trail) -> list[int]:
    return [row["seq"] for row in await trail.fetch("SELECT seq FROM audit_leaves ORDER BY leaf")]


@asynccontextmanager
async def undone(trail: Trail) -> AsyncIterator[Connection]:
    """A transaction that is rolled back at its end."""
    with suppress(Unavailable):
        async with trail.database.transaction() as connection:
            yield connection
            raise Unavailable


async def test_every_entry_is_sealed_once_in_order_and_the_log_verifies(trail: Trail) -> None:
    await trail.write(2300)
    assert await trail.seal() == 2300
    await trail.write(3)
    assert await trail.seal() == 3

    assert await leaves(trail) == await trail.seqs()
    report = await trail.verify()
    assert (report.faults, report.entries, report.checkpoints) == ([], 2303, 4)
    assert await trail.seal() == 0
    assert not await trail.sealer.is_behind()


async def test_log_that_is_written_and_sealed_while_it_is_verified_is_good(
    trail: Trail, database_url: str
) -> None:
    await trail.write(100)
    await trail.seal()
    lease = await trail.sealer.lead()
    assert lease is not None
    await trail.sealer.yield_lead(lease)

    async def grow() -> None:
        async with open_trail(database_url) as other:
            await other.write(1)
            await other.seal()

    grown = 0

    def find_while_it_grows(origin: str) -> Sequence[NoteVerifier]:
        # Asked for each checkpoint, between two queries of the check.
        nonlocal grown
        grown += 1
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, grow()).result()
        return KEY.verifiers(origin)

    report = await verify_database(trail.database, find_while_it_grows)
    assert grown == 1
    assert (report.faults, report.entries) == ([], 100)
    assert (await trail.verify()).entries == 101


async def test_entry_of_a_transaction_that_commits_late_is_sealed_when_it_does(
    trail: Trail,
) -> None:
    assert not await trail.sealer.is_behind()
    async with trail.database.transaction() as slow:
        await trail.write(1, slow)
        await trail.write(2)
        assert await trail.sealer.is_behind()
        assert await trail.seal() == 0
        await trail.sealer.probe()
        assert trail.sealer.figures()["unsealed"] == 2
    assert await trail.seal() == 3
    assert await leaves(trail) == await trail.seqs()


async def test_number_that_was_drawn_early_and_used_late_is_not_left_out(trail: Trail) -> None:
    (row,) = await trail.fetch(
        "SELECT nextval(pg_get_serial_sequence('audit_log', 'seq')) AS early"
    )
    await trail.write(2)
    assert await trail.seal() == 2
    await trail.fetch(
        "INSERT INTO audit_log OVERRIDING SYSTEM VALUE SELECT $1, gen_random_uuid(), at, actor, "
        "role, credential, tenant, account_id, action, resource_id, method, path, status, "
        "request_id, remote_addr, user_agent FROM audit_log LIMIT 1",
        row["early"],
    )
    assert await trail.seal() == 1
    assert (await leaves(trail))[-1] == row["early"] == (await trail.seqs())[0]
    assert await trail.faults() == []


async def test_numbers_of_changes_that_were_undone_are_no_gap(trail: Trail) -> None:
    await trail.write(1)
    async with undone(trail) as connection:
        await trail.write(5, connection)
    await trail.write(1)

    assert await trail.seal() == 2
    first, last = await trail.seqs()
    assert last == first + 6
    assert await trail.faults() == []


async def test_each_entry_becomes_one_leaf_however_transactions_overlap(trail: Trail) -> None:
    chance, done = random.Random(4), asyncio.Event()  # noqa: S311 - a schedule, not a secret
    sealed = 0

    async def change() -> None:
        for _ in range(25):
            fate = undone(trail) if chance.random() < 0.3 else trail.database.transaction()
            async with fate as connection:
                await trail.write(chance.randint(1, 3), connection)
                await asyncio.sleep(chance.random() / 200)

    async def keep_sealing() -> None:
        nonlocal sealed
        while not done.is_set():
            sealed += await trail.seal(limit=7)
            await asyncio.sleep(0)

    sealing = asyncio.create_task(keep_sealing())
    await asyncio.gather(*(change() for _ in range(5)))
    done.set()
    await sealing
    sealed += await trail.seal()

    assert sealed == len(await trail.seqs()) > 100
    assert sorted(await leaves(trail)) == await trail.seqs()
    assert await trail.faults() == []


async def test_one_process_seals_and_one_that_lost_the_lease_writes_nothing(
    trail: Trail, database_url: str
) -> None:
    await trail.write(1)
    lease = await trail.sealer.lead()
    assert lease is not None
    other = Sealer(trail.database, SystemClock(), KEY, CollectorRegistry())
    assert await other.lead() is None

    await tamper(database_url, "UPDATE leases SET expires_at = '-infinity'")
    successor = await other.lead()
    assert successor is not None
    with pytest.raises(LeaseLost):
        await trail.sealer.seal(lease)
    assert await other.seal(successor) == 1
    await other.yield_lead(successor)
    assert await trail.sealer.lead() is not None


async def test_sealing_goes_on_in_a_database_that_was_restored_into_a_younger_cluster(
    trail: Trail, database_url: str
) -> None:
    await trail.write(6)
    assert await trail.seal(limit=4) == 6
    await trail.write(2)
    # The cluster it came from had counted its transactions much further than this one.
    await tamper(
        database_url,
        "UPDATE audit_log SET xid = (xid::text::bigint + 1000000000)::text::xid8",
        "UPDATE audit_tree SET sealed_xid = (sealed_xid::text::bigint + 1000000000)::text::xid8",
    )
    await trail.write(3)

    assert await trail.sealer.is_behind()
    assert await trail.seal() == 2
    assert await trail.sealer.is_behind()
    assert await trail.seal() == 3
    await trail.write(1)
    assert await trail.seal() == 1
    assert await leaves(trail) == await trail.seqs()
    assert await trail.faults() == []


async def test_batch_of_changes_is_written_in_order_by_one_statement(trail: Trail) -> None:
    batch = changes(50)
    async with trail.database.transaction() as connection:
        await trail.log.record_many(connection, batch)
        await trail.log.record_many(connection, [])
        await trail.log.record_system(
            connection, actor="keeper", action="thing.expire", tenant="acme", after=[1]
        )
    rows = await trail.fetch("SELECT * FROM audit_log ORDER BY seq")

    assert [row["resource_id"] for row in rows[:-1]] == [str(n) for n in range(50)]
    assert [change.caller.recorded[0].seq for change in batch] == [r["seq"] for r in rows[:-1]]
    assert (rows[-1]["actor"], rows[-1]["role"], rows[-1]["status"]) == ("keeper", "system", 0)
    assert rows[-1]["before_digest"] is None
    assert len(rows[-1]["after_digest"]) == 32
    assert len({row["salt"] for row in rows}) == 51


async def test_file_gets_what_workers_did_when_it_is_committed_and_never_otherwise(
    trail: Trail,
) -> None:
    async def record(connection: Connection, action: str) -> None:
        await trail.log.record_system(connection, actor="keeper", action=action)

    async with trail.database.transaction() as connection:
        await record(connection, "first")
        with suppress(Unavailable):
            async with connection.transaction():
                await record(connection, "undone inside")
                raise Unavailable
        await trail.log.decide()
        assert trail.log.lines.take(10) == []
    async with undone(trail) as connection:
        await record(connection, "undone")
    async with trail.database.transaction() as connection:
        await record(connection, "last")
    await trail.log.decide()

    assert [entry.action for entry in trail.log.lines.take(10)] == ["first", "last"]
    await trail.log.decide()
    assert trail.log.lines.take(10) == []
