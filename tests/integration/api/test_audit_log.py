"""The audit log of the real server: changes, refusals, filters, paging, and a disk that is full."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest

from support.api_server import ApiProcess, running_api
from support.patience import patience
from support.people import auth_users, logged_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def audited(database_url: str, tmp_path: Path) -> Iterator[ApiProcess]:
    log = str(tmp_path / "audit.jsonl")
    with running_api(
        database_url, tmp_path, AUTH_USERS=auth_users(), AUDIT_LOG_PATH=log
    ) as process:
        yield process


def admin(server: ApiProcess) -> httpx.Client:
    """An admin of the platform who names no tenant, and so sees all."""
    return logged_in(server)


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + patience(15)
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not come")


def test_change_is_in_the_log_with_who_what_and_from_where(audited: ApiProcess) -> None:
    with audited.client(**{"user-agent": "tester/1"}) as client, admin(audited) as root:
        made = client.post("/accounts", json={"owner": "o"})
        entries = root.get("/admin/audit", params={"contains": "/accounts"}).json()

    entry = entries[-1]
    assert (entry["user"], entry["role"], entry["tenant"]) == ("token", "token", "tenant-a")
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/accounts", 201)
    assert entry["action"] == "account.create"
    assert entry["resource_id"] == entry["account_id"] == made.json()["ID"]
    assert entry["route"] == "/accounts"
    assert entry["request_id"] == made.headers["x-request-id"]
    assert (entry["remote_addr"], entry["user_agent"]) == ("127.0.0.1", "tester/1")


def test_refused_changes_are_noted_and_reads_are_not(audited: ApiProcess) -> None:
    with audited.client() as client, admin(audited) as root:
        client.post("/accounts", json={"owner": ""})
        client.delete("/accounts/unknown", headers={"authorization": "Bearer wrong"})
        client.get("/accounts/unknown")

        def refused() -> list[dict[str, Any]]:
            entries = root.get("/admin/audit").json()
            return [entry for entry in entries if entry["action"] == "request.refused"]

        entries = until(lambda: found if len(found := refused()) >= 2 else None)

    assert [(entry["method"], entry["status"], entry["user"]) for entry in entries] == [
        ("POST", 400, "token"),
        ("DELETE", 401, ""),
    ]


def test_failed_login_names_the_user_it_was_about_if_there_is_one(audited: ApiProcess) -> None:
    for name in ("ann", "hunter2"):
        body = {"username": name, "password": "wrong"}
        httpx.post(f"{audited.url}/auth/login", json=body, trust_env=False)
    with admin(audited) as root:
        entries = until(
            lambda: (
                found
                if len(found := root.get("/admin/audit", params={"status": "401"}).json()) == 2
                else None
            )
        )

    assert [entry["resource_id"] for entry in entries] == ["ann", ""]


def test_filters_and_pages_cover_every_entry_once(audited: ApiProcess) -> None:
    with audited.client() as client, admin(audited) as root:
        for number in range(7):
            tenant = f"t-{number % 2}"
            client.post("/accounts", json={"owner": "o"}, headers={"x-tenant-id": tenant})

        def page(**query: Any) -> list[dict[str, Any]]:
            answer = root.get("/admin/audit", params={"contains": "/accounts", **query})
            assert answer.status_code == 200
            return answer.json()

        whole = page()
        assert [entry["time"] for entry in whole] == sorted(entry["time"] for entry in whole)
        newest = [page(limit=3, offset=offset) for offset in (0, 3, 6, 9)]
        oldest = [page(limit=3, offset=offset, order="oldest") for offset in (0, 3, 6, 9)]

        assert newest[2] + newest[1] + newest[0] == whole
        assert oldest[0] + oldest[1] + oldest[2] == whole
        assert newest[3] == oldest[3] == []
        assert len(page(tenant="t-0")) == 4
        assert len(page(method="post")) == 7
        assert page(method="DELETE") == page(user="nobody") == page(role="user") == []
        assert len(page(role="token", user="token", status=201)) == 7
        assert root.get("/admin/audit", params={"contains": "%"}).json() == []
        third = whole[2]
        assert third["account_id"]
        assert page(account=third["account_id"]) == [third]
        assert page(account=third["id"]) == page(action="account.delete") == []
        assert page(action="account.create") == whole
        refused = root.get("/admin/audit", params={"account": "mine"})
        assert refused.status_code == 400
        assert refused.json()["fields"] == [
            {"field": "account", "message": "must be the id of an account"}
        ]


def test_cursor_leads_through_the_log_while_entries_come_in(audited: ApiProcess) -> None:
    with audited.client() as client, admin(audited) as root:
        for number in range(7):
            client.post("/accounts", json={"owner": f"o{number}"})
        whole = root.get("/admin/audit", params={"contains": "/accounts"}).json()
        for order in ("newest", "oldest"):
            pages: list[list[dict[str, Any]]] = []
            path = f"/admin/audit?contains=/accounts&limit=3&order={order}"
            while path:
                answer = root.get(path)
                assert answer.status_code == 200, answer.text
                pages.append(answer.json())
                if order == "newest":
                    client.post("/accounts", json={"owner": "late"})
                path = answer.links.get("next", {}).get("url", "")
            in_order = pages[::-1] if order == "newest" else pages
            found = [entry for page in in_order for entry in page]
            assert found[:7] == whole
            assert len({entry["id"] for entry in found}) == len(found)

        cursor = root.get("/admin/audit?limit=3").headers["x-next-cursor"]
        for query in (f"cursor={cursor}&user=x", "cursor=x"):
            assert root.get(f"/admin/audit?limit=3&{query}").status_code == 400


def test_query_that_means_nothing_is_refused_by_field(audited: ApiProcess) -> None:
    wrong = "limit=0 limit=x offset=-1 offset=x status=x status=-1 order=random"
    with admin(audited) as root:
        for query in wrong.split():
            answer = root.get(f"/admin/audit?{query}")
            assert answer.status_code == 400
            assert answer.json()["fields"][0]["field"] == query.partition("=")[0]


def test_file_gets_a_copy_of_each_entry(audited: ApiProcess, tmp_path: Path) -> None:
    with audited.client() as client:
        made = client.post("/accounts", json={"owner": "o"})
        client.post("/accounts", json={})
    audited.signal()
    assert audited.wait() == 0

    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(line["action"], line["status"]) for line in lines] == [
        ("account.create", 201),
        ("request.refused", 400),
    ]
    assert lines[0]["resource_id"] == made.json()["ID"]


def test_full_disk_stops_no_change_and_the_gap_is_counted_and_told(
    database_url: str, tmp_path: Path
) -> None:
    with running_api(database_url, tmp_path, AUDIT_LOG_PATH="/dev/full") as server:
        with server.client() as client:
            assert client.post("/accounts", json={"owner": "o"}).status_code == 201
            until(lambda: "audit_file_dropped_total 1.0" in client.get("/metrics").text)
        assert "audit entries cannot be written" in server.output()
    assert asyncio.run(count_entries(database_url, "account.create")) == 1


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 64 KiB; without the right to mount one, the test has nothing to fill."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0755", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("no right to mount a file system here; /dev/full stands in for it above")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_file_goes_on_with_a_line_about_the_gap_when_the_disk_has_room_again(
    database_url: str, tmp_path: Path
) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        running_api(database_url, tmp_path, AUDIT_LOG_PATH=f"{disk}/audit.jsonl") as server,
        server.client() as client,
    ):
        log, filler = disk / "audit.jsonl", disk / "filler"

        def open_account() -> None:
            assert client.post("/accounts", json={"owner": "o"}).status_code == 201

        open_account()
        until(lambda: log.exists() and log.read_text().endswith("\n"))
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(b"x" * 1024):
                pass
        # The page of the last line has some room left still: more than that is written.
        for _ in range(40):
            open_account()
        until(lambda: metric(client, "audit_file_dropped_total") > 0)
        filler.unlink()
        open_account()
        text = until(
            lambda: found if '"gap"' in (found := log.read_text()) and found[-1] == "\n" else None
        )
        dropped = metric(client, "audit_file_dropped_total")

    lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
    entries = [line for line in lines if "gap" not in line]
    assert sum(line["gap"] for line in lines if "gap" in line) == dropped
    assert 42 - dropped <= len(entries) < 42
    assert asyncio.run(count_entries(database_url, "account.create")) == 42


def test_file_that_is_deleted_is_made_again(audited: ApiProcess, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    with audited.client() as client:
        client.post("/accounts", json={"owner": "o"})
        until(log.exists)
        log.unlink()
        made = client.post("/accounts", json={"owner": "o"})
        text = until(lambda: log.exists() and log.read_text())
        assert metric(client, "audit_file_dropped_total") == 0

    assert json.loads(text)["resource_id"] == made.json()["ID"]


def metric(client: httpx.Client, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


def test_metrics_and_status_tell_how_far_the_sealing_is(audited: ApiProcess) -> None:
    with audited.client() as client:
        client.post("/accounts", json={"owner": "o"})
        until(lambda: metric(client, "audit_sealed_entries") >= 1)
        assert metric(client, "audit_unsealed_entries") == 0
        assert metric(client, "audit_seal_lag_seconds") == 0
        assert metric(client, "audit_checkpoints_total") >= 1
        modules = client.get("/system/status").json()["modules"]
    (module,) = [module for module in modules if module["name"] == "audit"]
    assert module["ready_status"] == "ready"


def test_change_whose_entry_cannot_be_written_does_not_happen(
    api: ApiProcess, database_url: str
) -> None:
    async def refuse_entries() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute(
                "ALTER TABLE audit_log ADD CONSTRAINT refuses CHECK (action <> 'account.create')"
            )
        finally:
            await connection.close()

    asyncio.run(refuse_entries())
    with api.client() as client:
        answer = client.post("/accounts", json={"owner": "o"})
        assert answer.status_code == 503
        assert answer.json()["code"] == "audit-unavailable"
        assert "refuses" not in answer.text
        assert client.get("/accounts").json() == []


def test_rows_of_the_log_can_be_neither_changed_nor_deleted(
    api: ApiProcess, database_url: str
) -> None:
    with api.client() as client:
        client.post("/accounts", json={"owner": "o"})

    async def tamper(statement: str) -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    for statement in (
        "UPDATE audit_log SET actor = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            asyncio.run(tamper(statement))


async def count_entries(database_url: str, action: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval("SELECT count(*) FROM audit_log WHERE action = $1", action)
    finally:
        await connection.close()
