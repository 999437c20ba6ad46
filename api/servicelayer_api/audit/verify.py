"""Verifying: everything is computed again from the rows, or from an export, and compared.

What is found is a list of `Fault`s, each naming the entry or the leaves it is about. Memory is
bounded whatever the size of the log: rows come by pages, and no more than a hundred faults are kept
(the rest is counted). All of it is read in one snapshot, so that a log may be verified while it
grows. Nothing that the database says about itself is believed: the leaves' hashes
come from the rows, the roots from the leaves, and the checkpoints' signatures from a key that the
caller brings.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from servicelayer_api.audit import rules, seal_store
from servicelayer_api.crypto.merkle import Frontier, Span, hash_leaf
from servicelayer_api.crypto.signed_note import NoteRefusedError, split_note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from servicelayer_api.audit.models import Checkpoint, Leaf, Tree
    from servicelayer_api.crypto.merkle import Node
    from servicelayer_api.crypto.signed_note import NoteVerifier
    from servicelayer_api.db import Connection, Database

    type FindVerifiers = Callable[[str], Sequence[NoteVerifier]]
    """The keys of which one should have signed, by the name of the log."""

type Kind = Literal["changed", "deleted", "inserted", "reordered", "tree", "checkpoint"]

PAGE: Final = 2000
_KEPT: Final = 100


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was sealed; `text` names it."""

    kind: Kind
    text: str


class Report(msgspec.Struct, kw_only=True):
    """The outcome: what was looked at, and what is wrong with it."""

    entries: int = 0
    checkpoints: int = 0
    unsealed: int = 0
    root: str = ""
    faults: list[Fault] = msgspec.field(default_factory=list[Fault])
    more_faults: int = 0

    def add(self, kind: Kind, text: str) -> None:
        """Note a fault, or count it when there are a hundred."""
        if len(self.faults) < _KEPT:
            self.faults.append(Fault(kind=kind, text=text))
        else:
            self.more_faults += 1


