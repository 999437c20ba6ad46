"""Hostile bodies against the real server: always a 4xx problem, never a 5xx."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.api_server import ApiProcess

GOOD = b'{"owner":"o","metadata":{"a":"b"}}'
MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("label", "raw", "status", "field"),
    [
        ("nothing", b"", 400, None),
        ("blanks", b" \n ", 400, None),
        ("unfinished", b'{"owner":"o"', 400, None),
        ("unknown field", b'{"owner":"o","admin":true}', 400, "admin"),
        ("repeated key", b'{"owner":"o","owner":"p"}', 400, "owner"),
        ("repeated key, escaped", b'{"owner":"o","\\u006fwner":"p"}', 400, "owner"),
        ("repeated key inside", b'{"owner":"o","metadata":{"a":"1","a":"2"}}', 400, "a"),
        ("NaN", b'{"owner":NaN}', 400, None),
        ("infinity", b'{"owner":"o","metadata":{"a":-Infinity}}', 400, None),
        ("large integer", b'{"owner":9007199254740993}', 400, "owner"),
        ("half a pair", b'{"owner":"\\ud800"}', 400, None),
        ("half a pair in UTF-8", b'{"owner":"\xed\xa0\x80"}', 400, None),
        ("not UTF-8", b'{"owner":"\xff"}', 400, None),
        ("UTF-16", '{"owner":"o"}'.encode("utf-16"), 400, None),
        ("byte order mark", b"\xef\xbb\xbf" + GOOD, 400, None),
        ("NUL, escaped", b'{"owner":"a\\u0000b"}', 400, None),
        ("NUL, plain", b'{"owner":"a\x00b"}', 400, None),
        ("NUL in a key", b'{"owner":"o","metadata":{"\\u0000":"x"}}', 400, None),
        ("deep arrays", b'{"owner":' + b"[" * MIB + b"]" * MIB + b"}", 400, None),
        ("deep objects", b'{"owner":' + b'{"a":' * 400_000 + b"1" + b"}" * 400_000, 400, None),
        ("open brackets", b"[" * MIB, 400, None),
        ("wrong type", b'["owner"]', 400, "body"),
        ("null", b"null", 400, "body"),
        ("too large", b'{"owner":"' + b"x" * (5 * MIB) + b'"}', 413, None),
    ],
)
def test_a_hostile_body_is_the_callers_fault(
    server: ApiProcess, label: str, raw: bytes, status: int, field: str | None
) -> None:
    with server.client(**{"content-type": "application/json"}) as client:
        answer = client.post("/accounts", content=raw)

    assert answer.status_code == status, (label, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    if field is not None:
        assert [fault["field"] for fault in answer.json()["fields"]] == [field]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/msgpack"},
        {"content-type": "application/json; charset=iso-8859-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/json", "content-encoding": "identity, br"},
    ],
)
def test_a_body_in_another_format_is_refused_unread(
    server: ApiProcess, headers: dict[str, str]
) -> None:
    with server.client(**headers) as client:
        answer = client.post("/accounts", content=GOOD)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


def test_a_gzip_bomb_is_refused_unread(server: ApiProcess) -> None:
    bomb = gzip.compress(b'{"owner":"' + b"x" * (64 * MIB) + b'"}')
    with server.client(**{"content-encoding": "gzip"}) as client:
        assert client.post("/accounts", content=bomb).status_code == 415


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "Application/JSON; charset=UTF-8", "application/merge-patch+json"],
)
def test_json_is_taken_under_its_names(server: ApiProcess, content_type: str) -> None:
    with server.client(**{"content-type": content_type}) as client:
        assert client.post("/accounts", content=GOOD).status_code == 201


def test_a_body_in_pieces_is_measured_too(server: ApiProcess) -> None:
    with server.client(**{"content-type": "application/json"}) as client:
        small = client.post("/accounts", content=iter([GOOD[:9], GOOD[9:]]))
        large = client.post("/accounts", content=(b"x" * MIB for _ in range(6)))

    assert (small.status_code, large.status_code) == (201, 413)


def test_large_texts_within_the_limits_come_back_as_they_were(server: ApiProcess) -> None:
    metadata = {f"key-{number}": '\u20ac\U0001f600\\"' * 500 for number in range(30)}
    with server.client() as client:
        answer = client.post("/accounts", json={"owner": "o", "metadata": metadata})

    assert answer.status_code == 201
    assert metadata.items() <= json.loads(answer.content)["Metadata"].items()
