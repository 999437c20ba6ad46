"""Rounds of one scenario, alternating between the two sides, and their medians."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import msgspec

from load.processes import usage
from load.wrk import run_wrk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from load.scenarios import Scenario, World
    from load.sides import Side

_WARM_UP = 1.0


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round of one side.

    Attributes:
        rate: Requests answered a second.
        p50_ms: Half of the answers took no longer.
        p99_ms: 99 of 100 answers took no longer.
        errors: Answers with an error status, broken connections, time-outs.
        requests: Answered.
        server_cpu_ms: CPU time of the server a request, user and system.
        database_cpu_ms: CPU time of PostgreSQL a request.
        load_cpu_ms: CPU time of the load generator a request.
        resident_mib: Resident memory of the largest server process at the end.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    errors: int
    requests: int
    server_cpu_ms: float
    database_cpu_ms: float
    load_cpu_ms: float
    resident_mib: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a side did in a scenario: the medians, and each round."""

    rate: float
    p50_ms: float
    p99_ms: float
    errors: int
    server_cpu_ms: float
    database_cpu_ms: float
    load_cpu_ms: float
    resident_mib: float
    rounds: list[Round]

    @classmethod
    def of(cls, rounds: Sequence[Round]) -> Figures:
        """Take the medians; errors are added up, memory is the largest seen."""

        def median(name: str) -> float:
            return statistics.median(getattr(one, name) for one in rounds)

        return cls(
            rate=median("rate"),
            p50_ms=median("p50_ms"),
            p99_ms=median("p99_ms"),
            errors=sum(one.errors for one in rounds),
            server_cpu_ms=median("server_cpu_ms"),
            database_cpu_ms=median("database_cpu_ms"),
            load_cpu_ms=median("load_cpu_ms"),
            resident_mib=max(one.resident_mib for one in rounds),
            rounds=list(rounds),
        )


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table.

    Attributes:
        name: Of the scenario.
        title: Of the scenario.
        aim: Requests a second aimed at, if any.
        product: `None` when the product does not have the module.
        peer: `None` when it was not measured.
        remarks: What differs in the answers of the two.
    """

    name: str
    title: str
    aim: int | None = None
    product: Figures | None = None
    peer: Figures | None = None
    remarks: list[str] = []


def compare(
    scenario: Scenario,
    worlds: Sequence[tuple[Side, World]],
    postgres_pid: int,
    *,
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> Comparison:
    """Run a scenario against the sides that offer it.

    Args:
        scenario: What to send.
        worlds: The sides, each with what stands in its database.
        postgres_pid: Of the database that both use.
        rounds: How many of each side.
        seconds: Of a round.
        say: Told each round.
    """
    able = [(s, w) for s, w in worlds if scenario.operation in s.operations()]
    remarks = _differences(scenario, able)
    seen: dict[str, list[Round]] = {side.name: [] for side, _ in able}
    for side, world in able:
        run_wrk(scenario.shot(side, world), tag=f"{scenario.name}-warm", seconds=_WARM_UP)
    for number in range(rounds):
        # Each side goes first in turn, so that none always follows the other's checkpoint.
        for side, world in able if number % 2 == 0 else able[::-1]:
            one = _round(scenario, side, world, postgres_pid, f"{scenario.name}-{number}", seconds)
            seen[side.name].append(one)
            say(
                f"{scenario.name} {side.name} {number + 1}/{rounds}: {one.rate:.0f}/s, "
                f"p99 {one.p99_ms:.1f} ms, {one.server_cpu_ms:.3f} ms CPU a request"
            )
    figures = {name: Figures.of(done) for name, done in seen.items() if done}
    peer = figures.pop("peer", None)
    return Comparison(
        name=scenario.name,
        title=scenario.title,
        aim=scenario.aim,
        # The bare stack, which is compared with nothing, stands in the product's column.
        product=next(iter(figures.values()), None),
        peer=peer,
        remarks=remarks,
    )


def _round(
    scenario: Scenario, side: Side, world: World, postgres_pid: int, tag: str, seconds: float
) -> Round:
    server, database = usage(side.pid), usage(postgres_pid)
    counted, load_cpu = run_wrk(scenario.shot(side, world), tag=tag, seconds=seconds)
    server_after, database_after = usage(side.pid), usage(postgres_pid)
    each = 1000 / max(1, counted.requests)
    return Round(
        rate=counted.rate,
        p50_ms=counted.p50_us / 1000,
        p99_ms=counted.p99_us / 1000,
        errors=counted.errors,
        requests=counted.requests,
        server_cpu_ms=(server_after.cpu_seconds - server.cpu_seconds) * each,
        database_cpu_ms=(database_after.cpu_seconds - database.cpu_seconds) * each,
        load_cpu_ms=load_cpu * each,
        resident_mib=server_after.largest_rss_mib,
    )


def _differences(scenario: Scenario, able: Sequence[tuple[Side, World]]) -> list[str]:
    """Ask each side once; a rate of wrong answers would be worth nothing.

    Raises:
        RuntimeError: A side refuses the request of the scenario.
    """
    shapes: list[tuple[str, int, frozenset[str]]] = []
    for side, world in able:
        shot = scenario.shot(side, world)
        with side.client() as client:
            answer = client.request(
                shot.method,
                shot.url,
                headers={k: v.replace("@T@", "1") for k, v in shot.headers.items()},
                content=shot.body.replace("@N@", f"{scenario.name}-once") or None,
            )
        if not answer.is_success:
            raise RuntimeError(
                f"{scenario.name}: {side.name} answered {answer.status_code} {answer.text[:300]}"
            )
        shapes.append((side.name, answer.status_code, frozenset(_shape(answer.json()))))
    if len(shapes) < 2:
        return []
    (one, one_status, one_shape), (two, two_status, two_shape) = shapes
    remarks = [f"only {one} answers with {name}" for name in sorted(one_shape - two_shape)]
    remarks += [f"only {two} answers with {name}" for name in sorted(two_shape - one_shape)]
    if one_status != two_status:
        remarks.append(f"{one} answers {one_status}, {two} {two_status}")
    return remarks


def _shape(value: Any, path: str = "") -> list[str]:
    """List the members of a JSON value; of a list those of its first item, and how many it has."""
    if isinstance(value, dict):
        return [
            line for key, inner in value.items() for line in _shape(inner, f"{path}.{key}")
        ] or [path]
    if isinstance(value, list):
        return [f"{path}[{len(value)}]", *(_shape(value[0], f"{path}[]") if value else [])]
    return [path]
