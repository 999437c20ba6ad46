"""What does not fit a route's type, said in a caller's words: msgspec speaks of Python's types."""

from __future__ import annotations

import re
from typing import Final

_AT: Final = re.compile(r" - at `(?P<key>key in )?`?\$?(?P<path>[^`]*)`$")
_NAMED: Final = (
    (re.compile(r"Object missing required field `(?P<name>.*?)`"), "is required"),
    (re.compile(r"Object contains unknown field `(?P<name>.*?)`"), "is not a known field"),
)
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


def read_fault(text: str) -> tuple[str, str]:
    """Turn msgspec's sentence into a field's path and what is wrong with it.

    Args:
        text: of a `msgspec.ValidationError`.
    """
    at = _AT.search(text)
    path = at["path"].lstrip(".") if at else ""
    said = text[: at.start()] if at else text
    for pattern, message in _NAMED:
        if found := pattern.search(said):
            name = found["name"]
            return (f"{path}.{name}" if path else name), message
    return path or "body", _in_words(said)


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
