"""The last look at the OpenAPI document: nothing unused, nothing unnamed, nothing that cannot be.

Pure: changes a document in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from servicelayer_api.web.openapi_texts import TAGS

if TYPE_CHECKING:
    from collections.abc import Iterator

_RESPONSES = "#/components/responses/"


def tidy(schema: dict[str, Any]) -> None:
    """List the tags, drop answers that no operation gives, and say that no parameter is null."""
    used: set[str] = set()
    tags: set[str] = set()
    for operation in _operations(schema):
        tags.update(operation.get("tags", ()))
        for parameter in operation.get("parameters", ()):
            _refuse_null(parameter)
        for answer in operation["responses"].values():
            used.add(str(answer.get("$ref", "")).removeprefix(_RESPONSES))
    schema["tags"] = [{"name": name, "description": TAGS[name]} for name in sorted(tags)]
    answers = schema["components"]["responses"]
    for name in answers.keys() - used:
        del answers[name]


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in schema["paths"].values():
        yield from (value for value in item.values() if "responses" in value)


def _refuse_null(parameter: dict[str, Any]) -> None:
    """Take the null off a parameter that may be left out: a query cannot carry one."""
    schema = parameter.get("schema", {})
    kinds = cast("list[dict[str, Any]]", schema.get("anyOf", []))
    left = [kind for kind in kinds if kind.get("type") != "null"]
    if len(left) == 1:
        del schema["anyOf"]
        schema.update(left[0])
