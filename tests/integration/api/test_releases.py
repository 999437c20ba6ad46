"""Databases as former releases left them: they are migrated, and everything in them is still there.

The dumps were made by `support.release_dump`, each on its release.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from servicelayer_api.db.migrations import load_migrations
from support.api_server import ENCRYPTION_KEY, TENANT, running_api
from support.release_dump import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable

RELEASES = Path(__file__).with_name("releases")
DUMPS = sorted(RELEASES.glob("*.sql"))
# Members that tell of today, not of what is stored.
_OF_TODAY = {"DailyWithdrawal", "age_seconds", "AgeSeconds"}


async def restore(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


def command(url: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-P", "-m", "servicelayer_api", *arguments],
        env={
            **kept,
            **KEYS,
            "CONFIG_FILE": os.devnull,
            "DATABASE_URL": url,
            "SECRET_ENCRYPTION_KEY": ENCRYPTION_KEY,
        },
        input=stdin,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def differences(before: object, now: object, path: str = "") -> Iterable[str]:
    """Name what was there and is not any more; what was added is no difference."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name, value in before.items():
            if name not in _OF_TODAY:
                there = now.get(name, "(missing)")
                yield from differences(value, there, f"{path}.{name}")
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for place, pair in enumerate(zip(before, now, strict=True)):
            yield from differences(*pair, f"{path}[{place}]")
    elif before != now:
        yield f"{path}: {before!r} became {now!r}"


def test_there_is_a_dump_of_each_release() -> None:
    assert DUMPS
    assert all(dump.with_suffix(".json").exists() for dump in DUMPS)


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_former_release_s_database_is_migrated_and_read(
    dump: Path, empty_database_url: str, tmp_path: Path
) -> None:
    url = empty_database_url
    recorded: dict[str, Any] = json.loads(dump.with_suffix(".json").read_text())
    assert recorded["tenant"] == TENANT
    asyncio.run(restore(url, dump.read_text()))
    migrated = command(url, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert int(dump.stem) < load_migrations()[-1].version

    with running_api(url, tmp_path, **KEYS) as api, api.client() as client:
        now = {path: client.get(path).json() for path in recorded["answers"]}
        assert list(differences(recorded["answers"], now)) == []
        base = min(recorded["answers"], key=len)
        changed = client.put(f"{base}/secrets/db", json={"value": "third value"})
        assert (changed.status_code, changed.json()["version"]) == (200, 3), changed.text
        assert client.get(f"{base}/secrets/db").json()["Value"] == "third value"

    for kind, part in (("random", "/proof"), ("round", "/rounds/1")):
        (document,) = [body for path, body in recorded["answers"].items() if path.endswith(part)]
        verified = command(url, "verify", kind, "-", stdin=json.dumps(document))
        assert verified.returncode == 0, verified.stdout + verified.stderr
    verified = command(url, "audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    rotated = command(url, "keys", "rotate", "--data-keys")
    assert rotated.returncode == 0, rotated.stdout + rotated.stderr
