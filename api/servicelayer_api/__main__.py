"""The command line: `serve`, `dev`, `migrate`, `health`, `openapi`, `verify`, `version` and more.

The guide's own spellings (`appserver -dsn X -migrate`) are understood too; with nothing but the
database configured that migrates and ends.

Exit codes of `migrate`, which the operator reads: 0 done, 2 bad configuration, 3 database
unreachable, 4 database refuses the login, 5 a migration failed, 6 database too old. Whoever refuses
to start also leaves one line of JSON in the file that `TERMINATION_LOG` names.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from servicelayer_api import health, settings_checks, settings_loader, workers
from servicelayer_api.settings import Secret, Settings, SettingsError
from servicelayer_api.version import VERSION, build_info

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TERMINATION_LOG = "/dev/termination-log"
_BAD_CONFIGURATION = 2
_INTERRUPTED = 130
_GUIDE_FLAGS = ("dsn", "migrate", "migrate-only", "addr", "config", "version")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    words = _translate(sys.argv[1:] if argv is None else argv)
    arguments = _parser(words[0] if words else "").parse_args(
        words, argparse.Namespace(words=words)
    )
    try:
        return int(arguments.run(arguments))
    except SettingsError as exc:
        return _refuse("ConfigInvalid", str(exc), _BAD_CONFIGURATION)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _translate(argv: Sequence[str]) -> list[str]:
    """Turn the guide's spellings (`-dsn X -migrate`) into a command with options.

    The guide's flags stand before any command. `-migrate-only` becomes `migrate`, the rest `serve`.
    """
    words = list(argv)
    if not words or not words[0].startswith("-") or words[0] in {"-h", "--help"}:
        return words
    flags = {f"-{flag}" for flag in _GUIDE_FLAGS}
    spelled = [f"-{w}" if w.partition("=")[0] in flags else w for w in words]
    names = {w.partition("=")[0] for w in spelled}
    if "--version" in names:
        return ["version"]
    if "--migrate-only" in names:
        return [
            "migrate",
            *(w for w in spelled if w.partition("=")[0] not in {"--migrate-only", "--migrate"}),
        ]
    return ["serve", *spelled]


def _parser(command: str = "") -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="servicelayer-api", description=f"The Neo Service Layer API, version {VERSION}."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve HTTP, configured by the environment")
    _database_options(serve)
    serve.add_argument("--addr", help="listen here instead of LISTEN_ADDR")
    serve.add_argument(
        "--migrate",
        nargs="?",
        const="true",
        choices=("true", "false"),
        help="run pending migrations when serving starts",
    )
    serve.set_defaults(run=_serve)
    migrate = commands.add_parser("migrate", help="run pending migrations and end")
    _database_options(migrate)
    migrate.set_defaults(run=_migrate)
    probe = commands.add_parser("health", help="ask the server here how it is; for health checks")
    health.add_arguments(probe)
    probe.set_defaults(run=_health)
    dev = commands.add_parser("dev", help="serve here with a PostgreSQL and secrets of its own")
    dev.add_argument("--data", type=Path, help="folder for database and secrets")
    dev.add_argument("--addr", help="listen here instead of 127.0.0.1:8080")
    dev.set_defaults(run=_dev)
    audit = commands.add_parser("audit", help="verify or export the audit log")
    if command == "audit":
        from servicelayer_api.audit.command import add_arguments  # noqa: PLC0415 - as below

        add_arguments(audit)
    audit.set_defaults(run=_audit)
    _add_keys(commands.add_parser("keys", help="encryption keys: status, rotation"))
    commands.add_parser("openapi", help="print the OpenAPI document").set_defaults(run=_openapi)
    verify = commands.add_parser("verify", help="check a proof with nothing but its file")
    _add_proofs(verify, load=command == "verify")
    commands.add_parser("version", help="print the version").set_defaults(run=_version)
    return parser


def _add_keys(keys: argparse.ArgumentParser) -> None:
    _database_options(keys)
    keys.add_argument("action", choices=("status", "rotate"))
    keys.add_argument(
        "--data-keys",
        action="store_true",
        help="with rotate: also make new data keys and seal all data with them",
    )
    keys.set_defaults(run=_keys)


def _add_proofs(verify: argparse.ArgumentParser, *, load: bool) -> None:
    """Add the kinds of proofs; with `load`, all that their commands need."""
    kinds = verify.add_subparsers(title="proofs", required=True, metavar="PROOF")
    draw = kinds.add_parser("random", help="the proof of a draw of randomness")
    feed_round = kinds.add_parser("round", help="the signed record of a data feed's round")
    if load:
        from servicelayer_api.datafeeds import command as round_command  # noqa: PLC0415 - as below
        from servicelayer_api.random import command as random_command  # noqa: PLC0415 - as below

        random_command.add_arguments(draw)
        draw.set_defaults(run=random_command.run)
        round_command.add_arguments(feed_round)
        feed_round.set_defaults(run=round_command.run)


def _database_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dsn", help="the database instead of DATABASE_URL")
    parser.add_argument("--config", help="the configuration file instead of CONFIG_FILE")


def _load(arguments: argparse.Namespace) -> Settings:
    environ = dict(os.environ)
    for option, variable in (
        ("dsn", "DATABASE_URL"),
        ("config", "CONFIG_FILE"),
        ("addr", "LISTEN_ADDR"),
        ("migrate", "MIGRATE"),
    ):
        value = getattr(arguments, option, None)
        if value is not None:
            environ[variable] = value
            environ.pop(f"{variable}_FILE", None)
    return settings_loader.load(environ)


def _health(arguments: argparse.Namespace) -> int:
    return health.run(arguments, _load(arguments))


def _serve(arguments: argparse.Namespace) -> int:
    settings = _load(arguments)
    if arguments.migrate == "true" and settings_checks.only_database(settings):
        print(  # noqa: T201 - progress of a command
            "only the database is configured: migrating without serving; "
            "set API_TOKENS and SECRET_ENCRYPTION_KEY to serve",
            flush=True,
        )
        return _migrate(arguments)
    settings_checks.check_serve(settings)
    if settings.web_workers == 1:
        return _run_server(settings)

    from servicelayer_api.listeners import PortTaken, require_free  # noqa: PLC0415 - as below

    try:
        require_free(settings.listen_addr, "LISTEN_ADDR")
        if settings.probe_addr:
            require_free(settings.probe_addr, "PROBE_ADDR")
    except PortTaken as exc:
        return _refuse("PortInUse", str(exc), _BAD_CONFIGURATION)
    return workers.run(settings.web_workers, arguments.words)


def _run_server(settings: Settings, on_ready: Callable[[], None] | None = None) -> int:
    import structlog  # noqa: PLC0415 - `migrate` and `version` start quicker without the server
    import uvloop  # noqa: PLC0415 - as above

    from servicelayer_api import observability, settings_oddities  # noqa: PLC0415 - as above
    from servicelayer_api.listeners import PortTaken  # noqa: PLC0415 - as above
    from servicelayer_api.server import ApiServer  # noqa: PLC0415 - as above

    async def run() -> int:
        server = ApiServer(settings, on_ready)
        code = await server.run()
        if server.error is not None:
            return _refuse(server.error.reason, str(server.error), code)
        return code

    observability.configure(settings)
    for oddity in settings_oddities.find_oddities(os.environ):
        structlog.get_logger(__name__).warning("a variable is ignored", reason=oddity)
    for short in settings_checks.find_short_tokens(settings):
        structlog.get_logger(__name__).warning("a token is short", reason=short)
    try:
        return uvloop.run(run())
    except PortTaken as exc:
        return _refuse("PortInUse", str(exc), _BAD_CONFIGURATION)


def _migrate(arguments: argparse.Namespace) -> int:
    from servicelayer_api.db.migrations import load_migrations  # noqa: PLC0415 - as above
    from servicelayer_api.db.migrator import MigrationError, Migrator  # noqa: PLC0415 - as above

    settings = _load(arguments)
    settings_checks.check_database(settings)
    migrator = Migrator(
        settings.database_url.reveal(),
        load_migrations(),
        lambda line: print(line, flush=True),  # noqa: T201 - progress of a command
        lock_timeout=settings.migrate_lock_timeout,
    )
    try:
        asyncio.run(migrator.run())
    except MigrationError as exc:
        return _refuse(exc.reason, str(exc), exc.exit_code)
    return 0


def _keys(arguments: argparse.Namespace) -> int:
    from servicelayer_api import app, vault  # noqa: PLC0415 - as above
    from servicelayer_api.vault import command  # noqa: PLC0415 - as above

    settings = _load(arguments)
    settings_checks.check_keys(settings)
    core = app.build_core(settings)
    safe = vault.build_service(core, app.SEALED_COLUMNS)
    rotations = vault.build_rotations(core, safe)
    return command.run(arguments, core.database, safe, rotations)


def _dev(arguments: argparse.Namespace) -> int:
    from servicelayer_api import dev  # noqa: PLC0415 - the image holds no PostgreSQL to import

    return dev.run(arguments.data, arguments.addr, _run_server)


def _audit(arguments: argparse.Namespace) -> int:
    from servicelayer_api.audit import command  # noqa: PLC0415 - as above

    return command.run(arguments, _load(arguments))


def _openapi(_: argparse.Namespace) -> int:
    from servicelayer_api.app import create_app  # noqa: PLC0415 - as above

    # The document depends on no setting, so it can be printed where none is set.
    nowhere = Settings(database_url=Secret("postgres://nobody@localhost/none"))
    sys.stdout.write(create_app(nowhere).openapi().decode() + "\n")
    return 0


def _version(_: argparse.Namespace) -> int:
    sys.stdout.write(msgspec.json.encode(build_info()).decode() + "\n")
    return 0


def _refuse(reason: str, message: str, code: int) -> int:
    """Say why in one line, here and where Kubernetes looks for it."""
    sys.stderr.write(f"servicelayer-api: {message}\n")
    target = Path(os.environ.get("TERMINATION_LOG") or _TERMINATION_LOG)
    if os.environ.get("TERMINATION_LOG") or target.exists():
        line = msgspec.json.encode({"reason": reason, "message": message})
        try:
            target.write_bytes(line + b"\n")
        except OSError:
            return code
    return code


if __name__ == "__main__":
    sys.exit(main())
