"""The API behind PgBouncer in transaction mode."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from support.api_server import running_api
from support.pgbouncer import find_pgbouncer, pgbouncer

if TYPE_CHECKING:
    from pathlib import Path

    from support.api_server import ApiProcess


def test_it_migrates_and_serves_behind_pgbouncer(empty_database_url: str, tmp_path: Path) -> None:
    program = find_pgbouncer()
    if program is None:
        pytest.skip("PgBouncer is not installed; on Debian: apt-get install pgbouncer")

    with (
        pgbouncer(program, empty_database_url, tmp_path) as url,
        running_api(url, tmp_path, DATABASE_STATEMENT_CACHE="off") as api,
        ThreadPoolExecutor(8) as pool,
    ):
        statuses = list(pool.map(_make_and_list, [api] * 24))

    assert statuses == [(201, 200)] * 24


def _make_and_list(api: ApiProcess) -> tuple[int, int]:
    with api.client() as client:
        made = client.post(
            "/accounts", json={"owner": "somebody"}, headers={"idempotency-key": str(uuid4())}
        )
        return made.status_code, client.get("/accounts").status_code
