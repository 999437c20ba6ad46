"""A database as a release leaves it, with what its server answers, for later code to open.

`python -m support.release_dump FOLDER` fills a database through the API of this checkout, with
fixed keys, and writes `NNNN.sql` (its dump) and `NNNN.json` (paths and the answers they had), where
NNNN is the number of the last migration. Made once for each release, on the release; never anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from servicelayer_api.db.migrations import load_migrations
from servicelayer_api.local_postgres import LocalPostgres, find_binaries
from support.api_server import TENANT, running_api
from support.patience import patience
from support.signers import EdSigner, signed_update

if TYPE_CHECKING:
    import httpx

# Keys of nothing but these dumps.
KEYS = {
    "RANDOM_SIGNING_KEY": "00" * 31 + "07",
    "AUDIT_SIGNING_KEY": "00" * 31 + "08",
}
_LIMIT = 60.0


def main(folder: Path) -> None:
    """Write both files."""
    name = f"{load_migrations()[-1].version:04d}"
    with tempfile.TemporaryDirectory() as temporary:
        os.chmod(temporary, 0o755)  # noqa: S103, PTH101 - the server runs as another user
        server = LocalPostgres(Path(temporary) / "postgres", "dump", settings={"fsync": "off"})
        server.start()
        try:
            url = server.url()
            with running_api(url, Path(temporary), **KEYS) as api, api.client() as client:
                paths = fill(client)
                wait_until_sealed(url)
                answers = {path: client.get(path).json() for path in paths}
            write_dump(url, folder / f"{name}.sql")
        finally:
            server.stop()
    text = json.dumps({"tenant": TENANT, "answers": answers}, indent=1, sort_keys=True)
    (folder / f"{name}.json").write_text(text + "\n")


def fill(client: httpx.Client) -> list[str]:
    """Make at least one of everything; gives the paths that show it."""

    def post(path: str, **body: Any) -> Any:
        answer = client.post(path, json=body)
        assert answer.status_code < 300, (path, answer.text)
        return answer.json()

    account = post("/accounts", owner="a customer", metadata={"plan": "gold"})["ID"]
    base = f"/accounts/{account}"
    post(f"{base}/workspace-wallets", wallet_address="0x" + "ab" * 20, label="treasury")
    post(f"{base}/api-keys", name="ci", scopes=["secrets:read"])
    post(f"{base}/secrets", name="db", value="first value")
    client.put(f"{base}/secrets/db", json={"value": "second value"})
    gas = post(f"{base}/gasbank", min_balance=0)["ID"]
    post(f"{base}/gasbank/deposit", gas_account_id=gas, amount=12.5, tx_id="0x" + "cd" * 32)
    post(f"{base}/gasbank/withdraw", gas_account_id=gas, amount=2.25, to_address="0x" + "ef" * 20)
    draw = post(f"{base}/random", length=32, request_id="lottery-1", client_seed="c0ffee")
    prices = post(
        f"{base}/pricefeeds",
        base_asset="NEO", quote_asset="USD", deviation_percent=1, update_interval="@every 1h",
        heartbeat_interval="@every 1000h",
    )["ID"]  # fmt: skip
    post(
        f"{base}/pricefeeds/{prices}/snapshots",
        price=11.5, source="s", collected_at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    signer = EdSigner()
    feed = post(
        f"{base}/datafeeds", pair="GAS/USD", decimals=8, heartbeat_seconds=3600,
        signer_set=[signer.name],
    )["id"]  # fmt: skip
    post(
        f"{base}/datafeeds/{feed}/updates",
        **signed_update(signer, feed, 1, "4.2", "2026-01-01T00:00:00Z"),
    )
    source = post(
        f"{base}/oracle/sources", name="weather", url="https://weather.example/v1",
        headers={"Authorization": "Bearer sealed-credential"},
    )["ID"]  # fmt: skip
    request = post(f"{base}/oracle/requests", data_source_id=source, payload="{}")["ID"]
    return [
        base,
        f"{base}/workspace-wallets",
        f"{base}/secrets",
        f"{base}/secrets/db",
        f"{base}/secrets/db?version=1",
        f"{base}/gasbank",
        f"{base}/gasbank/transactions?gas_account_id={gas}",
        f"{base}/random/requests",
        f"{base}/random/requests/{draw.get('ID') or draw.get('id') or 'lottery-1'}/proof",
        f"{base}/pricefeeds/{prices}",
        f"{base}/pricefeeds/{prices}/snapshots",
        f"{base}/datafeeds/{feed}",
        f"{base}/datafeeds/{feed}/rounds/1",
        f"{base}/oracle/sources/{source}",
        f"{base}/oracle/requests/{request}",
    ]


def wait_until_sealed(url: str) -> None:
    """Wait until every entry of the audit log is in the tree."""
    deadline = time.monotonic() + patience(_LIMIT)
    query = "SELECT (SELECT count(*) FROM audit_log) - (SELECT size FROM audit_tree)"
    while asyncio.run(_ask(url, query)):
        assert time.monotonic() < deadline, "the audit log is not sealed"
        time.sleep(0.2)


async def _ask(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def write_dump(url: str, target: Path) -> None:
    """Write the database as SQL that any client can run."""
    command = [
        str(find_binaries() / "pg_dump"),
        *("--inserts", "--rows-per-insert=50", "--no-owner", "--no-privileges", f"--dbname={url}"),
    ]
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    # Commands of psql, and comments; not the empty lines, which stand inside of values too.
    lines = [line for line in text.splitlines() if not line.startswith(("\\", "--"))]
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
