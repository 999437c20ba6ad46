"""Secrets over HTTP, on the real program and a real PostgreSQL."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.patience import patience
from support.people import PASSWORDS
from support.secrets_api import QUOTA, SecretsApi, canary, secret_path

# All that can be done to one secret.
OPERATIONS: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
    ("GET", "", None),
    ("PUT", "", {"value": "v"}),
    ("DELETE", "", None),
    ("GET", "/versions", None),
    ("POST", "/rollback", {"version": 1}),
)


@pytest.fixture
def api(secrets_api: SecretsApi) -> SecretsApi:
    return secrets_api


@pytest.fixture
def account(api: SecretsApi) -> str:
    return api.open_account()


def test_a_secret_is_found_in_any_case_and_shown_by_one_route_only(
    api: SecretsApi, account: str
) -> None:
    value = canary()
    made = api.keep(account, "ApiKey", value, acl=3)
    listed = api.ask("GET", secret_path(account))
    read = api.ask("GET", secret_path(account, "APIKEY"))

    assert made.keys() == {
        *("id", "account_id", "name", "version", "acl", "created_at", "updated_at")
    }
    assert listed.json() == [made]
    assert value not in listed.text
    assert read.json()["Value"] == value
    assert (read.json()["Name"], read.json()["Version"], read.json()["ACL"]) == ("ApiKey", 1, 3)
    assert read.headers["cache-control"] == "no-store"


def test_names_are_told_apart_without_case(api: SecretsApi, account: str) -> None:
    api.keep(account, "Schlüssel", "v")
    again = api.ask("POST", secret_path(account), {"name": "SCHLÜSSEL", "value": "w"})

    assert (again.status_code, again.json()["code"]) == (409, "secret-exists")
    assert api.value(account, "schlu\u0308ssel") == "v"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"value": "v"}, "name"),
        ({"name": "  ", "value": "v"}, "name"),
        ({"name": "a|b", "value": "v"}, "name"),
        ({"name": "a\0b", "value": "v"}, "name"),
        ({"name": "db/", "value": "v"}, "name"),
        ({"name": "..", "value": "v"}, "name"),
        ({"name": ".", "value": "v"}, "name"),
        ({"name": "a\\b", "value": "v"}, "name"),
        ({"name": "n" * 257, "value": "v"}, "name"),
        ({"name": "n"}, "value"),
        ({"name": "n", "value": ""}, "value"),
        ({"name": "n", "value": "ä" * 32769}, "value"),
        ({"name": "n", "value": "v", "acl": 256}, "acl"),
        ({"name": "n", "value": "v", "acl": -1}, "acl"),
        ({"name": "n", "value": "v", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "n", "value": "v", "expires_at": "2999-01-01T00:00:00"}, "expires_at"),
        ({"name": "n", "value": "v", "surprise": 1}, "surprise"),
    ],
)
def test_what_is_no_secret_is_refused_with_the_field_named(
    api: SecretsApi, account: str, body: dict[str, object], field: str
) -> None:
    answer = api.ask("POST", secret_path(account), body)

    assert answer.status_code == 400, answer.text
    assert [fault["field"] for fault in answer.json()["fields"]] == [field]


def test_every_change_is_a_version_and_an_old_value_comes_back_as_a_new_one(
    api: SecretsApi, account: str
) -> None:
    api.keep(account, "s", "one")
    api.ask("PUT", secret_path(account, "s"), {"value": "two"})
    api.ask("PUT", secret_path(account, "s"), {"acl": 5})
    back = api.ask("POST", secret_path(account, "S", "/rollback"), {"version": 1})

    assert (back.status_code, back.json()["version"], back.json()["acl"]) == (200, 4, 5)
    assert [api.value(account, "s", f"?version={n}") for n in (1, 2, 3, 4, 5)] == [
        "one", "two", "two", "one", "secret-not-found",
    ]  # fmt: skip
    assert api.value(account, "s") == "one"
    history = api.ask("GET", secret_path(account, "s", "/versions")).json()
    assert [(v["version"], v["acl"]) for v in history] == [(4, 5), (3, 5), (2, 0), (1, 0)]
    assert [v.get("current", False) for v in history] == [True, False, False, False]
    assert history[0]["restored_from"] == 1
    gone = api.ask("POST", secret_path(account, "s", "/rollback"), {"version": 9})
    assert (gone.status_code, gone.json()["code"]) == (404, "secret-not-found")


def test_the_newest_fifty_versions_are_kept_and_listed_in_pages(
    api: SecretsApi, account: str
) -> None:
    api.keep(account, "s", "v1")
    for number in range(2, 53):
        assert api.ask("PUT", secret_path(account, "s"), {"value": f"v{number}"}).status_code == 200

    seen: list[int] = []
    cursor = ""
    while True:
        page = api.ask("GET", secret_path(account, "s", f"/versions?limit=20{cursor}"))
        seen += [version["version"] for version in page.json()]
        if "x-next-cursor" not in page.headers:
            break
        cursor = f"&cursor={page.headers['x-next-cursor']}"
    assert seen == list(range(52, 2, -1))
    assert api.value(account, "s", "?version=2") == "secret-not-found"
    assert api.value(account, "s", "?version=3") == "v3"


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "99999999999", "%C2%B2"])
def test_a_version_that_is_no_number_is_refused(api: SecretsApi, account: str, text: str) -> None:
    api.keep(account, "s", "v")

    assert api.value(account, "s", f"?version={text}") == "invalid-request"


def test_secrets_are_listed_in_pages_by_age(api: SecretsApi, account: str) -> None:
    made = [api.keep(account, f"s{n}", "v")["id"] for n in range(5)]
    first = api.ask("GET", secret_path(account) + "?limit=2")
    second = api.ask(
        "GET", f"{secret_path(account)}?limit=5&cursor={first.headers['x-next-cursor']}"
    )

    assert [s["id"] for s in first.json() + second.json()] == made
    assert "x-next-cursor" not in second.headers
    assert api.ask("GET", secret_path(account) + "?limit=0").status_code == 400


def test_an_account_has_no_more_secrets_than_it_may_however_many_ask_at_once(
    api: SecretsApi, account: str
) -> None:
    def add(number: int) -> int:
        body = {"name": f"s{number}", "value": "v"}
        return api.ask("POST", secret_path(account), body).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(add, range(QUOTA + 6)))

    assert statuses == [201] * QUOTA + [409] * 6
    assert len(api.ask("GET", secret_path(account)).json()) == QUOTA


def test_a_change_needs_something_to_change_and_a_secret_that_is_there(
    api: SecretsApi, account: str
) -> None:
    api.keep(account, "s", "v")

    assert api.ask("PUT", secret_path(account, "s"), {}).status_code == 400
    assert api.ask("PUT", secret_path(account, "s"), {"value": ""}).status_code == 400
    for method, rest, body in OPERATIONS:
        answer = api.ask(method, secret_path(account, "nothing", rest), body)
        assert (answer.status_code, answer.json()["code"]) == (404, "secret-not-found")


def test_a_change_can_be_made_to_depend_on_the_version_that_was_read(
    api: SecretsApi, account: str
) -> None:
    api.keep(account, "s", "one")
    tag = api.ask("GET", secret_path(account, "s")).headers["etag"]
    first = api.ask("PUT", secret_path(account, "s"), {"value": "two"}, if_match=f'"x", {tag}')
    stale = [
        api.ask("PUT", secret_path(account, "s"), {"value": "three"}, if_match=tag),
        api.ask("POST", secret_path(account, "s", "/rollback"), {"version": 1}, if_match=tag),
        api.ask("DELETE", secret_path(account, "s"), if_match=tag),
    ]

    assert first.status_code == 200
    assert [(a.status_code, a.json()["code"]) for a in stale] == [(412, "secret-changed")] * 3
    assert api.value(account, "s") == "two"
    assert api.ask("DELETE", secret_path(account, "s"), if_match="*").status_code == 204
    api.keep(account, "s", "another")
    reborn = api.ask(
        "PUT", secret_path(account, "s"), {"value": "x"}, if_match=first.headers["etag"]
    )
    assert reborn.status_code == 412


def test_changes_at_once_each_get_a_version_of_their_own(api: SecretsApi, account: str) -> None:
    api.keep(account, "s", "v")

    def change(number: int) -> int:
        answer = api.ask("PUT", secret_path(account, "s"), {"value": f"v{number}"})
        return int(answer.json()["version"])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(change, range(24)))

    assert sorted(answers) == list(range(2, 26))


def test_an_expired_secret_is_listed_and_not_given_out(api: SecretsApi, account: str) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    made = api.keep(account, "s", "v", expires_at=soon)
    assert "expires_at" in made
    assert "expired" not in made

    deadline = time.monotonic() + patience(20)
    while api.value(account, "s") != "secret-expired" and time.monotonic() < deadline:
        time.sleep(0.05)
    refused = api.ask("GET", secret_path(account, "s"))
    assert (refused.status_code, refused.json()["code"]) == (410, "secret-expired")
    assert api.value(account, "s", "?version=1") == "secret-expired"
    assert api.ask("GET", secret_path(account)).json()[0]["expired"] is True
    assert api.ask("GET", secret_path(account, "s", "/versions")).json()[0]["expired"] is True

    revived = api.ask("PUT", secret_path(account, "s"), {"expires_at": None})
    assert revived.json().keys() & {"expires_at", "expired"} == set()
    assert api.value(account, "s") == "v"


def test_an_account_key_reads_what_the_access_bits_give_it_and_grants_nothing(
    api: SecretsApi, account: str
) -> None:
    key = api.make_key(account)
    api.keep(account, "closed", "v", acl=0x0F)
    api.keep(account, "open", "v", acl=0x10)
    api.ask("PUT", secret_path(account, "open"), {"acl": 0})
    api.ask("PUT", secret_path(account, "open"), {"acl": 0x14})

    def asked(method: str, name: str, body: object = None, query: str = "") -> int:
        return api.ask(method, secret_path(account, name, query), body, token=key).status_code

    assert asked("GET", "closed") == 403
    assert asked("GET", "open") == 200
    # The present version decides, also about older ones.
    assert asked("GET", "open", query="?version=2") == 200
    assert asked("GET", "closed", query="?version=1") == 403
    assert asked("PUT", "closed", {"acl": 0x1F}) == 403
    assert asked("PUT", "closed", {"value": "w", "acl": 0x10}) == 403
    assert asked("PUT", "closed", {"value": "w"}) == 200
    assert asked("PUT", "open", {"acl": 0x10}) == 200
    assert asked("PUT", "open", {"acl": 0x11}) == 403
    assert asked("GET", "", query="") == 200
    denied = api.ask("GET", secret_path(account, "closed"), token=key)
    assert denied.json()["code"] == "secret-access-denied"


def test_people_of_the_tenant_read_and_others_find_nothing(api: SecretsApi, account: str) -> None:
    api.keep(account, "s", "v")
    tokens = {
        name: api.ask("POST", "/auth/login", {"username": name, "password": password}).json()[
            "token"
        ]
        for name, password in PASSWORDS.items()
    }
    sibling = api.make_key(api.open_account())

    own = api.ask("GET", secret_path(account, "s"), token=tokens["ann"])
    assert own.json()["Value"] == "v"
    for method, rest, body in OPERATIONS:
        foreign = api.ask(
            method,
            secret_path(account, "s", rest),
            body,
            token=tokens["ben"],
            x_tenant_id="tenant-b",
        )
        by_key = api.ask(method, secret_path(account, "s", rest), body, token=sibling)
        assert foreign.status_code == by_key.status_code == 404
        assert foreign.json()["code"] == by_key.json()["code"] == "account-not-found"


async def test_deleting_a_secret_or_its_account_leaves_nothing_of_it(api: SecretsApi) -> None:
    account = api.open_account()
    api.keep(account, "gone", "v")
    api.keep(account, "stays", "v")
    assert api.ask("DELETE", secret_path(account, "gone")).status_code == 204
    assert api.value(account, "gone") == "secret-not-found"
    assert api.value(account, "stays") == "v"

    assert api.ask("DELETE", f"/accounts/{account}").status_code == 204
    for table, column in (
        ("secrets", "account_id"),
        ("secret_versions", "account_id"),
        ("vault_data_keys", "owner"),
    ):
        rows = await api.fetch(f"SELECT FROM {table} WHERE {column} = $1", account)
        assert rows == [], table


async def test_changes_are_in_the_audit_log(api: SecretsApi, account: str) -> None:
    api.keep(account, "s", "one")
    api.ask("PUT", secret_path(account, "s"), {"value": "two"})
    api.ask("POST", secret_path(account, "s", "/rollback"), {"version": 1})
    api.ask("GET", secret_path(account))
    api.ask("GET", secret_path(account, "s", "/versions"))
    api.ask("DELETE", secret_path(account, "s"))

    rows = await api.fetch(
        "SELECT action FROM audit_log WHERE account_id = $1 ORDER BY id", account
    )
    assert [row["action"] for row in rows if row["action"].startswith("secret")] == [
        "secret.create", "secret.change", "secret.rollback", "secret.delete",
    ]  # fmt: skip


async def test_a_name_that_was_taken_before_and_cannot_stand_in_a_path_is_deleted_by_query(
    api: SecretsApi, account: str
) -> None:
    api.keep(account, "db", "kept")
    for number, name in enumerate(("db/", "a/versions", "..")):
        api.keep(account, f"old{number}", "v")
        await api.execute(
            "UPDATE secrets SET name = $1, name_key = $1 WHERE account_id = $2 AND name = $3",
            name, account, f"old{number}",
        )  # fmt: skip
        assert api.ask("DELETE", secret_path(account) + "/db%2F").status_code == 404
        gone = api.client.delete(secret_path(account), params={"name": name})
        assert gone.status_code == 204

    assert api.client.delete(secret_path(account)).status_code == 400
    assert api.value(account, "db") == "kept"
