"""Randomness on the real program: the contract's answer, repetition, proofs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import msgspec
import pytest

from servicelayer_api.crypto import ecvrf
from servicelayer_api.random import rules
from support.api_server import ApiProcess, running_api
from support.random_draws import (
    KEY,
    SIGNING_KEY,
    check,
    draw,
    open_account,
    prove,
    rows,
    wait_for_answers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@pytest.fixture
def api(database_url: str, tmp_path: Path) -> Iterator[ApiProcess]:
    with running_api(database_url, tmp_path, RANDOM_SIGNING_KEY=SIGNING_KEY) as process:
        yield process


@pytest.fixture
def client(api: ApiProcess) -> Iterator[httpx.Client]:
    with api.client() as made:
        yield made


def test_an_answer_is_the_contracts_and_carries_the_key(client: httpx.Client) -> None:
    account = open_account(client)
    found = draw(client, account, length=100, request_id=" r-1 ")
    assert found.keys() == {
        *("AccountID", "Length", "Value", "CreatedAt", "RequestID", "Counter", "Signature"),
        *("PublicKey", "ID", "KeyID"),
    }
    assert (found["AccountID"], found["Length"], found["RequestID"]) == (account, 100, "r-1")
    assert b64decode(found["PublicKey"]) == KEY.public.public_key
    at = rules.parse_moment(found["CreatedAt"])
    assert at is not None
    message = b"r-1\0" + b"".join(
        number.to_bytes(size, "big") for number, size in ((found["Counter"], 8), (at, 8), (100, 4))
    )
    signature = b64decode(found["Signature"])
    assert rules.derive_value(signature, message, 100) == b64decode(found["Value"])


def test_the_same_request_id_gives_the_same_answer_and_no_second_draw(
    client: httpx.Client, database_url: str
) -> None:
    account = open_account(client)
    first = draw(client, account, length=16, request_id="r-1")
    assert draw(client, account, length=16, request_id="r-1 ") == first
    for other in ({"length": 17}, {"length": 16, "client_seed": "x"}):
        refused = client.post(f"/accounts/{account}/random", json={"request_id": "r-1", **other})
        assert refused.status_code == 409
        assert refused.json()["code"] == "random-request-differs"
    kept = rows(database_url, "SELECT resource_id FROM audit_log WHERE action = 'random.commit'")
    assert [row["resource_id"] for row in kept] == [first["ID"]]

    elsewhere = draw(client, open_account(client), length=16, request_id="r-1")
    assert elsewhere["Value"] != first["Value"]


def test_requests_of_one_name_that_come_at_once_get_one_answer(client: httpx.Client) -> None:
    account = open_account(client)

    async def ask_at_once() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            base_url=client.base_url, headers=client.headers, trust_env=False
        ) as many:
            path = f"/accounts/{account}/random"
            asked = [many.post(path, json={"request_id": f"r-{n % 3}"}) for n in range(30)]
            return await asyncio.gather(*asked)

    answers = asyncio.run(ask_at_once())
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 3


def test_requests_that_share_a_commit_have_each_their_own_outcome(client: httpx.Client) -> None:
    account, suspended = open_account(client), open_account(client)
    assert client.patch(f"/accounts/{suspended}", json={"status": "suspended"}).is_success
    draw(client, account, request_id="taken", length=8)

    async def ask_at_once() -> list[int]:
        async with httpx.AsyncClient(
            base_url=client.base_url, headers=client.headers, trust_env=False
        ) as many:
            asked = [
                many.post(f"/accounts/{which}/random", json=body, headers=headers)
                for which, body, headers in [
                    (account, {}, {}),
                    (suspended, {}, {}),
                    ("nothing", {}, {}),
                    (account, {"request_id": "taken", "length": 9}, {}),
                    (account, {"request_id": "taken", "length": 8}, {}),
                    (account, {}, {"x-tenant-id": "tenant-b"}),
                ]
                * 5
            ]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert asyncio.run(ask_at_once()) == [200, 403, 404, 409, 200, 404] * 5
    listed = client.get(f"/accounts/{account}/random/requests").json()
    assert len(listed) == 6


def test_an_idempotency_key_replays_the_draw_and_a_refusal_leaves_none(
    client: httpx.Client, database_url: str
) -> None:
    account = open_account(client)
    key = {"Idempotency-Key": "once-and-only-once"}
    answers = [
        client.post(f"/accounts/{account}/random", json={"length": 8}, headers=key)
        for _ in range(2)
    ]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["idempotent-replayed"] == "true"
    (kept,) = rows(database_url, "SELECT id FROM random_draws")
    assert str(kept["id"]) == answers[0].json()["ID"]
    check(prove(client, account, answers[0].json()["ID"]))
    other = {"Idempotency-Key": "another-one"}
    assert client.post(f"/accounts/{account}/random", json={"length": -1}, headers=other).is_error
    assert len(rows(database_url, "SELECT 1 FROM random_draws")) == 1
    # Draw and answer are of one transaction: where one cannot be kept, the other is not made.
    rows(database_url, "ALTER TABLE request_replies ADD CONSTRAINT full_up CHECK (false) NOT VALID")
    assert client.post(f"/accounts/{account}/random", json={"length": 8}, headers=other).is_error
    assert len(rows(database_url, "SELECT 1 FROM random_draws")) == 1


def test_with_a_client_seed_the_verifiable_output_is_in_the_answer(client: httpx.Client) -> None:
    account = open_account(client)
    found = draw(client, account, length=80, request_id="dice", client_seed="mine")
    vrf = found["VRF"]
    alpha = b64decode(vrf["Alpha"])
    output = ecvrf.verify(b64decode(vrf["PublicKey"]), alpha, b64decode(vrf["Proof"]))
    assert output == b64decode(vrf["Output"])
    assert rules.expand(output, 80) == b64decode(vrf["Value"])
    assert b"mine" in alpha
    assert account.encode() in alpha
    assert draw(client, account, length=80, request_id="dice", client_seed="mine") == found
    assert msgspec.to_builtins(check(prove(client, account, "dice")).vrf) == {
        name.lower(): vrf[name] for name in ("Suite", "Alpha", "Proof", "Output", "Value")
    }


def test_a_proof_is_verified_from_its_file_alone(client: httpx.Client, tmp_path: Path) -> None:
    account = open_account(client)
    named = draw(client, account, request_id="r|1 ä")
    unnamed = draw(client, account)
    file = tmp_path / "proof.json"
    for found in (named, unnamed):
        file.write_bytes(prove(client, account, found["ID"]))
        # No setting, no network, no database: nothing but the file.
        done = subprocess.run(
            [sys.executable, "-m", "servicelayer_api", "verify", "random", str(file)],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "VERIFIED" in done.stdout
        document = check(file.read_bytes())
        assert document.signed.value == b64decode(found["Value"])

    assert check(prove(client, account, unnamed["ID"])).draw.id is not None
    answer = client.get(f"/accounts/{account}/random/requests/nothing/proof")
    assert (answer.status_code, answer.json()["code"]) == (404, "random-request-not-found")


def test_a_list_is_paged_newest_first_and_shows_what_was_answered(client: httpx.Client) -> None:
    account = open_account(client)
    made = [draw(client, account, length=n + 1) for n in range(7)]
    path = f"/accounts/{account}/random/requests"
    assert client.get(path).json() == made[::-1]
    assert client.get(f"/accounts/{open_account(client)}/random/requests").json() == []

    seen: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(path, params={"limit": "3", **({"cursor": cursor} if cursor else {})})
        draw(client, account)  # what comes meanwhile shifts nothing
        seen += page.json()
        cursor = page.headers.get("x-next-cursor")
    assert seen == made[::-1]


def test_what_is_asked_badly_is_refused(client: httpx.Client) -> None:
    path = f"/accounts/{open_account(client)}/random"
    bad: Sequence[dict[str, Any]] = [
        {"length": 1025},
        {"length": -1},
        {"length": 2**60},
        {"length": "8"},
        {"request_id": "x" * 257},
        {"request_id": "a\0b"},
        {"request_id": "r", "client_seed": "x" * 65},
        {"client_seed": "x"},
        {"seed": "unknown"},
    ]
    assert [client.post(path, json=body).status_code for body in bad] == [400] * len(bad)
    lone = client.post(path, content=rb'{"request_id": "r", "client_seed": "\ud800"}')
    assert lone.status_code == 400
    assert client.get(f"{path}/requests").json() == []


def test_a_suspended_account_draws_nothing_and_its_history_is_readable(
    client: httpx.Client,
) -> None:
    account = open_account(client)
    found = draw(client, account)
    assert client.patch(f"/accounts/{account}", json={"status": "suspended"}).is_success
    refused = client.post(f"/accounts/{account}/random", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "account-suspended")
    assert client.get(f"/accounts/{account}/random/requests").json() == [found]
    foreign = {"x-tenant-id": "tenant-b"}
    for answer in (
        client.post(f"/accounts/{account}/random", json={}, headers=foreign),
        client.get(f"/accounts/{account}/random/requests", headers=foreign),
        client.get(f"/accounts/{account}/random/requests/x/proof", headers=foreign),
    ):
        assert answer.status_code == 404


def test_public_keys_need_no_credential_and_hold_nothing_private(api: ApiProcess) -> None:
    answer = httpx.get(f"{api.url}/random/keys", trust_env=False)
    (shown,) = answer.json()
    assert shown == {
        **msgspec.to_builtins(KEY.public),
        "first_used_at": shown["first_used_at"],
        "current": True,
    }


def test_commitments_and_answers_are_written_once(client: httpx.Client, database_url: str) -> None:
    account = open_account(client)
    found = draw(client, account, request_id="r", client_seed="s")
    prove(client, account, found["ID"])
    wait_for_answers(database_url)
    for change in (
        "UPDATE random_draws SET client_seed = 'other'",
        "UPDATE random_draws SET created_at_ns = created_at_ns + 1",
        "UPDATE random_draws SET signature = NULL",
        "UPDATE random_draws SET vrf_proof = decode(repeat('00', 80), 'hex')",
        "DELETE FROM random_keys",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            rows(database_url, change)
    assert client.delete(f"/accounts/{account}").is_success
    assert rows(database_url, "SELECT 1 FROM random_draws") == []
