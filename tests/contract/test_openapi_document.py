"""The OpenAPI document leaves nothing undescribed, unnamed or bounded by accident."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from support.openapi_operations import document, operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.openapi_operations import Operation

SCHEMAS = document()["components"]["schemas"]


def told(described: dict[str, Any]) -> bool:
    return len(str(described.get("description", "")).strip()) > 2


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_and_its_properties_are_described_with_examples(name: str) -> None:
    schema = SCHEMAS[name]

    assert told(schema)
    assert schema["examples"]
    fields = schema["properties"]
    assert [field for field in fields if not told(fields[field])] == []
    assert [field for field in fields if not fields[field].get("examples")] == []


def test_titles_are_unique_and_are_the_names() -> None:
    assert {name: schema["title"] for name, schema in SCHEMAS.items()} == {
        name: name for name in SCHEMAS
    }
    ids = Counter(operation.id for operation in operations())
    assert [name for name, count in ids.items() if count > 1] == []


@pytest.mark.parametrize("operation", operations(), ids=lambda each: each.id)
def test_an_operation_its_parameters_and_answers_are_described(operation: Operation) -> None:
    described = operation.described

    assert described["summary"]
    assert told(described)
    own = [one for one in described.get("parameters", []) if "$ref" not in one]
    assert [one["name"] for one in own if not told(one)] == []
    answers = {status: one for status, one in described["responses"].items() if "$ref" not in one}
    assert [status for status, one in answers.items() if not told(one)] == []


def test_what_operations_share_is_described() -> None:
    for part in ("parameters", "headers", "responses"):
        shared = document()["components"][part]
        assert [name for name in shared if not told(shared[name])] == [], part
    assert [tag["name"] for tag in document()["tags"] if not told(tag)] == []


def parts(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All objects of the document, without examples, with their paths."""
    if isinstance(node, dict):
        yield path, node
        for name, inner in node.items():
            if name != "examples":
                yield from parts(inner, f"{path}/{name}")
    elif isinstance(node, list):
        for number, inner in enumerate(node):
            yield from parts(inner, f"{path}/{number}")


def test_no_default_stands_for_nothing() -> None:
    empty = [path for path, one in parts(document()) if one.get("default", True) in ("", None, {})]
    assert empty == []


def test_every_property_has_a_type() -> None:
    known = {"type", "$ref", "anyOf", "allOf", "const"}
    untyped = [
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, described in schema["properties"].items()
        if not known & described.keys() or {} in described.get("anyOf", [])
    ]
    assert untyped == []


# Prices and amounts as numbers; the contract's data feeds have them as decimal text.
NUMBERS = {
    *("NewObservation.price", "NewFeed.deviation_percent", "PriceSnapshot.Price"),
    *("LatestPrice.Price", "NewDeposit.amount", "NewWithdrawal.amount", "GasAccountBody.Balance"),
}


@pytest.mark.parametrize("place", sorted(NUMBERS))
def test_prices_and_amounts_are_numbers(place: str) -> None:
    name, field = place.split(".")
    assert SCHEMAS[name]["properties"][field]["type"] == "number"


def test_the_largest_body_is_no_bound_of_a_text_that_has_another() -> None:
    """What may be as large as a body: what is sent to sources and comes back from them."""
    most = 4 * 1024 * 1024
    large = {path for path, one in parts(SCHEMAS) if one.get("maxLength") == most}

    assert large == {
        "/NewSource/properties/body",
        "/SourceChange/properties/body",
        "/NewRequest/properties/payload",
        "/RequestChange/properties/result/anyOf/0",
        "/OracleRequest/properties/Payload",
        "/RequestChange/properties/error",
        "/OracleRequest/properties/Result",
    }
