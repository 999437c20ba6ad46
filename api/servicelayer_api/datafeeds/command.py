"""`servicelayer-api verify round FILE`: check a signed round, with nothing but the file.

Exit codes: 0 it holds, 1 it does not (each fault on a line of its own), 2 it cannot be read.
"""

from __future__ import annotations

import base64
import binascii
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servicelayer_api.datafeeds.verification import (
    Document,
    UnreadableRoundError,
    find_faults,
    read_document,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_HOLDS, _FAILS, _UNREADABLE = 0, 1, 2
_LARGEST: Final = 4 * 1024 * 1024
_KEY_BYTES: Final = 32


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("file", help="the answer of .../datafeeds/{id}/rounds/{n}; - reads stdin")
    parser.add_argument("--key", help="refuse other public keys than this one, base64 or hex")


def run(arguments: Namespace) -> int:
    """Check a round and say what was found; no setting is needed."""
    try:
        key = None if arguments.key is None else _read_key(arguments.key)
        document = read_document(_read(arguments.file))
    except (OSError, UnreadableRoundError) as exc:
        sys.stderr.write(f"servicelayer-api: {exc}\n")
        return _UNREADABLE
    faults = find_faults(document, key)
    for fault in faults:
        sys.stdout.write(f"fault: {fault}\n")
    sys.stdout.write(_summary(document, pinned=key is not None))
    sys.stdout.write("the round does not hold\n" if faults else "the round holds\n")
    return _FAILS if faults else _HOLDS


def _summary(document: Document, *, pinned: bool) -> str:
    record = document.record
    used = sum(source.used for source in record.sources)
    lines = [
        (
            f"{record.pair} round {record.round_id}: {record.price} ({record.method} of {used} of "
            f"{len(record.sources)} sources, quorum {record.quorum}), accepted {record.accepted_at}"
        ),
        f"record {document.id}",
        f"signed by {document.public_key}" + ("" if pinned else " (give --key to pin it)"),
    ]
    if not record.verified:
        lines.append("note: the server took prices without verifying their signatures")
    return "".join(f"{line}\n" for line in lines)


def _read(name: str) -> bytes:
    if name == "-":
        raw = sys.stdin.buffer.read(_LARGEST + 1)
    else:
        with Path(name).open("rb") as file:
            raw = file.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise UnreadableRoundError("the file is too large for a signed round")
    return raw


def _read_key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            key = b""
    if len(key) != _KEY_BYTES:
        raise UnreadableRoundError("--key is not 32 bytes in base64 or hex")
    return key
