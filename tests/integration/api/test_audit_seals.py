"""Sealing the audit log: the order of leaves, who may seal, and every way of tampering found."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from servicelayer_api.audit.rules import leaf_data
from servicelayer_api.audit.seal_store import list_leaves
from servicelayer_api.audit.sealer import Sealer
from servicelayer_api.audit.verify import open_checkpoint, verify_database
from servicelayer_api.clock import SystemClock
from servicelayer_api.crypto.merkle import hash_leaf
from servicelayer_api.crypto.signed_note import NoteSigner
from servicelayer_api.db.leases import LeaseLost
from servicelayer_api.errors import Unavailable
from support.audit_trail import KEY, Trail, changes, open_trail, tamper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from servicelayer_api.audit.models import Checkpoint
    from servicelayer_api.db import Connection


@pytest.fixture
async def trail(database_url: str) -> AsyncIterator[Trail]:
    async with open_trail(database_url) as opened:
        yield opened


async def leaves(trail: Trail) -> list[int]:
    return [row["seq"] for row in await trail.fetch("SELECT seq FROM audit_leaves ORDER BY leaf")]


async def seqs(trail: Trail) -> list[int]:
    return [row["seq"] for row in await trail.fetch("SELECT seq FROM audit_log ORDER BY seq")]


@asynccontextmanager
async def undone(trail: Trail) -> AsyncIterator[Connection]:
    """A transaction that is rolled back at its end."""
    with suppress(Unavailable):
        async with trail.database.transaction() as connection:
            yield connection
            raise Unavailable


async def faults(trail: Trail) -> list[tuple[str, str]]:
    return [(fault.kind, fault.text) for fault in (await trail.verify()).faults]


async def test_every_entry_is_sealed_once_in_order_and_the_log_verifies(trail: Trail) -> None:
    await trail.write(2300)
    assert await trail.seal() == 2300
    await trail.write(3)
    assert await trail.seal() == 3

    assert await leaves(trail) == await seqs(trail)
    report = await trail.verify()
    assert (report.faults, report.entries, report.checkpoints) == ([], 2303, 4)
    assert await trail.seal() == 0
    assert not await trail.sealer.is_behind()


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
    assert await leaves(trail) == await seqs(trail)


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
    assert (await leaves(trail))[-1] == row["early"] == (await seqs(trail))[0]
    assert await faults(trail) == []


async def test_numbers_of_changes_that_were_undone_are_no_gap(trail: Trail) -> None:
    await trail.write(1)
    async with undone(trail) as connection:
        await trail.write(5, connection)
    await trail.write(1)

    assert await trail.seal() == 2
    first, last = await seqs(trail)
    assert last == first + 6
    assert await faults(trail) == []


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

    assert sealed == len(await seqs(trail)) > 100
    assert sorted(await leaves(trail)) == await seqs(trail)
    assert await faults(trail) == []


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
    assert await leaves(trail) == await seqs(trail)
    assert await faults(trail) == []


async def test_edit_of_one_byte_among_many_rows_is_found_and_named(
    trail: Trail, database_url: str
) -> None:
    await trail.write(30_000)
    assert await trail.seal() == 30_000
    (row,) = await trail.fetch("SELECT id, seq FROM audit_log ORDER BY seq OFFSET 17423 LIMIT 1")
    await tamper(
        database_url,
        f"UPDATE audit_log SET path = overlay(path placing 'X' from 2 for 1) WHERE seq = {row['seq']}",  # noqa: E501, S608 - a number from the database
    )

    ((kind, text),) = await faults(trail)
    name = f"the entry {row['id']} with seq {row['seq']} (leaf 17423)"
    assert (kind, text) == ("changed", f"{name} was changed after it was sealed")


async def test_each_column_of_an_entry_is_sealed(trail: Trail, database_url: str) -> None:
    await trail.write(1)
    await trail.seal()
    for assignment in (
        "at = at + interval '1 microsecond'",
        "actor = 'mallory'",
        "role = 'user'",
        "credential = ''",
        "tenant = 'other'",
        "account_id = gen_random_uuid()",
        "action = 'thing.look'",
        "resource_id = '1'",
        "method = 'PUT'",
        "status = 201",
        "request_id = ''",
        "remote_addr = '192.0.2.2'",
        "user_agent = ''",
        "route = ''",
        "scope = 'x'",
        "idempotency = sha256('x')",
        "before_digest = NULL",
        "after_digest = sha256('x')",
        "id = gen_random_uuid()",
    ):
        await tamper(
            database_url,
            "CREATE TABLE kept AS SELECT * FROM audit_log",
            f"UPDATE audit_log SET {assignment}",  # noqa: S608 - the row of the table above
        )
        assert [kind for kind, _ in await faults(trail)] == ["changed"], assignment
        await tamper(
            database_url,
            "DELETE FROM audit_log",
            "INSERT INTO audit_log OVERRIDING SYSTEM VALUE SELECT * FROM kept",
            "DROP TABLE kept",
        )
    # The salt is kept beside the entry, so that it can be dropped.
    await tamper(database_url, "UPDATE audit_log SET salt = NULL")
    assert await faults(trail) == []


async def test_entry_that_was_deleted_inserted_or_moved_is_named(
    trail: Trail, database_url: str
) -> None:
    await trail.write(600)
    await trail.seal()
    first = (await seqs(trail))[0]
    await tamper(
        database_url,
        "ALTER TABLE audit_log ALTER seq SET GENERATED BY DEFAULT",
        "CREATE TABLE copied AS SELECT * FROM audit_log ORDER BY seq LIMIT 1",
        "UPDATE copied SET seq = -7, id = gen_random_uuid()",
        "INSERT INTO audit_log SELECT * FROM copied",
        f"DELETE FROM audit_log WHERE seq = {first + 5}",  # noqa: S608 - a number from the database
        f"UPDATE audit_log SET seq = 90001 WHERE seq = {first + 10}",  # noqa: S608 - as above
        f"UPDATE audit_log SET seq = {first + 10} WHERE seq = {first + 11}",  # noqa: S608 - as above
        f"UPDATE audit_log SET seq = {first + 11} WHERE seq = 90001",  # noqa: S608 - as above
    )
    found = await faults(trail)

    assert [kind for kind, _ in found] == ["deleted", "changed", "changed", "inserted"]
    assert f"seq {first + 5} (leaf 5) is gone" in found[0][1]
    assert f"seq {first + 10} (leaf 10)" in found[1][1]
    assert "seq -7 was never sealed" in found[3][1]


async def test_entries_whose_leaves_changed_places_are_told_as_moved(
    trail: Trail, database_url: str
) -> None:
    await trail.write(10)
    await trail.seal()
    third, fourth = (await seqs(trail))[3:5]
    await tamper(
        database_url,
        "UPDATE audit_leaves SET seq = -1 WHERE leaf = 4",
        f"UPDATE audit_leaves SET seq = {fourth} WHERE leaf = 3",  # noqa: S608 - a number from the database
        f"UPDATE audit_leaves SET seq = {third} WHERE leaf = 4",  # noqa: S608 - as above
    )
    assert [kind for kind, _ in await faults(trail)] == ["reordered", "reordered"]


async def test_tampering_with_the_tree_itself_is_found(trail: Trail, database_url: str) -> None:
    await trail.write(600)
    await trail.seal(limit=300)
    for statement, kinds in (
        (
            "UPDATE audit_leaves SET hash = sha256('forged') WHERE leaf = 10",
            ["changed", "checkpoint", "tree"],
        ),
        ("UPDATE audit_nodes SET hash = sha256('forged') WHERE position = 1", ["tree"]),
        ("UPDATE audit_tree SET frontier = decode(repeat('00', 128), 'hex')", ["tree"]),
        ("UPDATE audit_checkpoints SET note = replace(note, '300', '299')", ["checkpoint"]),
        ("DELETE FROM audit_checkpoints WHERE size = 600", ["checkpoint"]),
        ("DELETE FROM audit_leaves WHERE leaf = 599", ["inserted", "tree"]),
    ):
        table = statement.split()[1 if statement.startswith("UPDATE") else 2]
        await tamper(
            database_url,
            f"CREATE TABLE kept AS SELECT * FROM {table}",  # noqa: S608 - a name of the table above
            statement,
        )
        assert sorted({kind for kind, _ in await faults(trail)}) == kinds, statement
        await tamper(
            database_url,
            f"DELETE FROM {table}",  # noqa: S608 - a name of the table above
            f"INSERT INTO {table} SELECT * FROM kept",  # noqa: S608 - as above
            "DROP TABLE kept",
        )
    assert await faults(trail) == []


async def test_entry_and_leaf_that_were_forged_to_agree_do_not_fit_what_was_signed(
    trail: Trail, database_url: str
) -> None:
    await trail.write(600)
    await trail.seal(limit=300)
    await tamper(
        database_url,
        "UPDATE audit_log SET actor = 'mallory' WHERE seq = (SELECT min(seq) + 400 FROM audit_log)",
    )
    async with trail.database.connection() as connection:
        (leaf,) = await list_leaves(connection, 400, 1)
    assert leaf.entry is not None
    forged = hash_leaf(leaf_data(leaf.entry)).hex()
    await tamper(
        database_url,
        f"UPDATE audit_leaves SET hash = decode('{forged}', 'hex') WHERE leaf = 400",  # noqa: S608 - a hash
    )
    found = await faults(trail)

    assert [kind for kind, _ in found] == ["checkpoint", "tree", "tree"]
    assert "the last root that agrees is that of size 300" in found[0][1]
    assert "the leaves 256 to 511 do not give their node" in found[1][1]


async def test_log_that_was_written_anew_does_not_fit_a_checkpoint_kept_elsewhere(
    trail: Trail, database_url: str
) -> None:
    await trail.write(5)
    await trail.seal()
    kept = await latest(trail)
    assert (await trail.verify(kept)).faults == []

    await tamper(
        database_url,
        "DELETE FROM audit_leaves",
        "DELETE FROM audit_checkpoints",
        "UPDATE audit_tree SET size = 0, frontier = '', sealed_xid = '0', sealed_seq = 0",
        "UPDATE audit_log SET actor = 'mallory'",
    )
    await trail.seal()
    assert await faults(trail) == []
    report = await trail.verify(kept)
    assert [fault.kind for fault in report.faults] == ["checkpoint"]

    await tamper(
        database_url,
        "DELETE FROM audit_leaves",
        "DELETE FROM audit_log",
        "DELETE FROM audit_checkpoints",
        "UPDATE audit_tree SET size = 0, frontier = ''",
    )
    report = await trail.verify(kept)
    assert "cut off or set back" in report.faults[0].text


async def test_checkpoint_is_signed_by_the_right_key_or_worth_nothing(trail: Trail) -> None:
    await trail.write(1)
    await trail.seal()
    report = await verify_database(
        trail.database, lambda name: [NoteSigner(name, bytes(32)).verifier]
    )
    assert "not signed by this key" in report.faults[0].text


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


async def latest(trail: Trail) -> Checkpoint:
    (row,) = await trail.fetch("SELECT note FROM audit_checkpoints ORDER BY size DESC LIMIT 1")
    return open_checkpoint(row["note"], KEY.verifiers)
