"""Randomness across rotations of its key and crashes of the server: no answer changes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import httpx

from support.api_server import running_api
from support.random_draws import (
    KEY,
    OTHER_SIGNING_KEY,
    SIGNING_KEY,
    check,
    draw,
    open_account,
    prove,
    rows,
    wait_for_answers,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_after_a_rotation_old_draws_keep_their_key_and_their_answers(
    database_url: str, tmp_path: Path
) -> None:
    with (
        running_api(database_url, tmp_path, RANDOM_SIGNING_KEY=SIGNING_KEY) as before,
        before.client() as client,
    ):
        account = open_account(client)
        proved = draw(client, account, request_id="proved", client_seed="s")
        unproved = draw(client, account, request_id="unproved")
        wait_for_answers(database_url)

    with (
        running_api(database_url, tmp_path, RANDOM_SIGNING_KEY=OTHER_SIGNING_KEY) as after,
        after.client() as client,
    ):
        assert draw(client, account, request_id="proved", client_seed="s") == proved
        assert draw(client, account, request_id="unproved") == unproved
        assert draw(client, account)["KeyID"] != proved["KeyID"]
        assert check(prove(client, account, "proved")).key == KEY.public
        refused = client.get(f"/accounts/{account}/random/requests/unproved/proof")
        assert (refused.status_code, refused.json()["code"]) == (409, "random-key-retired")
        keys = client.get("/random/keys").json()
        assert [(key["id"], key["current"]) for key in keys[1:]] == [(proved["KeyID"], False)]

    with (
        running_api(
            database_url,
            tmp_path,
            RANDOM_SIGNING_KEY=OTHER_SIGNING_KEY,
            RANDOM_PREVIOUS_KEYS=SIGNING_KEY,
        ) as given_back,
        given_back.client() as client,
    ):
        document = check(prove(client, account, "unproved"))
        assert document.key == KEY.public
        assert document.signed.value == b64decode(unproved["Value"])


def test_without_a_key_one_is_derived_and_stays_in_reach(database_url: str, tmp_path: Path) -> None:
    old, new = "ab" * 32, "cd" * 32
    with (
        running_api(database_url, tmp_path, SECRET_ENCRYPTION_KEY=old) as before,
        before.client() as client,
    ):
        account = open_account(client)
        first = draw(client, account, request_id="r-1")
    keys = {"SECRET_ENCRYPTION_KEY": new, "SECRET_ENCRYPTION_KEY_PREVIOUS": old}
    with running_api(database_url, tmp_path, **keys) as after, after.client() as client:
        assert draw(client, account, request_id="r-1") == first
        assert check(prove(client, account, "r-1")).key.id == first["KeyID"]
        assert draw(client, account)["KeyID"] != first["KeyID"]


COMMIT_AND_DIE = """
import asyncio, os, signal, sys
from uuid import UUID
from prometheus_client import CollectorRegistry
from servicelayer_api.accounts.service import Accounts
from servicelayer_api.admin.quotas import Quotas
from servicelayer_api.audit.service import AuditLog
from servicelayer_api.clock import SystemClock
from servicelayer_api.db import Database
from servicelayer_api.random.commits import Asked, GroupCommit
from servicelayer_api.random.models import NewDraw
from servicelayer_api.random.rules import DrawKey
from servicelayer_api.ids import new_id
from servicelayer_api.web.principal import Caller, Credential, CredentialKind, Principal, Role

async def main(url, account, tenant):
    database = Database(url)
    await database.open()
    audit = AuditLog(database, SystemClock(), CollectorRegistry(), to_file=False)
    clock = SystemClock()
    accounts = Accounts(database, clock, audit, Quotas(database, clock))
    commits = GroupCommit(database, audit, accounts, DrawKey(bytes(range(32))).public)
    credential = Credential(user="u", role=Role.TOKEN, kind=CredentialKind.STATIC)
    caller = Caller(
        method="POST", path="/", request_id="x", remote_addr="", user_agent="",
        principal=Principal(credential=credential, tenant=tenant),
    )
    new = NewDraw(request_id="r-1", client_seed="s")
    await commits.commit(Asked(
        caller=caller, account_id=account, draw_id=new_id(), created_at_ns=1, new=new
    ))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


def test_a_draw_whose_server_died_after_the_commitment_is_answered_by_the_next(
    database_url: str, tmp_path: Path
) -> None:
    with (
        running_api(database_url, tmp_path, RANDOM_SIGNING_KEY=SIGNING_KEY) as api,
        api.client() as client,
    ):
        account = open_account(client)
        died = subprocess.run(
            [sys.executable, "-c", COMMIT_AND_DIE, database_url, account, "tenant-a"],
            timeout=60,
            check=False,
        )
        assert died.returncode == -signal.SIGKILL
        (kept,) = rows(database_url, "SELECT * FROM random_draws")
        assert kept["signature"] is None

        found = draw(client, account, request_id="r-1", client_seed="s")
        assert (found["ID"], found["Counter"]) == (str(kept["id"]), kept["counter"])
        assert found["CreatedAt"] == "1970-01-01T00:00:00.000000001Z"
        output = b64decode(found["VRF"]["Output"])
        assert check(prove(client, account, "r-1")).vrf.output == output
        audited = rows(database_url, "SELECT 1 FROM audit_log WHERE action = 'random.commit'")
        assert len(audited) == 1


def test_a_server_killed_under_load_changes_no_answer_and_hides_no_draw(
    database_url: str, tmp_path: Path
) -> None:
    answered: dict[str, dict[str, Any]] = {}
    enough = threading.Event()

    def ask(client: httpx.Client, account: str, worker: int) -> None:
        for number in range(10_000):
            name = f"{worker}-{number}"
            try:
                answer = client.post(f"/accounts/{account}/random", json={"request_id": name})
            except httpx.TransportError:
                return
            answered[name] = answer.json()
            if len(answered) >= 150:
                enough.set()

    with (
        running_api(database_url, tmp_path, RANDOM_SIGNING_KEY=SIGNING_KEY) as api,
        api.client() as client,
    ):
        account = open_account(client)
        workers = [threading.Thread(target=ask, args=(client, account, n)) for n in range(8)]
        for worker in workers:
            worker.start()
        assert enough.wait(60)
        api.signal(signal.SIGKILL)
        for worker in workers:
            worker.join()

    with (
        running_api(database_url, tmp_path, RANDOM_SIGNING_KEY=SIGNING_KEY) as api,
        api.client() as client,
    ):
        committed = rows(database_url, "SELECT id, request_id FROM random_draws")
        assert answered.keys() <= {row["request_id"] for row in committed}
        audited = rows(
            database_url, "SELECT resource_id FROM audit_log WHERE action = 'random.commit'"
        )
        assert sorted(row["resource_id"] for row in audited) == sorted(
            str(row["id"]) for row in committed
        )
        for row in committed:
            again = draw(client, account, request_id=row["request_id"])
            assert again["ID"] == str(row["id"])
            assert answered.get(row["request_id"], again) == again
