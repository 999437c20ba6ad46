"""Times that no time zone but a far one has: each field that takes a time refuses them by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.shared_api import client, server

if TYPE_CHECKING:
    import httpx

__all__ = ["client", "server"]

_LATE, _EARLY = "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"


@pytest.fixture
def account(client: httpx.Client) -> str:
    made = client.post("/accounts", json={"owner": "somebody"})
    return f"/accounts/{made.json()['ID']}"


@pytest.mark.parametrize("moment", [_LATE, _EARLY])
def test_a_time_that_utc_does_not_have_is_refused_by_its_field(
    client: httpx.Client, account: str, moment: str
) -> None:
    feed = client.post(
        f"{account}/pricefeeds",
        json={
            "base_asset": "NEO",
            "quote_asset": "USD",
            "update_interval": "@every 1h",
            "deviation_percent": 1,
        },
    )
    made = client.post(f"{account}/secrets", json={"name": "there", "value": "v"})
    assert (feed.status_code, made.status_code) == (201, 201)
    tries = {
        "expires_at": [
            client.post(
                f"{account}/secrets", json={"name": "new", "value": "v", "expires_at": moment}
            ),
            client.put(f"{account}/secrets/there", json={"value": "v", "expires_at": moment}),
        ],
        "collected_at": [
            client.post(
                f"{account}/pricefeeds/{feed.json()['ID']}/snapshots",
                json={"price": 1, "collected_at": moment},
            )
        ],
        "dead_after": [
            client.post(f"{account}/oracle/dead-letters/redrive", json={"dead_after": moment})
        ],
        "dead_before": [
            client.post(f"{account}/oracle/dead-letters/redrive", json={"dead_before": moment})
        ],
        "schedule_at": [
            client.post(
                f"{account}/gasbank/withdraw",
                json={"gas_account_id": "x", "amount": 1, "schedule_at": moment},
            )
        ],
    }
    for field, answers in tries.items():
        for answer in answers:
            assert answer.status_code == 400, (field, answer.text)
            assert field in [fault["field"] for fault in answer.json()["fields"]], answer.text
