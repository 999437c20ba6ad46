"""The log as files, and verifying it from them alone.

A line of an export is `{"leaf":n,"hash":"<hex>","entry":{...}}`: the leaf's hash is SHA-256 over
0x00 and the bytes of the entry exactly as they stand in the line, so that any tool can check it.
The checkpoint beside it is a signed note over the root of all lines. A proof is the answer of
`GET /admin/audit/entries/{id}/proof`. Reading is by the line, in bounded memory.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import msgspec

from servicelayer_api.audit import rules, seal_store
from servicelayer_api.audit.models import Entry
from servicelayer_api.audit.verify import PAGE, Report, Suspects, open_checkpoint
from servicelayer_api.crypto.merkle import Frontier, hash_leaf, includes
from servicelayer_api.crypto.signed_note import NoteRefusedError, split_note

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from servicelayer_api.audit.models import Checkpoint
    from servicelayer_api.audit.verify import FindVerifiers
    from servicelayer_api.db import Database

_LONGEST_LINE: Final = 64 * 1024
# More missing lines in a row than this are not named one by one.
_GAP: Final = 100


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of an export; the entry stays as the bytes that were hashed."""

    leaf: int
    hash: str
    entry: msgspec.Raw


class _Proof(msgspec.Struct, frozen=True):
    """What of a proof is needed to check it."""

    entry: msgspec.Raw
    leaf: int
    size: int
    hashes: list[str]
    checkpoint: str


class NothingSealedError(Exception):
    """The log has no checkpoint yet, so there is nothing to export."""


async def export_log(database: Database, target: BinaryIO) -> str:
    """Write what is sealed, line by line.

    Args:
        database: open.
        target: where the lines go.

    Returns:
        The signed note of the checkpoint that covers exactly these lines.

    Raises:
        NothingSealedError: there is none.
    """
    async with database.snapshot() as connection:
        note = await seal_store.find_note(connection)
        if note is None:
            raise NothingSealedError("nothing has been sealed yet")
        size, first = rules.read_checkpoint(split_note(note)[0]).size, 0
        while first < size:
            leaves = await seal_store.list_leaves(connection, first, min(PAGE, size - first))
            if not leaves:
                break
            for leaf in leaves:
                data = b"null" if leaf.entry is None else rules.leaf_data(leaf.entry)
                line = Line(leaf.index, leaf.hash.hex(), msgspec.Raw(data))
                target.write(msgspec.json.encode(line) + b"\n")
            first = leaves[-1].index + 1
    return note


def verify_export(lines: Iterable[bytes], note: str, find: FindVerifiers) -> Report:
    """Verify an export against its checkpoint.

    Args:
        lines: of the export, each with its newline or without.
        note: the signed checkpoint.
        find: gives the keys it may be signed with.
    """
    report, suspects, frontier = Report(checkpoints=1), Suspects(), Frontier()
    decoder, order = msgspec.json.Decoder(Line), _Order()
    checkpoint = _open(note, find, report)
    for number, raw in enumerate(lines, 1):
        try:
            line = decoder.decode(raw[:_LONGEST_LINE])
            sealed = bytes.fromhex(line.hash)
        except (msgspec.DecodeError, ValueError):
            report.add("changed", f"line {number} is no line of an export")
            continue
        order.check(number, line.leaf, report)
        _check_line(number, line, sealed, report, suspects)
        frontier.append(sealed)
    order.tell(report)
    suspects.tell(report)
    report.entries = frontier.size
    report.root = base64.b64encode(frontier.root()).decode()
    if checkpoint is not None and checkpoint.size != frontier.size:
        report.add(
            "deleted" if frontier.size < checkpoint.size else "inserted",
            f"the file has {frontier.size} entries, the checkpoint was signed over "
            f"{checkpoint.size}",
        )
    elif checkpoint is not None and checkpoint.root != report.root:
        report.add("checkpoint", "the file's root is not the one of the checkpoint")
    return report


def verify_proof(data: bytes, find: FindVerifiers) -> Report:
    """Verify the proof of one entry.

    Args:
        data: the answer of the route, as it came.
        find: gives the keys that the checkpoint may be signed with.
    """
    report = Report(checkpoints=1, entries=1)
    try:
        proof = msgspec.json.decode(data, type=_Proof)
        entry = msgspec.json.decode(proof.entry, type=Entry)
        hashes = [base64.b64decode(text, validate=True) for text in proof.hashes]
    except (msgspec.DecodeError, ValueError):
        report.add("changed", "the file is no proof of an audit entry")
        return report
    checkpoint = _open(proof.checkpoint, find, report)
    if checkpoint is None:
        return report
    report.root = checkpoint.root
    root = base64.b64decode(checkpoint.root)
    leaf_hash = hash_leaf(bytes(proof.entry))
    if checkpoint.size != proof.size or not includes(
        root, proof.size, proof.leaf, leaf_hash, hashes
    ):
        report.add("changed", f"the entry {entry.id} is not in the log of the checkpoint")
    return report


def _open(note: str, find: FindVerifiers, report: Report) -> Checkpoint | None:
    try:
        return open_checkpoint(note, find)
    except NoteRefusedError as exc:
        report.add("checkpoint", f"the checkpoint: {exc}")
        return None


class _Order:
    """Whether the lines come in the order of their leaves, each once; bounded like the faults."""

    def __init__(self) -> None:
        self._next = 0
        self._missing: set[int] = set()

    def check(self, number: int, leaf: int, report: Report) -> None:
        """Look at the leaf of the next line."""
        if leaf >= self._next:
            self._missing.update(range(self._next, min(leaf, self._next + _GAP)))
            self._next = leaf + 1
        elif leaf in self._missing:
            self._missing.discard(leaf)
            report.add("reordered", f"line {number} (leaf {leaf}) stands too late")
        else:
            report.add("inserted", f"line {number} (leaf {leaf}) stands there once more")

    def tell(self, report: Report) -> None:
        """Name the leaves that never came."""
        for leaf in sorted(self._missing):
            report.add("deleted", f"the line of leaf {leaf} is missing")


def _check_line(number: int, line: Line, sealed: bytes, report: Report, suspects: Suspects) -> None:
    data = bytes(line.entry)
    if data == b"null":
        report.add("deleted", f"the entry of leaf {line.leaf} is gone")
        return
    actual = hash_leaf(data)
    name = f"the entry of line {number} (leaf {line.leaf})"
    if actual != sealed and not suspects.add(name, sealed, actual):
        report.more_faults += 1
