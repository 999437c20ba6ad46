"""A database whose name is not found is told as that, and leaves nothing behind in the log."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from support.api_server import ApiProcess, free_port
from support.patience import patience
from support.slow_dns import SlowDns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PLACE = "db.shop.svc:5432"


def _until(what: str, holds: Callable[[], bool], api: ApiProcess) -> None:
    deadline = time.monotonic() + patience(30)
    while not holds():
        assert time.monotonic() < deadline, f"not seen: {what}\n{api.output()[-3000:]}"
        time.sleep(0.05)


@pytest.mark.skipif(os.geteuid() != 0, reason="a name server of its own needs root")
def test_a_name_server_that_does_not_answer_is_told_and_no_lookup_is_forgotten(
    tmp_path: Path,
) -> None:
    port = free_port()

    def reason() -> str:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
        except httpx.TransportError:
            return ""
        return str(answer.json().get("modules", {}).get("store", ""))

    with SlowDns() as dns:
        api = ApiProcess(
            f"postgres://u:hidden@{_PLACE}/d",
            tmp_path,
            {"PROBE_ADDR": f"127.0.0.1:{port}", "MIGRATE": "false"},
            through=dns.through(tmp_path),
        )
        try:
            told = f"DNS does not answer for the database's host: {_PLACE} "
            _until("asked", dns.asked.is_set, api)
            _until("no answer", lambda: reason() == f"{told}(no answer within 2 s)", api)
            # The driver waits 5 s for a connection: whoever it forgets is forgotten by then.
            _until("given up", lambda: "the database is in trouble" in api.output(), api)
            dns.fail()
            failed = f"{told}(Temporary failure in name resolution)"
            _until("failed", lambda: reason() == failed, api)
        finally:
            ended = api.close()
    assert ended == 0
    assert "never retrieved" not in api.output()
    assert "hidden" not in api.output()
