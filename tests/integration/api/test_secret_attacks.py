"""Secrets against somebody who can write to the database, and where their values must not stand."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from support.api_server import ENCRYPTION_KEY
from support.secrets_api import canary, secret_path

if TYPE_CHECKING:
    from support.secrets_api import SecretsApi

PAGE: Final = Path(__file__).parents[3] / "docs" / "explanation" / "secrets.md"
# Each makes the secret `one`, or what is found under its name, something else than was sealed.
_ATTACKS: Final = {
    "another name": """
        UPDATE secret_versions a SET sealed = b.sealed FROM secret_versions b
        WHERE a.secret_id = '{one}' AND a.version = 2 AND b.secret_id = '{two}'""",
    "another account": """
        UPDATE secret_versions a SET sealed = b.sealed FROM secret_versions b
        WHERE a.secret_id = '{one}' AND a.version = 2 AND b.secret_id = '{foreign}'""",
    "an older version": """
        UPDATE secret_versions a SET sealed = b.sealed FROM secret_versions b
        WHERE a.secret_id = '{one}' AND a.version = 2 AND b.secret_id = '{one}'
        AND b.version = 1""",
    "the number of the version": """
        UPDATE secrets SET version = 3 WHERE id = '{one}';
        UPDATE secret_versions SET version = 3 WHERE secret_id = '{one}' AND version = 2""",
    "the access bits": "UPDATE secret_versions SET acl = 255 WHERE secret_id = '{one}'",
    "the expiry": """
        UPDATE secret_versions SET expires_at = now() + interval '1 day'
        WHERE secret_id = '{one}'""",
    "the name": "UPDATE secrets SET name = 'onE' WHERE id = '{one}'",
    "the name it is found under": """
        UPDATE secrets SET name_key = 'away' WHERE id = '{one}';
        UPDATE secrets SET name_key = 'one' WHERE id = '{two}'""",
    "the account of a secret": """
        UPDATE secrets SET name_key = 'away' WHERE id = '{one}';
        UPDATE secrets SET account_id = '{mine}' WHERE id = '{foreign}'""",
    "the versions of two secrets": """
        UPDATE secret_versions SET version = 9 WHERE secret_id = '{one}' AND version = 2;
        UPDATE secret_versions SET secret_id = '{one}', version = 2 WHERE secret_id = '{two}'""",
    "the mark of the reference server": """
        UPDATE secret_versions SET imported = true WHERE secret_id = '{one}'""",
    "one bit": """
        UPDATE secret_versions SET sealed = set_bit(sealed, 300, 1 - get_bit(sealed, 300))
        WHERE secret_id = '{one}'""",
    "nothing at all": "UPDATE secret_versions SET sealed = '' WHERE secret_id = '{one}'",
    "another column": """
        UPDATE secret_versions SET sealed =
        (SELECT wrapped FROM vault_data_keys WHERE owner = '{mine}') WHERE secret_id = '{one}'""",
}


@pytest.fixture
def api(secrets_api: SecretsApi) -> SecretsApi:
    return secrets_api


@pytest.fixture
def account(api: SecretsApi) -> str:
    return api.open_account()


async def test_rows_moved_or_changed_by_sql_do_not_open(api: SecretsApi) -> None:
    mine, other = api.open_account(), api.open_account()
    one, two = api.keep(mine, "one", "v1", acl=1)["id"], api.keep(mine, "two", "v2", acl=1)["id"]
    foreign = api.keep(other, "one", "v3", acl=1)["id"]
    api.ask("PUT", secret_path(mine, "one"), {"value": "v1b"})
    ids = {"mine": mine, "one": one, "two": two, "foreign": foreign}
    await api.execute(
        "CREATE TABLE kept_secrets AS TABLE secrets; CREATE TABLE kept_versions AS "
        "TABLE secret_versions"
    )
    before = _failures(api)
    for name, sql in _ATTACKS.items():
        await api.execute(sql.format(**ids))
        refused = api.ask("GET", secret_path(mine, "one"))
        assert (refused.status_code, refused.json()["code"]) == (500, "undecipherable"), name
        assert refused.json()["detail"] == refused.json()["title"], name
        await api.execute(
            "DELETE FROM secrets; INSERT INTO secrets SELECT * FROM kept_secrets; "
            "INSERT INTO secret_versions SELECT * FROM kept_versions"
        )
        assert api.value(mine, "one") == "v1b", name
    await api.execute("DROP TABLE kept_secrets, kept_versions")
    assert _failures(api) == before + len(_ATTACKS)


def _failures(api: SecretsApi) -> float:
    for line in api.ask("GET", "/metrics").text.splitlines():
        if line.startswith("vault_open_failures_total "):
            return float(line.split()[1])
    return 0.0


async def test_a_value_stands_in_no_log_no_answer_and_no_table(
    api: SecretsApi, account: str
) -> None:
    values = [canary() for _ in range(5)]
    body = {"name": "repeated", "value": values[4]}
    first, again = (
        api.ask("POST", secret_path(account), body, idempotency_key='"once"') for _ in range(2)
    )
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first.status_code == 201
    api.keep(account, "s", values[0])
    refusals = [
        api.ask("POST", secret_path(account), {"name": "S", "value": values[1]}),
        api.ask("POST", secret_path(account), {"name": "", "value": values[1]}),
        api.ask("POST", secret_path(account), {"name": "x", "value": values[1], "acl": 999}),
        api.ask("POST", secret_path(account), {"name": "x", "value": [values[1]]}),
        api.ask("PUT", secret_path(account, "s"), {"value": values[2], "surprise": 1}),
        api.ask("PUT", secret_path(account, "s"), {"value": values[2]}, if_match='"other"'),
    ]
    api.ask("PUT", secret_path(account, "s"), {"value": values[3]})
    await api.execute("UPDATE secret_versions SET acl = 77 WHERE account_id = $1", account)
    refusals += [
        api.ask("GET", secret_path(account, "s")),
        api.ask("GET", secret_path(account, "none")),
    ]

    assert all(answer.status_code >= 400 for answer in refusals)
    places = {
        "problems": "\n".join(answer.text for answer in refusals),
        "log": api.process.output(),
        "tables": await api.dump(),
    }
    for value in values:
        forms = [value, value.encode().hex(), base64.b64encode(value.encode()).decode().rstrip("=")]
        for place, text in places.items():
            assert [form for form in forms if form in text] == [], place


def _reference_blob(value: str) -> bytes:
    """What the reference server stores, out of its base64, under the same key."""
    nonce = os.urandom(12)
    return nonce + AESGCM(bytes.fromhex(ENCRYPTION_KEY)).encrypt(nonce, value.encode(), None)


async def test_values_of_the_reference_server_are_taken_over_as_the_page_says(
    api: SecretsApi, account: str
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    sql = page.split("```sql\n")[1].split("```")[0]
    names = {"Old": "old value", "Schlüssel": "wert", "two words": "v"}
    await api.execute(
        "CREATE TABLE app_secrets (id text PRIMARY KEY, account_id text, name text, value text, "
        "version int, created_at timestamptz, updated_at timestamptz)"
    )
    for name, value in names.items():
        await api.execute(
            "INSERT INTO app_secrets VALUES ($1, $2, $3, $4, 7, now(), now())",
            str(uuid4()),
            account,
            name,
            base64.b64encode(_reference_blob(value)).decode(),
        )
    await api.execute(sql)
    await api.execute("DROP TABLE app_secrets")

    for name, value in names.items():
        assert api.value(account, name.upper()) == value
    changed = api.ask("PUT", secret_path(account, "old"), {"acl": 4})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    rows = await api.fetch(
        "SELECT v.imported FROM secret_versions v JOIN secrets s ON s.id = v.secret_id "
        "WHERE s.account_id = $1 AND s.name = 'Old'",
        account,
    )
    assert [row["imported"] for row in rows] == [False, False]
    assert api.value(account, "old") == api.value(account, "old", "?version=1") == "old value"
