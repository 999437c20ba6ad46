"""The lists of accounts, wallets and API keys, page by page, while rows come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from support.api_server import ApiProcess


def make(client: httpx.Client, path: str, body: dict[str, Any]) -> str:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json().get("ID") or answer.json()["id"]


def walk(
    client: httpx.Client, path: str, limit: int, between: Callable[[], object] = lambda: None
) -> list[list[str]]:
    """Follow the cursors; gives the ids page by page."""
    pages: list[list[str]] = []
    query = f"limit={limit}"
    while query:
        answer = client.get(f"{path}?{query}")
        assert answer.status_code == 200, answer.text
        pages.append([row.get("ID") or row["id"] for row in answer.json()])
        cursor = answer.headers.get("x-next-cursor")
        query = f"limit={limit}&cursor={cursor}" if cursor else ""
        between()
    return pages


def wallet(number: int) -> dict[str, str]:
    return {"wallet_address": f"0x{number:040x}"}


def test_each_row_stands_on_one_page_though_others_come_and_go(client: httpx.Client) -> None:
    made = [make(client, "/accounts", {"owner": f"o{n}"}) for n in range(9)]

    def disturb() -> None:
        make(client, "/accounts", {"owner": "new"})
        client.delete(f"/accounts/{made[0]}")

    pages = walk(client, "/accounts", 4, disturb)

    assert [row for page in pages for row in page][:9] == made
    assert all(len(page) == 4 for page in pages[:2])


def test_lists_that_are_newest_first_are_not_shifted_by_new_rows(client: httpx.Client) -> None:
    account = make(client, "/accounts", {"owner": "o"})
    path = f"/accounts/{account}/workspace-wallets"
    made = [make(client, path, wallet(number)) for number in range(7)]
    numbers = iter(range(100, 200))
    pages = walk(client, path, 3, lambda: make(client, path, wallet(next(numbers))))

    assert [row for page in pages for row in page] == made[::-1]


def test_keys_are_listed_by_pages_too(client: httpx.Client) -> None:
    account = make(client, "/accounts", {"owner": "o"})
    path = f"/accounts/{account}/api-keys"
    made = [make(client, path, {"name": f"k{number}"}) for number in range(5)]

    assert walk(client, path, 2) == [made[:2], made[2:4], made[4:]]


def test_a_cursor_opens_no_other_list_account_or_tenant(
    server: ApiProcess, client: httpx.Client
) -> None:
    accounts = [make(client, "/accounts", {"owner": "o"}) for _ in range(3)]
    for account in accounts:
        for number in range(3):
            make(client, f"/accounts/{account}/workspace-wallets", wallet(number))
    first = client.get("/accounts?limit=1").headers["x-next-cursor"]
    below = client.get(f"/accounts/{accounts[0]}/workspace-wallets?limit=1")
    with server.client(**{"x-tenant-id": "another"}) as stranger:
        answers = [
            stranger.get(f"/accounts?cursor={first}"),
            client.get(f"/accounts/{accounts[0]}/workspace-wallets?cursor={first}"),
            client.get(f"/accounts/{accounts[0]}/api-keys?cursor={first}"),
            client.get(
                f"/accounts/{accounts[1]}/workspace-wallets?cursor={below.headers['x-next-cursor']}"
            ),
            client.get(f"/accounts?cursor={first[:-1]}"),
            client.get("/accounts?cursor=%00"),
        ]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(400, "invalid-cursor")] * 6


def test_the_whole_list_comes_at_once_up_to_500(client: httpx.Client) -> None:
    account = make(client, "/accounts", {"owner": "o"})
    path = f"/accounts/{account}/workspace-wallets"
    for number in range(501):
        make(client, path, wallet(number))
    answer = client.get(path)

    assert len(answer.json()) == 500
    assert [len(page) for page in walk(client, path, 500)] == [500, 1]
    assert answer.links["next"]["url"].startswith(f"{path}?cursor=")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "1e3", "%00", "\u0663"])
def test_a_limit_that_is_no_number_is_refused(client: httpx.Client, limit: str) -> None:
    assert client.get(f"/accounts?limit={limit}").status_code == 400
