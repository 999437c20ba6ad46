"""`servicelayer-api serve` as a real process: starting, refusing to start, losing its database."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.api_server import (
    ENCRYPTION_KEY,
    JWT_SECRET,
    SECOND_TOKEN,
    TENANT,
    TOKEN,
    environment,
    free_port,
    running_api,
)
from support.postgres import make_database

if TYPE_CHECKING:
    from pathlib import Path

    from servicelayer_api.local_postgres import LocalPostgres
    from support.api_server import ApiProcess

_GUIDE_NAMES = {
    "http_requests_total",
    "http_request_duration_seconds_count",
    "service_module_status",
}


def test_it_serves_configured_by_the_environment_alone(api: ApiProcess) -> None:
    with api.client() as client:
        assert client.get("/livez").json() == {"status": "ok"}
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/system/status").json()["modules_meta"]["not_ready"] == 0


def test_the_store_is_found_as_the_guide_looks_for_it(api: ApiProcess) -> None:
    with api.client() as client:
        modules = client.get("/system/status").json()["modules"]

    (store,) = [module for module in modules if module["name"] == "store"]
    assert (store["status"], store["ready_status"]) == ("started", "ready")
    assert store["pool"]["max"] == 8


async def test_it_migrates_an_empty_database_while_it_starts(
    empty_database_url: str, tmp_path: Path
) -> None:
    with running_api(empty_database_url, tmp_path) as api, api.client() as client:
        migrations = client.get("/system/status").json()["migrations"]

    assert migrations["current"] == migrations["latest"] > 0


def test_it_is_not_ready_over_an_empty_database_when_told_not_to_migrate(
    empty_database_url: str, tmp_path: Path
) -> None:
    with running_api(empty_database_url, tmp_path, wait="/livez", MIGRATE="false") as api:
        answer = api.wait_for("/readyz", 503)

        assert answer.json()["status"] == 503
        assert answer.headers["content-type"] == "application/problem+json"
        with api.client() as client:
            refused = client.get("/accounts")
            (store,) = [
                m for m in client.get("/system/status").json()["modules"] if m["name"] == "store"
            ]
        assert "servicelayer-api migrate" in store["ready_error"]
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")


async def test_it_is_ready_again_after_the_database_came_back_without_a_restart(
    own_postgres: LocalPostgres, tmp_path: Path
) -> None:
    url = await make_database(own_postgres)
    with running_api(url, tmp_path) as api, api.client() as client:
        assert client.get("/accounts").status_code == 200

        own_postgres.kill()
        api.wait_for("/readyz", 503)
        refused = client.get("/accounts")
        alive = client.get("/livez").status_code
        own_postgres.start()
        api.wait_for("/readyz", 200)

        assert (refused.status_code, alive) == (503, 200)
        assert refused.json()["code"] == "unavailable"
        assert client.get("/accounts").status_code == 200
        assert api.returncode is None


async def test_it_starts_while_the_database_is_away_and_migrates_when_it_is_back(
    own_postgres: LocalPostgres, tmp_path: Path
) -> None:
    url = await make_database(own_postgres)
    own_postgres.stop()
    with running_api(url, tmp_path, wait="/livez") as api:
        api.wait_for("/readyz", 503)

        own_postgres.start()

        api.wait_for("/readyz", 200)


def test_the_metrics_carry_the_guides_names_and_only_route_templates(api: ApiProcess) -> None:
    with api.client() as client:
        made = client.post("/accounts", json={"owner": "somebody"}).json()
        client.get(f"/accounts/{made['ID']}")
        client.get("/no/such/path")
        text = client.get("/metrics").text
        assert client.get("/metrics", headers={"authorization": ""}).status_code == 401

    names = {line.partition("{")[0].partition(" ")[0] for line in text.splitlines()}
    assert _GUIDE_NAMES | {"db_connections_active", "db_pool_size"} <= names
    assert made["ID"] not in text
    assert "/accounts/{account_id}" in text
    assert "/no/such/path" not in text


def test_no_secret_is_ever_written(database_url: str, tmp_path: Path) -> None:
    signing_key = "Y2FuYXJ5LXNpZ25pbmcta2V5LTAxMjM0NTY3ODlhYmM="
    password = database_url.partition("://")[2].partition("@")[0].partition(":")[2]
    secrets = [TOKEN, SECOND_TOKEN, JWT_SECRET, ENCRYPTION_KEY, signing_key, password]
    with running_api(database_url, tmp_path, RANDOM_SIGNING_KEY=signing_key) as api:
        with api.client() as client:
            client.get(f"/accounts/{TOKEN}")
            client.post("/accounts", json={"owner": JWT_SECRET, "nonsense": ENCRYPTION_KEY})
            client.get("/accounts", headers={"authorization": f"Bearer {ENCRYPTION_KEY}"})
            seen = client.get("/metrics").text + client.get("/system/status").text
        api.close()

        assert [s for s in secrets if s in api.output() + seen] == []


def test_every_log_line_is_json_with_the_id_of_its_request(api: ApiProcess) -> None:
    with api.client() as client:
        client.post("/accounts", json={"owner": "x"}, headers={"x-request-id": "find-me-1"})
    api.close()

    lines = [json.loads(line) for line in api.output().splitlines()]
    assert [line["path"] for line in lines if line.get("request_id") == "find-me-1"] == [
        "/accounts"
    ]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"DATABASE_URL": "mysql://u:hidden-word@h/d"}, "DATABASE_URL"),
        ({"API_TOKENS": ""}, "API_TOKENS"),
        ({"API_TOKENS": "dev-token"}, "API_TOKENS"),
        ({"API_TOKENS": "", "AUTH_USERS": "admin:hidden-word:admin"}, "AUTH_"),
        ({"AUTH_JWT_SECRET": "hidden-word"}, "AUTH_JWT_SECRET"),
        ({"SECRET_ENCRYPTION_KEY": ""}, "SECRET_ENCRYPTION_KEY"),
        ({"SECRET_ENCRYPTION_KEY": "hidden-word"}, "SECRET_ENCRYPTION_KEY"),
        ({"RANDOM_SIGNING_KEY": "hidden-word"}, "RANDOM_SIGNING_KEY"),
        ({"LISTEN_ADDR": "nonsense"}, "LISTEN_ADDR"),
        ({"GASBANK_POLL_INTERVAL": "soon"}, "GASBANK_POLL_INTERVAL"),
    ],
)
def test_it_refuses_to_start_with_one_line_that_names_the_variable(
    tmp_path: Path, change: dict[str, str], named: str
) -> None:
    note = tmp_path / "termination-log"
    env = environment("postgres://u:p@127.0.0.1:1/d", free_port())

    done = subprocess.run(
        [sys.executable, "-m", "servicelayer_api", "serve"],
        env={**env, "TERMINATION_LOG": str(note), **change},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"servicelayer-api: {named}")
    assert "hidden-word" not in done.stderr + note.read_text()
    assert json.loads(note.read_text())["reason"] == "ConfigInvalid"


@pytest.mark.parametrize("processes", ["1", "2"])
def test_it_refuses_a_port_that_is_taken_and_says_so(tmp_path: Path, processes: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        env = environment("postgres://u:p@127.0.0.1:1/d", taken.getsockname()[1])

        done = subprocess.run(
            [sys.executable, "-m", "servicelayer_api", "serve"],
            env={**env, "WEB_WORKERS": processes, "TERMINATION_LOG": str(tmp_path / "note")},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert done.returncode == 2
    assert "LISTEN_ADDR" in done.stderr.splitlines()[-1]
    assert json.loads((tmp_path / "note").read_text())["reason"] == "PortInUse"
    assert "Traceback" not in done.stderr


def test_a_tenant_header_and_a_token_are_all_a_caller_needs(api: ApiProcess) -> None:
    with api.client() as client:
        made = client.post("/accounts", json={"owner": "somebody"})

    assert made.status_code == 201
    assert made.json()["Metadata"] == {"tenant": TENANT}
