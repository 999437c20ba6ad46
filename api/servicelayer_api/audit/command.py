"""`servicelayer-api audit verify` and `audit export`.

Exit codes: 0 everything is as it was sealed, 1 something is not (each fault on a line of its own),
2 the question makes no sense or a file cannot be read, 3 the database does not answer.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servicelayer_api.audit.export import (
    NothingSealedError,
    export_log,
    verify_export,
    verify_proof,
)
from servicelayer_api.audit.signing import SigningKey
from servicelayer_api.audit.verify import Report, open_checkpoint, verify_database
from servicelayer_api.crypto.signed_note import NoteRefusedError, NoteVerifier
from servicelayer_api.db import Database
from servicelayer_api.errors import ServiceError
from servicelayer_api.settings import SettingsError
from servicelayer_api.settings_checks import check_database

if TYPE_CHECKING:
    import argparse

    from servicelayer_api.audit.models import Checkpoint
    from servicelayer_api.audit.verify import FindVerifiers
    from servicelayer_api.settings import Settings

_WRONG: Final = 1
_UNUSABLE: Final = 2
_UNREACHABLE: Final = 3
# A page of rows is read at once; a busy disk may take longer than a request would be given.
_TIMEOUT: Final = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    commands = parser.add_subparsers(dest="audit_command", required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify", help="compute the seals again; the database's log, or --file, or --proof"
    )
    verify.add_argument("--file", type=Path, help="an export to verify instead of the database")
    verify.add_argument("--proof", type=Path, help="the proof of one entry to verify instead")
    verify.add_argument("--checkpoint", type=Path, help="a signed checkpoint kept elsewhere")
    verify.add_argument(
        "--key",
        action="append",
        default=[],
        help="a verifier key, may be repeated; else they come from the settings",
    )
    export = commands.add_parser("export", help="write the sealed log and its checkpoint to files")
    export.add_argument("--file", type=Path, required=True, help="where the entries go")
    export.add_argument("--checkpoint", type=Path, required=True, help="where the checkpoint goes")
    for command in (verify, export):
        command.add_argument("--dsn", help="the database instead of DATABASE_URL")
        command.add_argument("--config", help="the configuration file instead of CONFIG_FILE")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command; returns the exit code."""
    try:
        if arguments.audit_command == "export":
            return asyncio.run(_export(arguments, settings))
        return _verify(arguments, settings)
    except (OSError, NoteRefusedError, NothingSealedError, SettingsError) as exc:
        return _say(f"{exc}", _UNUSABLE)
    except ServiceError as exc:
        return _say(f"{exc}", _UNREACHABLE)


def _verify(arguments: argparse.Namespace, settings: Settings) -> int:
    find = _find_verifiers(arguments.key, settings)
    if arguments.proof:
        return _tell(verify_proof(arguments.proof.read_bytes(), find))
    if arguments.file is None:
        return _tell(asyncio.run(_verify_database(arguments.checkpoint, settings, find)))
    if arguments.checkpoint is None:
        return _say("--file needs the --checkpoint it was exported with", _UNUSABLE)
    with arguments.file.open("rb") as lines:
        return _tell(verify_export(lines, arguments.checkpoint.read_text(), find))


def _find_verifiers(texts: list[str], settings: Settings) -> FindVerifiers:
    if not texts:
        return SigningKey(settings).verifiers
    try:
        verifiers = [NoteVerifier.parse(text) for text in texts]
    except ValueError as exc:
        raise SettingsError(f"--key: {exc}") from exc
    return lambda _: verifiers


async def _verify_database(
    checkpoint: Path | None, settings: Settings, find: FindVerifiers
) -> Report:
    outside: Checkpoint | None = None
    if checkpoint is not None:
        outside = open_checkpoint(checkpoint.read_text(), find)  # noqa: ASYNC240 - a command, nothing else runs
    database = await _open(settings)
    try:
        return await verify_database(database, find, outside)
    finally:
        await database.close()


async def _export(arguments: argparse.Namespace, settings: Settings) -> int:
    database = await _open(settings)
    try:
        with arguments.file.open("wb") as target:
            note = await export_log(database, target)
        arguments.checkpoint.write_text(note)
    finally:
        await database.close()
    sys.stdout.write(f"written: {arguments.file} and {arguments.checkpoint}\n")
    return 0


async def _open(settings: Settings) -> Database:
    check_database(settings)
    database = Database(
        settings.database_url.reveal(),
        size=1,
        statement_cache=settings.keeps_statements,
        timeout=_TIMEOUT,
    )
    await database.open()
    return database


def _tell(report: Report) -> int:
    for fault in report.faults:
        sys.stdout.write(f"{fault.kind}: {fault.text}\n")
    if report.more_faults:
        sys.stdout.write(f"and {report.more_faults} more\n")
    sys.stdout.write(
        f"{report.entries} entries, {report.checkpoints} checkpoints, "
        f"{report.unsealed} entries not sealed yet, root {report.root}\n"
    )
    good = not report.faults and not report.more_faults
    sys.stdout.write("the log is as it was sealed\n" if good else "the log was tampered with\n")
    return 0 if good else _WRONG


def _say(message: str, code: int) -> int:
    sys.stderr.write(f"servicelayer-api: {message}\n")
    return code
