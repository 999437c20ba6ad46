"""What the audit log's digests of accounts, wallets and API keys stand for.

Each digest is made again here from the salt in the database and from what the API showed before
and after the change: they agree, so a person who holds the two answers can prove them.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from support.gas import WALLET

if TYPE_CHECKING:
    import httpx

    from support.secrets_api import SecretsApi


@pytest.fixture
def api(secrets_api: SecretsApi) -> SecretsApi:
    return secrets_api


async def digests(api: SecretsApi, action: str, resource: str) -> tuple[bytes, str, str]:
    """The salt and the digests, in hex, of the one entry of an action on a resource."""
    rows = await api.fetch(
        "SELECT salt, before_digest, after_digest FROM audit_log "
        "WHERE action = $1 AND resource_id = $2",
        action,
        resource,
    )
    assert len(rows) == 1
    salt, before, after = rows[0].values()
    return salt, (before or b"").hex(), (after or b"").hex()


def digest(salt: bytes, shown: object) -> str:
    text = json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(salt + text.encode()).hexdigest()


def body(answer: httpx.Response, status: int = 201) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def test_account_changes_are_digested_as_they_were_shown(api: SecretsApi) -> None:
    made = body(api.ask("POST", "/accounts", {"owner": "Zoë", "metadata": {"k": "v"}}))
    path = f"/accounts/{made['ID']}"
    changed = body(api.ask("PATCH", path, {"owner": "Yve"}), 200)
    assert api.ask("DELETE", path).status_code == 204

    salt, before, after = await digests(api, "account.create", made["ID"])
    assert (before, after) == ("", digest(salt, made))
    salt, before, after = await digests(api, "account.change", made["ID"])
    assert (before, after) == (digest(salt, made), digest(salt, changed))
    salt, before, after = await digests(api, "account.delete", made["ID"])
    assert (before, after) == (digest(salt, changed), "")


async def test_wallet_changes_are_digested_as_they_were_shown(api: SecretsApi) -> None:
    wallets = f"/accounts/{api.open_account()}/workspace-wallets"
    made = body(api.ask("POST", wallets, {"wallet_address": WALLET, "label": "hot"}))
    assert api.ask("DELETE", f"{wallets}/{made['ID']}").status_code == 204

    salt, before, after = await digests(api, "wallet.create", made["ID"])
    assert (before, after) == ("", digest(salt, made))
    salt, before, after = await digests(api, "wallet.delete", made["ID"])
    assert (before, after) == (digest(salt, made), "")


async def test_key_changes_are_digested_without_the_key(api: SecretsApi) -> None:
    keys = f"/accounts/{api.open_account()}/api-keys"
    made = body(api.ask("POST", keys, {"name": "k", "scopes": ["secrets:read"]}))
    new = body(api.ask("POST", f"{keys}/{made['id']}/rotate", {"overlap_seconds": 60}))
    ended = next(key for key in api.ask("GET", keys).json() if key["id"] == made["id"])
    assert api.ask("DELETE", f"{keys}/{new['id']}").status_code == 204
    for shown in (made, new):
        assert shown.pop("key")

    salt, before, after = await digests(api, "api_key.create", made["id"])
    assert (before, after) == ("", digest(salt, made))
    salt, before, after = await digests(api, "api_key.rotate", made["id"])
    assert (before, after) == (digest(salt, made), digest(salt, [ended, new]))
    salt, before, after = await digests(api, "api_key.revoke", new["id"])
    assert (before, after) == (digest(salt, new), "")
