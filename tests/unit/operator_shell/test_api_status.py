from __future__ import annotations

import json
from typing import Any

import pytest

from servicelayer_operator.api_status import parse_status


def content(**body: Any) -> bytes:
    return json.dumps(body).encode()


def test_the_answer_of_the_contract_is_read() -> None:
    fact = parse_status(
        content(
            status="ok",
            version={"version": "1.2.3", "commit": "c", "built_at": ""},
            modules=[
                {"name": "store", "status": "started", "ready_status": "ready", "layer": "x"},
                {"name": "neo", "status": "failed", "ready_status": "not-ready"},
            ],
            modules_meta={"total": 2},
            migrations={"current": 3, "latest": 4},
        )
    )
    assert fact.reachable
    assert fact.store_ready is True
    assert (fact.schema_current, fact.schema_latest, fact.version) == (3, 4, "1.2.3")
    assert [(m.name, m.status, m.ready) for m in fact.modules] == [
        ("store", "started", True),
        ("neo", "failed", False),
    ]


def test_what_is_missing_stays_unknown() -> None:
    fact = parse_status(content(status="ok"))
    assert fact.reachable
    assert fact.store_ready is None
    assert fact.schema_current is None


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"<html>", content(modules="many"), content(version=7)]
)
def test_an_answer_of_another_shape_is_a_fact_and_no_crash(raw: bytes) -> None:
    fact = parse_status(raw)
    assert fact.reachable
    assert fact.store_ready is None
    assert fact.error
