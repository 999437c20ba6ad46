"""What does not fit a route's type, said in a caller's words: msgspec speaks of Python's types."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from msgspec import inspect

from servicelayer_api.wire import plain_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT: Final = re.compile(r" - at `(?P<key>key in )?`?\$?(?P<path>[^`]*)`$")
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>.*?)`")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_STEP: Final = re.compile(r"\[[^\]]*\]|[^.\[]+")
# Of a name that nobody knows so much is repeated and compared.
_LONGEST_NAME: Final = 64
_MOST_NAMED: Final = 3
_LIKENESS: Final = 0.6
_TYPES: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "datetime": "a time such as 2030-01-31T12:00:00Z",
    "uuid": "an id",
}
_MISFIT: Final = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<given>[^`]+)`")
_LENGTH: Final = re.compile(r"Expected `(?P<type>\w+)` of length (?P<sign>[<>]=) (?P<bound>\d+)")
_BOUND: Final = re.compile(r"Expected `\w+` (?P<sign>[<>]=?) (?P<bound>\S+)")
_SIGNS: Final = {"<=": "{} or less", ">=": "{} or more", "<": "less than {}", ">": "more than {}"}
_OTHERS: Final = (
    ("timezone component", "must name its time zone, such as 2030-01-31T12:00:00Z"),
    ("RFC3339", "must be a time as RFC 3339 has it, such as 2030-01-31T12:00:00Z"),
    ("Invalid enum value", "is none of the values that are known"),
    ("matching regex", "has a form that cannot be used"),
    ("Invalid UUID", "must be an id"),
)


def read_fault(text: str, wanted: Any = None) -> tuple[str, str]:
    """Turn msgspec's sentence into a field's path and what is wrong with it.

    Args:
        text: of a `msgspec.ValidationError`.
        wanted: the type that did not fit, by which the names near an unknown one are found.
    """
    at = _AT.search(text)
    path = at["path"].lstrip(".") if at else ""
    said = text[: at.start()] if at else text
    if found := _MISSING.search(said):
        return _joined(path, found["name"]), "is required"
    if found := _UNKNOWN.search(said):
        name = found["name"]
        return _joined(path, name[:_LONGEST_NAME]), _unknown(name, _names(wanted, path))
    return path or "body", _in_words(said)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _unknown(name: str, known: list[str]) -> str:
    """Say that a field is not known, and which it may have been meant to be."""
    by_case = {each.lower(): each for each in known}
    near = get_close_matches(name[:_LONGEST_NAME].lower(), by_case, _MOST_NAMED, _LIKENESS)
    if near:
        return f"is not a known field; did you mean {' or '.join(by_case[each] for each in near)}?"
    return (
        f"is not a known field; known are {', '.join(known)}" if known else "is not a known field"
    )


def _names(wanted: Any, path: str) -> list[str]:
    """The fields of the object at a path of a type."""
    if wanted is None:
        return []
    kinds = list(plain_kinds(inspect.type_info(wanted)))
    for step in _STEP.findall(path):
        kinds = [inner for kind in kinds for inner in _inside(kind, step)]
    return [
        field.encode_name
        for kind in kinds
        if isinstance(kind, inspect.StructType)
        for field in kind.fields
    ]


def _inside(kind: inspect.Type, step: str) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            if field.encode_name == step:
                yield from plain_kinds(field.type)
    elif isinstance(kind, inspect.ListType):
        yield from plain_kinds(kind.item_type)
    elif isinstance(kind, inspect.DictType):
        yield from plain_kinds(kind.value_type)


def _in_words(said: str) -> str:
    if found := _MISFIT.search(said):
        return f"must be {_types(found['wanted'])}, not {_types(found['given'])}"
    if found := _LENGTH.search(said):
        things = "characters" if found["type"] == "str" else "items"
        extreme = "at most" if found["sign"] == "<=" else "at least"
        return f"must have {found['bound']} {things} {extreme}"
    if found := _BOUND.search(said):
        return f"must be {_SIGNS[found['sign']].format(found['bound'])}"
    return next((words for sign, words in _OTHERS if sign in said), "cannot be used")


def _types(text: str) -> str:
    """Name the types of a union such as `str | null`."""
    names = [name.strip() for name in text.split("|")]
    return " or ".join(_TYPES.get(name, "another value") for name in names)
