"""The table that people read and the JSON that machines keep."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from load.measure import Comparison

if TYPE_CHECKING:
    from pathlib import Path

    from load.measure import Figures

_HEAD = (
    *("scenario", "product /s", "peer /s", "ratio", "aim", "p50 ms", "p99 ms", "errors"),
    *("CPU ms/request", "database CPU", "MiB"),
)
_NOT_BUILT = "not built"
_LATEST = "latest"


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured."""

    cores: int
    kernel: str
    architecture: str
    python: str
    postgres: str
    load_before: float

    @classmethod
    def here(cls, postgres: str) -> Machine:
        """Describe this machine."""
        return cls(
            cores=len(os.sched_getaffinity(0)),
            kernel=platform.release(),
            architecture=platform.machine(),
            python=platform.python_version(),
            postgres=postgres,
            load_before=round(os.getloadavg()[0], 2),
        )


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run.

    Attributes:
        began: When.
        machine: Where.
        rounds: Of each side.
        seconds: Of a round.
        connections: Kept open by the load.
        workers: Processes of the product; the peer has one.
        scenarios: One line of the table each.
        row_lock: Deposits a second by `SELECT ... FOR UPDATE` and no HTTP, if it was measured.
    """

    began: datetime
    machine: Machine
    rounds: int
    seconds: float
    connections: int
    workers: int
    scenarios: list[Comparison]
    row_lock: float | None = None


def table(report: Report) -> str:
    """Write the figures as a Markdown table; product first, the peer behind the slash."""
    machine = report.machine
    about = (
        f"{machine.cores} cores, Linux {machine.kernel} {machine.architecture}, "
        f"Python {machine.python}, PostgreSQL {machine.postgres}, fsync and synchronous_commit on; "
        f"{report.workers} server process(es), {report.connections} connections, "
        f"{report.rounds} rounds of {report.seconds:g} s, medians; "
        f"load of the machine before: {machine.load_before}."
    )
    lines = [
        about,
        "In a pair the product stands first and the peer second.",
        "",
    ]
    rows = [_HEAD, *(_row(one) for one in report.scenarios)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    for number, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"| {' | '.join(cells)} |")
        if number == 0:
            lines.append(f"| {' | '.join('-' * width for width in widths)} |")
    if report.row_lock is not None:
        said = (
            "Deposits on one row by SELECT ... FOR UPDATE, INSERT, UPDATE, a transaction each, "
            f"straight to PostgreSQL: {report.row_lock:.0f}/s."
        )
        lines += ["", said]
    remarks = [f"- {one.name}: {text}" for one in report.scenarios for text in one.remarks]
    return "\n".join([*lines, *(["", *remarks] if remarks else [])])


def _row(one: Comparison) -> tuple[str, ...]:
    product, peer = one.product, one.peer
    ratio = f"{product.rate / peer.rate:.2f}" if product and peer and peer.rate else ""
    return (
        one.title,
        f"{product.rate:.0f}" if product else _NOT_BUILT,
        f"{peer.rate:.0f}" if peer else "",
        ratio,
        str(one.aim or ""),
        _pair(product, peer, "p50_ms", ".1f"),
        _pair(product, peer, "p99_ms", ".1f"),
        _pair(product, peer, "errors", "d"),
        _pair(product, peer, "server_cpu_ms", ".3f"),
        _pair(product, peer, "database_cpu_ms", ".3f"),
        _pair(product, peer, "resident_mib", ".0f"),
    )


def _pair(product: Figures | None, peer: Figures | None, name: str, form: str) -> str:
    return " / ".join(
        format(getattr(side, name), form) if side else "-" for side in (product, peer)
    )


def write(report: Report, folder: Path) -> Path:
    """Keep a report as JSON beside the former ones, and as `latest`."""
    folder.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=1)
    path = folder / f"{report.began.astimezone(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_bytes(encoded)
    (folder / f"{_LATEST}.json").write_bytes(encoded)
    (folder / f"{_LATEST}.md").write_text(table(report) + "\n", encoding="utf-8")
    return path
