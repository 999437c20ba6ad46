"""The SQL of the seals: the state of the tree, its leaves and nodes, the checkpoints.

Entries are taken in the order of (xid, seq), and only those of transactions older than every one
that still runs. What is below that line is final: no transaction there can commit any more, so
nothing can slip in behind a leaf that was sealed. Numbers of rolled-back transactions are simply
not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.audit.models import Backlog, Leaf, Tree, Written
from servicelayer_api.audit.store import SHOWN, read_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from servicelayer_api.audit.models import Entry
    from servicelayer_api.crypto.merkle import Frontier, Node, Span
    from servicelayer_api.db import Connection

_TREE: Final = (
    "SELECT log_id, size, frontier, sealed_xid::text, sealed_seq, floor_seq, "
    "pg_snapshot_xmax(pg_current_snapshot())::text AS next_xid FROM audit_tree"
)
_AFTER: Final = "(xid, seq) > ($1::text::xid8, $2) AND seq > $3"
_COUNTED: Final = 10_000


async def get_tree(connection: Connection, *, lock: bool = False) -> Tree:
    """The state of the tree; locked until the transaction ends when asked."""
    row = await connection.fetchrow(f"{_TREE} FOR UPDATE" if lock else _TREE)
    if row is None:
        raise LookupError("the migration of the audit seals made no tree")
    return Tree(
        log_id=row["log_id"],
        size=row["size"],
        frontier=row["frontier"],
        sealed_xid=int(row["sealed_xid"]),
        sealed_seq=row["sealed_seq"],
        floor_seq=row["floor_seq"],
        next_xid=int(row["next_xid"]),
    )


async def list_unsealed(connection: Connection, tree: Tree, limit: int) -> list[Written]:
    """List the next entries to seal, in the order of their leaves.

    In a restored database the entries that follow the last sealed one were written by the cluster
    it came from, whose transactions have all ended: there is no line for them to be below.
    """
    line = "" if tree.was_restored else "AND xid < pg_snapshot_xmin(pg_current_snapshot()) "
    rows = await connection.fetch(
        f"SELECT {SHOWN}, xid::text AS xid_text FROM audit_log WHERE {_AFTER} {line}"  # noqa: S608 - fixed names
        "ORDER BY xid, seq LIMIT $4",
        str(tree.sealed_xid),
        tree.sealed_seq,
        tree.floor_seq,
        limit,
    )
    return [Written(read_entry(row), int(row["xid_text"])) for row in rows]


async def insert_leaves(
    connection: Connection, first: int, seqs: Sequence[int], hashes: Sequence[bytes]
) -> None:
    """Add leaves from an index on."""
    await connection.execute(
        "INSERT INTO audit_leaves (leaf, seq, hash) SELECT $1 + place - 1, seq, hash "
        "FROM unnest($2::bigint[], $3::bytea[]) WITH ORDINALITY AS given (seq, hash, place)",
        first,
        seqs,
        hashes,
    )


async def insert_nodes(connection: Connection, nodes: Sequence[Node]) -> None:
    """Add inner nodes."""
    await connection.execute(
        "INSERT INTO audit_nodes (level, position, hash) "
        "SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])",
        [node.level for node in nodes],
        [node.position for node in nodes],
        [node.hash for node in nodes],
    )


async def insert_checkpoint(connection: Connection, size: int, root: bytes, note: str) -> None:
    """Add a checkpoint."""
    await connection.execute(
        "INSERT INTO audit_checkpoints (size, root, sealed_at, note) "
        "VALUES ($1, $2, clock_timestamp(), $3)",
        size,
        root,
        note,
    )


async def update_tree(connection: Connection, frontier: Frontier, last: Written) -> None:
    """Move the tree on to the last entry sealed."""
    await connection.execute(
        "UPDATE audit_tree SET size = $1, frontier = $2, sealed_xid = $3::text::xid8, "
        "sealed_seq = $4",
        frontier.size,
        frontier.hashes,
        str(last.xid),
        last.entry.seq,
    )


async def update_tree_of_restored(connection: Connection) -> None:
    """Begin to count by this cluster's transactions; what was sealed so far is below the floor."""
    await connection.execute(
        "UPDATE audit_tree SET sealed_xid = '0', sealed_seq = 0, "
        "floor_seq = (SELECT coalesce(max(seq), 0) FROM audit_leaves)"
    )


async def get_behind(connection: Connection) -> bool:
    """Whether there is anything to seal; the question writes nothing."""
    return bool(
        await connection.fetchval(
            """
            SELECT sealed_xid >= pg_snapshot_xmax(pg_current_snapshot()) OR EXISTS (
                SELECT FROM audit_log
                WHERE (xid, seq) > (sealed_xid, sealed_seq) AND seq > floor_seq
            ) FROM audit_tree
            """
        )
    )


