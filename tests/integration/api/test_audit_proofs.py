"""Proofs about the audit log by the real server's routes, and the command that checks them."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from servicelayer_api.crypto import merkle
from servicelayer_api.crypto.signed_note import NoteVerifier
from support.api_server import ENCRYPTION_KEY, ApiProcess, environment, running_api
from support.patience import patience
from support.people import auth_users, logged_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[ApiProcess]:
    with running_api(database_url, tmp_path, AUTH_USERS=auth_users()) as process:
        yield process


def until_ok(client: httpx.Client, path: str, **query: Any) -> Any:
    deadline = time.monotonic() + patience(15)
    while time.monotonic() < deadline:
        answer = client.get(path, params=query)
        if answer.status_code == 200:
            return answer.json()
        assert answer.json()["code"] == "audit-not-sealed", answer.text
        time.sleep(0.05)
    raise AssertionError(f"{path} was not sealed in time")


def command(*words: str, url: str = "", **extra: str) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "servicelayer_api", "audit", *words],
        env=environment(url, 0, {"SECRET_ENCRYPTION_KEY": ENCRYPTION_KEY, **extra}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.returncode, ran.stdout + ran.stderr


def test_entry_is_proved_by_route_and_checked_from_the_answer_alone(
    server: ApiProcess, tmp_path: Path
) -> None:
    with server.client() as client, logged_in(server) as root:
        for number in range(5):
            client.post("/accounts", json={"owner": f"o{number}"})
        entry = root.get("/admin/audit", params={"contains": "/accounts"}).json()[2]
        path = f"/admin/audit/entries/{entry['id']}/proof"
        proof = until_ok(root, path)
        raw = root.get(path).content
        key = root.get("/admin/audit/key").json()
        missing = root.get("/admin/audit/entries/00000000-0000-7000-8000-000000000000/proof")
        odd = root.get("/admin/audit/entries/x/proof")

    assert proof["entry"] == entry
    data = json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode()
    leaf_hash = hashlib.sha256(b"\0" + data).digest()
    assert base64.b64decode(proof["leaf_hash"]) == leaf_hash
    text = NoteVerifier.parse(key["verifier_key"]).open(proof["checkpoint"])
    origin, size, root_hash, _ = text.split("\n", 3)
    assert (origin, int(size)) == (key["name"], proof["size"])
    hashes = [base64.b64decode(text) for text in proof["hashes"]]
    assert merkle.includes(
        base64.b64decode(root_hash), proof["size"], proof["leaf"], leaf_hash, hashes
    )
    for answer in (missing, odd):
        assert (answer.status_code, answer.json()["code"]) == (404, "audit-entry-not-found")

    file = tmp_path / "proof.json"
    file.write_bytes(raw)
    assert command("verify", f"--proof={file}", f"--key={key['verifier_key']}")[0] == 0
    for changed in (
        raw.replace(b'"owner"', b'"0wner"').replace(b'"status":201', b'"status":202'),
        raw.replace(b'"leaf":', b'"leaf":1'),
        raw.replace(b"servicelayer/audit/", b"servicelayer/other/"),
        raw[:-5],
    ):
        file.write_bytes(changed)
        code, said = command("verify", f"--proof={file}", f"--key={key['verifier_key']}")
        assert (code, "tampered" in said) == (1, True), said
    assert command("verify", f"--proof={file}", "--key=x+y+z")[0] == 2


def test_growth_is_proved_between_two_checkpoints(server: ApiProcess) -> None:
    with server.client() as client, logged_in(server) as root:
        client.post("/accounts", json={"owner": "o"})
        old = until_ok(root, "/admin/audit/checkpoint")
        for _ in range(4):
            client.post("/accounts", json={"owner": "o"})
        last = root.get("/admin/audit").json()[-1]
        until_ok(root, f"/admin/audit/entries/{last['id']}/proof")
        new = until_ok(root, "/admin/audit/checkpoint")
        proof = root.get("/admin/audit/consistency", params={"old": old["size"]}).json()
        again = root.get("/admin/audit/checkpoint", params={"size": old["size"]}).json()
        refused = [
            root.get(f"/admin/audit/{query}")
            for query in (
                "consistency?old=0",
                "consistency?old=x",
                "consistency?old=999",
                f"consistency?old={new['size']}&new={old['size']}",
                "consistency?old=1&new=99999999999999999999",
                "checkpoint?size=99999",
                "checkpoint?size=-1",
                "consistency",
            )
        ]

    assert again == old
    assert merkle.is_consistent(
        old["size"],
        base64.b64decode(old["root"]),
        new["size"],
        base64.b64decode(new["root"]),
        [base64.b64decode(text) for text in proof["hashes"]],
    )
    assert [answer.status_code for answer in refused] == [400] * len(refused)


def test_admin_of_a_tenant_gets_proofs_of_that_tenant_only_and_others_none(
    server: ApiProcess,
) -> None:
    with (
        server.client() as client,
        server.client(**{"x-tenant-id": "tenant-b"}) as other,
        logged_in(server, "ben") as ben,
        logged_in(server, "ann") as ann,
    ):
        client.post("/accounts", json={"owner": "o"})
        other.post("/accounts", json={"owner": "o"})
        with logged_in(server) as root:
            entries = root.get("/admin/audit", params={"contains": "/accounts"}).json()
        foreign, own = (f"/admin/audit/entries/{entry['id']}/proof" for entry in entries)
        until_ok(ben, own)

        assert ben.get(foreign).json()["code"] == "audit-entry-not-found"
        for path in (own, "/admin/audit/key", "/admin/audit/checkpoint"):
            assert ann.get(path).status_code == 403
            assert client.get(path).status_code == 403
        assert ann.get("/admin/audit/consistency?old=1").status_code == 403


def test_log_is_verified_in_the_database_and_from_files_alone(
    server: ApiProcess, database_url: str, tmp_path: Path
) -> None:
    with server.client() as client, logged_in(server) as root:
        assert command("export", f"--file={tmp_path}/f", f"--checkpoint={tmp_path}/c")[0] == 2
        for _ in range(6):
            client.post("/accounts", json={"owner": "o"})
        last = root.get("/admin/audit").json()[-1]
        until_ok(root, f"/admin/audit/entries/{last['id']}/proof")
        key = root.get("/admin/audit/key").json()["verifier_key"]
    code, said = command("verify", url=database_url)
    assert code == 0, said
    assert "the log is as it was sealed" in said

    file, checkpoint = tmp_path / "audit.jsonl", tmp_path / "checkpoint"
    words = (f"--file={file}", f"--checkpoint={checkpoint}")
    assert command("export", *words, url=database_url)[0] == 0
    code, said = command("verify", words[1], url=database_url)
    assert code == 0, said
    assert command("verify", *words, f"--key={key}")[0] == 0
    assert command("verify", words[0])[0] == 2

    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) >= 6
    for changed, name in (
        ([*lines[:2], lines[2].replace(b'"status":201', b'"status":200'), *lines[3:]], "line 3"),
        ([*lines[:2], *lines[3:]], "the line of leaf 2 is missing"),
        ([lines[1], lines[0], *lines[2:]], "line 2 (leaf 0) stands too late"),
        ([*lines[:3], *lines[2:]], "line 4 (leaf 2) stands there once more"),
        (lines[:-1], "the checkpoint was signed over"),
        ([*lines[:2], b"{}\n", *lines[3:]], "line 3 is no line of an export"),
    ):
        file.write_bytes(b"".join(changed))
        code, said = command("verify", *words, f"--key={key}")
        assert code == 1
        assert name in said

    assert command("verify", url="postgres://u:p@127.0.0.1:1/d")[0] == 3
    assert command("verify", f"--proof={tmp_path}/none", f"--key={key}")[0] == 2
