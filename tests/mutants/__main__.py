"""`make mutants`: make each edit of the catalogue in a copy, and see that its tests fail.

A mutant is caught when the tests ran and one failed; a test run that could not start counts as
nothing. The tests are run once without any edit before: one that fails anyway catches nothing.
Never part of CI.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from mutants.catalogue import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
_FAILED = 1
_LIMIT = 600
_SHOWN = 30


def main() -> int:
    """Run the catalogue, or the mutants whose file or edit holds a word."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutants whose file or edit holds one")
    parser.add_argument("--no-baseline", action="store_true", help="leave the first run out")
    arguments = parser.parse_args()
    chosen = [m for m in MUTANTS if _is_meant(m, arguments.words)]
    faults = [fault for mutant in chosen if (fault := _unusable(mutant))]
    for fault in faults:
        print(fault)
    if faults:
        return 2
    with tempfile.TemporaryDirectory(prefix="servicelayer-mutants-") as folder:
        copy = Path(folder) / "copy"
        _copy(copy)
        failing = set[str]() if arguments.no_baseline else _failing_unchanged(copy, chosen)
        return _hunt(copy, chosen, failing)


def _hunt(copy: Path, chosen: list[Mutant], failing: set[str]) -> int:
    survivors: list[str] = []
    for number, mutant in enumerate(chosen, 1):
        began = time.monotonic()
        caught = mutant.tests not in failing and _is_caught(copy, mutant)
        word = "caught" if caught else "SURVIVED"
        seconds = time.monotonic() - began
        print(f"[{number}/{len(chosen)}] {word:8} {seconds:5.1f} s  {_name(mutant)}", flush=True)
        if not caught:
            survivors.append(_name(mutant))
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} caught")
    return _FAILED if survivors else 0


def _is_meant(mutant: Mutant, words: list[str]) -> bool:
    return not words or any(word in mutant.file or word in mutant.before for word in words)


def _unusable(mutant: Mutant) -> str:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    count = text.count(mutant.before)
    return "" if count == 1 else f"{_name(mutant)}: stands {count} times, not once"


def _name(mutant: Mutant) -> str:
    line = next(line.strip() for line in mutant.before.splitlines() if line.strip())
    return f"{mutant.file}: {line[:70]}"


def _copy(target: Path) -> None:
    """Copy what git knows of, as it lies here, with an environment of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        source, place = ROOT / name, target / name
        if source.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place)
    subprocess.run([str(target / ".ci" / "setup")], check=True, stdout=subprocess.DEVNULL)


def _failing_unchanged(copy: Path, chosen: list[Mutant]) -> set[str]:
    """Return the tests that fail without any edit, which can catch nothing."""
    failing = set[str]()
    for tests in sorted({mutant.tests for mutant in chosen}):
        done = _run(copy, tests)
        if done.code != 0:
            print(f"without any edit pytest ends with {done.code}: {tests}\n{done.end}", flush=True)
            failing.add(tests)
    return failing


def _is_caught(copy: Path, mutant: Mutant) -> bool:
    place = copy / mutant.file
    text = place.read_text(encoding="utf-8")
    place.write_text(text.replace(mutant.before, mutant.after), encoding="utf-8")
    try:
        return _run(copy, mutant.tests).code == _FAILED
    finally:
        place.write_text(text, encoding="utf-8")


class _Done(NamedTuple):
    """How a run of pytest ended: its exit code and its last lines."""

    code: int
    end: str


def _run(copy: Path, tests: str) -> _Done:
    command = [
        *(str(copy / ".venv" / "bin" / "python"), "-m", "pytest", "-q", "-x", "--no-header"),
        *("-p", "no:cacheprovider", "--tb=native", *shlex.split(tests)),
    ]
    try:
        done = subprocess.run(
            command, cwd=copy, capture_output=True, check=False, text=True, timeout=_LIMIT
        )
    except subprocess.TimeoutExpired:
        # A program that hangs for good is no pass either.
        return _Done(_FAILED, f"not at its end after {_LIMIT} s")
    return _Done(done.returncode, "\n".join(done.stdout.splitlines()[-_SHOWN:]))


if __name__ == "__main__":
    sys.exit(main())
