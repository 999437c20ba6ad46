"""`servicelayer-api keys status | rotate`: the vault's keys from the command line.

`status` writes nothing. `rotate` does the work itself and prints how far it is; while a server does
it, it looks on. It can be stopped at any point and goes on when it is called again.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from servicelayer_api.errors import ServiceError

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncGenerator

    from servicelayer_api.db import Database
    from servicelayer_api.vault.models import KeyStatus, Rotation
    from servicelayer_api.vault.rotation import Rotations
    from servicelayer_api.vault.service import Vault

_POLL = 0.5
_FAILED = 1
_ACTOR = "command line"


def run(
    arguments: argparse.Namespace, database: Database, vault: Vault, rotations: Rotations
) -> int:
    """Run the command; returns the exit code.

    Raises:
        WrongKey: the keys that are set do not open the database.
    """
    try:
        return asyncio.run(_run(arguments, database, vault, rotations))
    except ServiceError as exc:
        sys.stderr.write(f"servicelayer-api: {exc.detail}\n")
        return _FAILED


async def _run(
    arguments: argparse.Namespace, database: Database, vault: Vault, rotations: Rotations
) -> int:
    async with _opened(database):
        if arguments.action == "status":
            async with database.snapshot() as connection:
                new = await vault.check(connection)
                _print_status(await rotations.status(connection))
            if new:
                _print(f"fingerprint {new}: set here; becomes the next version with the next start")
            return 0
        await vault.unlock()
        async with database.transaction() as connection:
            kind = "data-keys" if arguments.data_keys else "keys"
            rotation, _ = await rotations.begin(connection, kind, _ACTOR)
        ended = await _follow(rotation, rotations)
        async with database.snapshot() as connection:
            _print_status(await rotations.status(connection))
    return 0 if ended.state == "done" else _FAILED


async def _follow(rotation: Rotation, rotations: Rotations) -> Rotation:
    """Work, or look on while another process works, until the rotation has ended."""
    said = ""
    never = asyncio.Event()
    progress = asyncio.create_task(_work(rotations, never))
    try:
        while True:
            found = await rotations.find(rotation.id) or rotation
            line = _progress(found)
            if line != said:
                _print(line)
                said = line
            if found.state != "running":
                return found
            await asyncio.wait({progress}, timeout=_POLL)
            if progress.done():
                progress.result()
                await asyncio.sleep(_POLL / 5)
                progress = asyncio.create_task(_work(rotations, never))
    finally:
        progress.cancel()
        await asyncio.gather(progress, return_exceptions=True)


async def _work(rotations: Rotations, stop: asyncio.Event) -> None:
    await rotations.work(stop)


@asynccontextmanager
async def _opened(database: Database) -> AsyncGenerator[None]:
    await database.open()
    try:
        yield
    finally:
        await database.close()


def _progress(rotation: Rotation) -> str:
    parts = [f"{rotation.state}: {rotation.done} of {rotation.total} data keys"]
    if rotation.resealed:
        parts.append(f"{rotation.resealed} values sealed anew")
    if rotation.failed:
        parts.append(f"{rotation.failed} did not open and were left as they are")
    return ", ".join(parts)


def _print_status(status: KeyStatus) -> None:
    for key in status.keys:
        facts = [f"{key.data_keys} data keys"]
        facts += ["current"] * key.current + ["retired"] * (key.retired_at is not None)
        facts += ["not set here"] * (not key.available)
        _print(f"key version {key.version}, fingerprint {key.fingerprint}: {', '.join(facts)}")
    if status.imported:
        _print(f"{status.imported} values are still sealed as the reference server did")
    if status.rotation is not None:
        _print(f"last rotation ({status.rotation.kind}): {_progress(status.rotation)}")


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