async def get_backlog(connection: Connection) -> Backlog:
    """What waits to be sealed."""
    row = await connection.fetchrow(
        f"""
        WITH tree AS MATERIALIZED (SELECT * FROM audit_tree), waiting AS (
            SELECT at FROM audit_log
            WHERE (xid, seq) > ((SELECT sealed_xid FROM tree), (SELECT sealed_seq FROM tree))
              AND seq > (SELECT floor_seq FROM tree)
            ORDER BY xid, seq LIMIT {_COUNTED}
        )
        SELECT (SELECT size FROM tree) AS size, count(*) AS waiting,
               coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 AS age
        FROM waiting
        """  # noqa: S608 - a number of this module
    )
    if row is None:
        raise LookupError("an aggregate has one row")
    return Backlog(row["size"], row["waiting"], max(0.0, row["age"]))


async def find_note(connection: Connection, size: int | None = None) -> str | None:
    """Find the note of the checkpoint of a size, or of the latest."""
    return await connection.fetchval(
        "SELECT note FROM audit_checkpoints WHERE $1::bigint IS NULL OR size = $1 "
        "ORDER BY size DESC LIMIT 1",
        size,
    )


async def list_notes(connection: Connection, after: int, limit: int) -> list[tuple[int, str]]:
    """List checkpoints by size, with their notes, beyond a size."""
    rows = await connection.fetch(
        "SELECT size, note FROM audit_checkpoints WHERE size > $1 ORDER BY size LIMIT $2",
        after,
        limit,
    )
    return [(row["size"], row["note"]) for row in rows]


async def find_leaf(
    connection: Connection, entry_id: UUID, *, only_tenant: str | None
) -> tuple[int | None, Entry] | None:
    """Find an entry and the index of its leaf, which is `None` while it is not sealed."""
    row = await connection.fetchrow(
        f"SELECT {SHOWN}, (SELECT leaf FROM audit_leaves l WHERE l.seq = e.seq) AS leaf "  # noqa: S608 - fixed names
        "FROM audit_log e WHERE id = $1 AND ($2::text IS NULL OR tenant = $2)",
        entry_id,
        only_tenant,
    )
    return None if row is None else (row["leaf"], read_entry(row))


async def list_hashes(
    connection: Connection, spans: Iterable[Span]
) -> dict[tuple[int, int], bytes]:
    """List the kept hashes of spans, by level and position."""
    wanted = set(spans)
    low = [span for span in wanted if span.level == 0]
    high = [span for span in wanted if span.level > 0]
    leaves = await connection.fetch(
        "SELECT 0 AS level, leaf AS position, hash "
        "FROM unnest($1::bigint[], $2::bigint[]) AS given (first, width) "
        "JOIN audit_leaves ON leaf >= first AND leaf < first + width",
        [span.first for span in low],
        [span.width for span in low],
    )
    nodes = await connection.fetch(
        "SELECT n.level, position, hash "
        "FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS given (level, first, width) "
        "JOIN audit_nodes n "
        "ON n.level = given.level AND position >= first AND position < first + width",
        [span.level for span in high],
        [span.first for span in high],
        [span.width for span in high],
    )
    return {(row["level"], row["position"]): row["hash"] for row in (*leaves, *nodes)}


async def list_leaves(connection: Connection, first: int, limit: int) -> list[Leaf]:
    """List leaves from an index on, each with the entry that is at its place now."""
    rows = await connection.fetch(
        f"SELECT l.leaf, l.seq AS sealed_seq, l.hash, e.* "  # noqa: S608 - fixed names
        f"FROM audit_leaves l LEFT JOIN (SELECT {SHOWN} FROM audit_log) e ON e.seq = l.seq "
        "WHERE l.leaf >= $1 ORDER BY l.leaf LIMIT $2",
        first,
        limit,
    )
    return [
        Leaf(
            row["leaf"],
            row["sealed_seq"],
            row["hash"],
            None if row["id"] is None else read_entry(row),
        )
        for row in rows
    ]


async def list_strangers(
    connection: Connection, tree: Tree, after: int, limit: int
) -> tuple[int | None, list[tuple[int, UUID]]]:
    """Look through the log by seq for entries that should have a leaf and have none.

    Returns:
        The last seq looked at, `None` at the end of the log; the entries found.
    """
    row = await connection.fetchrow(
        """
        WITH page AS (SELECT seq, id, xid FROM audit_log WHERE seq > $1 ORDER BY seq LIMIT $2)
        SELECT max(p.seq) AS last,
               array_agg(p.seq ORDER BY p.seq) FILTER (WHERE stray) AS seqs,
               array_agg(p.id ORDER BY p.seq) FILTER (WHERE stray) AS ids
        FROM (SELECT page.seq, id, l.seq IS NULL
                     AND (page.seq <= $5 OR (xid, page.seq) <= ($3::text::xid8, $4)) AS stray
              FROM page LEFT JOIN audit_leaves l ON l.seq = page.seq) p
        """,
        after,
        limit,
        str(tree.sealed_xid),
        tree.sealed_seq,
        tree.floor_seq,
    )
    if row is None or row["last"] is None:
        return None, []
    return row["last"], list(zip(row["seqs"] or [], row["ids"] or [], strict=True))
