"""`python -m load.faults`: all long runs with crashes, one after the other, and one verdict.

Each is a program of its own, with `--help`; what it prints is passed on. The next one runs whatever
came of the one before.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

# Program, its full size, and a size that takes a minute or two.
_PROGRAMS: dict[str, tuple[list[str], list[str]]] = {
    "ledger_model": ([], ["--operations", "20000"]),
    "gas_deposits": (["--kill"], ["--kill", "--seconds", "10"]),
    "audit_verify": ([], ["--entries", "30000"]),
    "replicas_under_fire": (
        [],
        ["--requests", "500", "--withdrawals", "50", "--feeds", "20", "--kills", "3"],
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for.

    Returns:
        0 when every program ended well, else 1.
    """
    parser = argparse.ArgumentParser(prog="load.faults", description=(__doc__ or "").split("\n")[0])
    names = ", ".join(_PROGRAMS)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"all, or some of {names}")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    options = parser.parse_args(arguments)
    if unknown := set(options.programs) - set(_PROGRAMS):
        parser.error(f"no such program: {', '.join(sorted(unknown))}")
    verdicts = [_run(name, options.quick) for name in options.programs or _PROGRAMS]
    for name, code, seconds in verdicts:
        print(f"{name:20} {'held' if code == 0 else f'FAILED ({code})':12} {seconds:6.0f} s")
    return 1 if any(code for _, code, _ in verdicts) else 0


def _run(name: str, quick: bool) -> tuple[str, int, float]:
    command = [sys.executable, "-m", f"load.{name}", *_PROGRAMS[name][int(quick)]]
    print(f"== {' '.join(command[1:])}", flush=True)
    began = time.monotonic()
    code = subprocess.run(command, check=False).returncode
    return name, code, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
