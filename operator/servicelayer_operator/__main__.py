"""The entry point: `servicelayer-operator run | version`.

The operator itself is in `process`, which is imported when it is to run: its libraries take
seconds, and whoever asks for help or a version should not wait for them.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import msgspec

from servicelayer_operator import settings
from servicelayer_operator.version import own_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servicelayer_operator.settings import Settings

EXIT_CONFIGURATION = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0 stopped as asked, 2 bad settings, 3 no usable cluster, 4 leadership lost.
    """
    options = _parser().parse_args(arguments)
    if options.command == "version":
        sys.stdout.write(f"servicelayer-operator {own_version()}\n")
        return 0
    try:
        chosen = _with_options(settings.load(), options)
    except settings.SettingsError as error:
        sys.stderr.write(f"servicelayer-operator: {error}\n")
        return EXIT_CONFIGURATION
    from servicelayer_operator import process  # noqa: PLC0415 - see above

    return process.main(chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="servicelayer-operator",
        description="Reconciles ServiceLayer resources. Settings come from the environment.",
    )
    parser.add_argument(
        "--version", action="version", version=f"servicelayer-operator {own_version()}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run_command = commands.add_parser("run", help="run the operator")
    run_command.add_argument(
        "--namespace",
        "-n",
        action="append",
        metavar="NS",
        help="watch this namespace; may be repeated (default: WATCH_NAMESPACES, else all)",
    )
    run_command.add_argument(
        "--no-leader-election",
        action="store_true",
        help="act at once; for development, where one operator runs",
    )
    run_command.add_argument("--log-format", choices=("json", "text"), help="over LOG_FORMAT")
    run_command.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), help="over LOG_LEVEL"
    )
    commands.add_parser("version", help="print the version")
    return parser


def _with_options(loaded: Settings, options: argparse.Namespace) -> Settings:
    """The settings with the command line laid over them."""
    changes: dict[str, object] = {}
    if options.namespace:
        changes["watch_namespaces"] = settings.namespace_list("--namespace", options.namespace)
    if options.no_leader_election:
        changes["leader_election"] = False
    for name in ("log_format", "log_level"):
        if getattr(options, name):
            changes[name] = getattr(options, name)
    return msgspec.structs.replace(loaded, **changes)


if __name__ == "__main__":
    sys.exit(main())
