"""`servicelayer-api verify random FILE`: check a proof document, with nothing but the file.

Exit codes: 0 it holds, 1 it does not (the reason is the last line), 2 it cannot be read.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from servicelayer_api.crypto.signing import parse_public_key
from servicelayer_api.random import rules
from servicelayer_api.random.proof import (
    MAX_BYTES,
    ProofFaultError,
    check_document,
    read_document,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from servicelayer_api.random.models import ProofDocument

_MOST_INTEGERS = 10_000
_HOLDS, _FAILS, _UNREADABLE = 0, 1, 2


def add_arguments(parser: ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("file", help="the answer of .../random/requests/{id}/proof; - reads stdin")
    parser.add_argument("--key", help="refuse other public keys than this one, base64 or hex")
    parser.add_argument(
        "--integers",
        nargs=3,
        type=int,
        metavar=("LOW", "HIGH", "COUNT"),
        help="print whole numbers that follow from the output, such as 1 6 3 for three dice",
    )


def run(arguments: Namespace) -> int:
    """Check a document and say what was checked; no setting is needed."""
    try:
        if arguments.integers is not None:
            _check_integers(*arguments.integers)
        expected = None if arguments.key is None else parse_public_key(arguments.key)
        raw = _read(arguments.file)
    except (OSError, ValueError) as exc:
        return _say_fault(f"cannot be checked: {exc}", _UNREADABLE)
    try:
        document = read_document(raw)
        found = check_document(document, expected)
    except ProofFaultError as exc:
        return _say_fault(f"NOT VERIFIED: {exc}", _FAILS)
    for line in found:
        sys.stdout.write(f"ok  {line}\n")
    sys.stdout.write(_summary(document, pinned=expected is not None))
    if arguments.integers is not None:
        low, high, count = arguments.integers
        numbers = rules.draw_integers(document.vrf.output, low, high, count)
        sys.stdout.write(f"integers {' '.join(map(str, numbers))}\n")
    return _HOLDS


def _check_integers(low: int, high: int, count: int) -> None:
    if not 0 < count <= _MOST_INTEGERS:
        raise ValueError(f"COUNT must be 1 to {_MOST_INTEGERS}")
    rules.draw_integers(b"", low, high, 0)


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(name).open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _summary(document: ProofDocument, *, pinned: bool) -> str:
    draw = document.draw
    name = f"request {draw.request_id!r}" if draw.request_id else f"draw {draw.id}"
    lines = [f"VERIFIED: {name} of account {draw.account_id}", f"value {document.vrf.value.hex()}"]
    if not pinned:
        public = b64encode(document.key.public_key).decode()
        lines.append(f"The key is the file's own; compare it with the one you trust: {public}")
    if not draw.request_id:
        lines.append("The server named this draw itself, so it could have chosen among names.")
    return "\n".join(lines) + "\n"


def _say_fault(text: str, code: int) -> int:
    sys.stdout.write(text + "\n")
    return code
