from __future__ import annotations

import pytest

from servicelayer_operator.failures import clean

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://u:hidden@db/x", "postgres://***db/x"),
        ("postgres://u:hid/den@db/x fails", "postgres://***db/x fails"),
        ("postgres://u:hid den@db/x", "postgres://***db/x"),
        ("postgres://u:hid@den@db/x", "postgres://***db/x"),
        ("redis://:hidden@cache", "redis://***cache"),
        ("PGPASS=hidden next", "PGPASS=*** next"),
        ("PGPASSWORD=hidden", "PGPASSWORD=***"),
        ("passwd=hidden", "passwd=***"),
        ("pwd=hidden", "pwd=***"),
        ("pass=hidden", "pass=***"),
        ("API_KEY=hidden", "API_KEY=***"),
        ("API_KEY: hidden", "API_KEY: ***"),
        ("api-key: hidden", "api-key: ***"),
        ("apikey=hidden&x=1", "apikey=***&x=1"),
        ("SECRET_ENCRYPTION_KEY=hidden", "SECRET_ENCRYPTION_KEY=***"),
        ("password: hidden of u", "password: *** of u"),
        ("Password:hidden", "Password:***"),
        ("token = hidden", "token = ***"),
        ("API_TOKENS=hidden,b", "API_TOKENS=***,b"),
        ("password='hid den' x", "password=*** x"),
        ('password="hid den" x', "password=*** x"),
        ('password="hid den', "password=***"),
        ('{"password":"hidden","a":1}', '{"password":***,"a":1}'),
        ("Authorization: Bearer hidden-hidden", "Authorization: Bearer ***"),
        ("authorization: Basic aGlkZGVuOmhpZGRlbg==", "authorization: Basic ***"),
        ("key slk_hidden-43_letters is unknown", "key *** is unknown"),
        (f"token {JWT} is old", "token *** is old"),
        ("eyJhbGciOi.x.y", "***"),
        ("-----BEGIN EC PRIVATE KEY----- hidden hidden", "***"),
    ],
)
def test_what_looks_like_a_credential_is_blanked(text: str, shown: str) -> None:
    assert clean(text) == shown
    assert clean(f"first, {text}") == f"first, {shown}"


@pytest.mark.parametrize(
    "text",
    [
        "DNS does not answer for the database's host: db:5432",
        "connection to postgres://db:5432/x refused",
        "SECRET_ENCRYPTION_KEY: the file /run/key is too large",
        "API_TOKENS: token 1 can be guessed: it has fewer than 8 characters",
        "API_TOKENS is not set, nor are AUTH_USERS and AUTH_JWT_SECRET: nobody could call",
        'secret "settlement" not found',
        "couldn't find key DATABASE_URL in Secret trade/shop-database",
        'pods "x" is forbidden: exceeded quota: q, requested: cpu=2',
        "bearer token is missing",
        "basic authentication is refused",
    ],
)
def test_words_about_credentials_are_shown(text: str) -> None:
    assert clean(text) == text


def test_a_credential_is_not_shown_by_half_where_the_text_ends() -> None:
    shown = clean("x" * 290 + " postgres://u:" + "hidden" * 20 + "@db")
    assert "hid" not in shown
    assert len(shown) <= 300


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit", ["://", "a:", "://u:", "password", "pass=", "eyJ", "=", "'", "token: ", "-----BEGIN "]
)
def test_no_text_keeps_the_operator_busy(unit: str) -> None:
    assert len(clean(unit * 250_000)) <= 300