class Suspects:
    """Leaves whose entry is another than the sealed one, told apart at the end.

    Where two of them have each other's hash the entries changed places; else they were changed.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._found: list[tuple[str, bytes, bytes]] = []

    def add(self, name: str, sealed: bytes, actual: bytes) -> bool:
        """Note a suspect; tell whether there was room."""
        if len(self._found) >= _KEPT:
            return False
        self._found.append((name, sealed, actual))
        return True

    def tell(self, report: Report) -> None:
        """Name them."""
        sealed = {hashes[1] for hashes in self._found}
        for name, _, actual in self._found:
            if actual in sealed:
                report.add("reordered", f"{name} is at the place of another")
            else:
                report.add("changed", f"{name} was changed after it was sealed")


def open_checkpoint(note: str, find: FindVerifiers) -> Checkpoint:
    """Read a signed checkpoint.

    Raises:
        NoteRefusedError: it is none, or its signature is missing or wrong.
    """
    text, _ = split_note(note)
    try:
        checkpoint = rules.read_checkpoint(text)
    except ValueError as exc:
        raise NoteRefusedError(str(exc)) from exc
    refused = NoteRefusedError("there is no key to check it with")
    for verifier in find(checkpoint.origin):
        try:
            verifier.open(note)
        except NoteRefusedError as exc:
            refused = exc
        else:
            return checkpoint
    raise refused


async def verify_database(
    database: Database, find: FindVerifiers, outside: Checkpoint | None = None
) -> Report:
    """Verify the log of a database.

    Args:
        database: open.
        find: gives the keys that checkpoints may be signed with.
        outside: a checkpoint that was kept elsewhere; the log must contain what it says.
    """
    async with database.snapshot() as connection:
        return await _DatabaseCheck(connection, find, outside).run()


class _DatabaseCheck:
    """One run over a snapshot of a database."""

    def __init__(
        self, connection: Connection, find: FindVerifiers, outside: Checkpoint | None
    ) -> None:
        self._connection = connection
        self._find = find
        self._outside = outside
        self._report = Report()
        self._suspects = Suspects()
        self._frontier = Frontier()
        self._notes: list[tuple[int, str]] = []
        self._last_note = 0
        self._good = 0

    async def run(self) -> Report:
        """Look at everything once."""
        report = self._report
        tree = await seal_store.get_tree(self._connection)
        report.unsealed = (await seal_store.get_backlog(self._connection)).waiting
        await self._load_notes()
        while self._frontier.size < tree.size and await self._check_page(tree):
            pass
        self._suspects.tell(report)
        self._check_end(tree)
        await self._check_strangers(tree)
        report.entries = self._frontier.size
        report.root = base64.b64encode(self._frontier.root()).decode()
        return report

    async def _check_page(self, tree: Tree) -> bool:
        first = self._frontier.size
        leaves = await seal_store.list_leaves(self._connection, first, PAGE)
        nodes: list[Node] = []
        for leaf in leaves:
            if leaf.index >= tree.size:
                break
            if leaf.index != self._frontier.size:
                missing = self._frontier.size
                self._report.add("tree", f"leaf {missing} is missing in the tree")
                return False
            nodes += self._frontier.append(self._check_leaf(leaf))
            await self._check_notes()
        await self._check_nodes(nodes)
        if self._frontier.size == first:
            self._report.add("tree", f"the leaves from {first} on are missing in the tree")
            return False
        return True

    def _check_leaf(self, leaf: Leaf) -> bytes:
        """Compare an entry with its leaf; give the hash that was sealed."""
        if leaf.entry is None:
            self._report.add(
                "deleted", f"the entry with seq {leaf.seq} (leaf {leaf.index}) is gone"
            )
            return leaf.hash
        actual = hash_leaf(rules.leaf_data(leaf.entry))
        if actual != leaf.hash:
            name = f"the entry {leaf.entry.id} with seq {leaf.seq} (leaf {leaf.index})"
            if not self._suspects.add(name, leaf.hash, actual):
                self._report.more_faults += 1
        return leaf.hash

    async def _check_nodes(self, nodes: list[Node]) -> None:
        spans = [Span(node.level, node.position, 1) for node in nodes]
        kept = await seal_store.list_hashes(self._connection, spans)
        for node in nodes:
            if kept.get((node.level, node.position)) != node.hash:
                first, width = node.position << node.level, 1 << node.level
                self._report.add(
                    "tree", f"the leaves {first} to {first + width - 1} do not give their node"
                )

    async def _check_notes(self) -> None:
        size = self._frontier.size
        if self._outside is not None and self._outside.size == size:
            self._compare(self._outside, "the checkpoint that was brought along")
        while self._notes and self._notes[0][0] <= size:
            at, note = self._notes.pop(0)
            self._report.checkpoints += 1
            try:
                checkpoint = open_checkpoint(note, self._find)
            except NoteRefusedError as exc:
                self._report.add("checkpoint", f"the checkpoint of size {at}: {exc}")
            else:
                if checkpoint.size == at == size:
                    self._compare(checkpoint, f"the checkpoint of size {at}")
                else:
                    self._report.add("checkpoint", f"the checkpoint of size {at} is of another")
            if not self._notes:
                await self._load_notes()

    def _compare(self, checkpoint: Checkpoint, name: str) -> None:
        if checkpoint.root == base64.b64encode(self._frontier.root()).decode():
            self._good = checkpoint.size
            return
        self._report.add(
            "checkpoint",
            f"{name} was signed for another log: what differs is among the leaves below "
            f"{checkpoint.size} (the last root that agrees is that of size {self._good})",
        )

    async def _load_notes(self) -> None:
        self._notes = await seal_store.list_notes(self._connection, self._last_note, PAGE)
        if self._notes:
            self._last_note = self._notes[-1][0]

    def _check_end(self, tree: Tree) -> None:
        size, report = self._frontier.size, self._report
        if size == tree.size and self._frontier.hashes != tree.frontier:
            report.add("tree", "the state of the tree does not fit its leaves")
        if self._notes:
            report.add("tree", f"the log has {size} leaves, but {self._notes[0][0]} were signed")
        elif 0 < self._last_note != size:
            report.add("checkpoint", f"the checkpoint of the last {size} leaves is missing")
        if self._outside is not None and self._outside.size > size:
            report.add(
                "checkpoint",
                f"the log has {size} leaves, fewer than the {self._outside.size} of the "
                "checkpoint that was brought along: it was cut off or set back",
            )

    async def _check_strangers(self, tree: Tree) -> None:
        after: int | None = -(2**62)
        while after is not None:
            after, found = await seal_store.list_strangers(self._connection, tree, after, PAGE)
            for seq, entry_id in found:
                self._report.add(
                    "inserted", f"the entry {entry_id} with seq {seq} was never sealed"
                )
