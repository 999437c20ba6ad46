"""A small JSON path: one value out of an answer. Pure.

`$.data.prices[0]['last price']`; the `$` may be left out. Steps are names and places in lists
(negative ones count from the end); there are no wildcards, filters or recursion, so that a path
costs as many steps as it has and gives one value or none. Numbers are given back digit by digit as
they stand in the answer.
"""

from __future__ import annotations

import json
import re
from typing import Final, cast

import msgspec

LONGEST_PATH: Final = 256
MOST_STEPS: Final = 32

_STEP: Final = re.compile(
    r"\.?(?P<name>[A-Za-z_][\w-]*)"
    r"|\[(?P<place>-?(?:0|[1-9][0-9]{0,8}))\]"
    r"|\[(?P<quote>['\"])(?P<text>(?:(?!(?P=quote))[^\\])+)(?P=quote)\]"
)

type Steps = tuple[str | int, ...]


class PathError(Exception):
    """The path is malformed, the answer is no JSON, or there is nothing at the path."""


def parse_path(path: str) -> Steps:
    """Read a path.

    Raises:
        PathError: The message says what is wrong.
    """
    if len(path) > LONGEST_PATH:
        raise PathError(f"must not be longer than {LONGEST_PATH} characters")
    steps: list[str | int] = []
    at = 1 if path.startswith("$") else 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (at > 0 and match["name"] and path[at] != "."):
            raise PathError(f"cannot be read at character {at + 1}")
        place = match["place"]
        steps.append(match["name"] or match["text"] if place is None else int(place))
        at = match.end()
    if len(steps) > MOST_STEPS:
        raise PathError(f"must not have more than {MOST_STEPS} steps")
    return tuple(steps)


def find_value(document: str, steps: Steps) -> str:
    """Find the value at a path.

    Returns:
        A text as it is, anything else as JSON.

    Raises:
        PathError: The document is no JSON, or there is nothing at the path.
    """
    value = _decode(document)
    for step in steps:
        value = _inside(value, step)
    try:
        if isinstance(value, str):
            return value.encode().decode()
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        raise PathError("the value holds half a surrogate pair") from None
    except RecursionError:
        raise PathError("the answer is nested too deeply") from None


def _decode(document: str) -> object:
    try:
        return json.loads(
            document.removeprefix("\ufeff"),
            parse_float=_exact,
            parse_int=_exact,
            parse_constant=_refuse,
        )
    except ValueError:
        raise PathError("the answer is not JSON") from None
    except RecursionError:
        raise PathError("the answer is nested too deeply") from None


def _exact(digits: str) -> msgspec.Raw:
    return msgspec.Raw(digits.encode())


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _inside(value: object, step: str | int) -> object:
    if isinstance(step, str):
        if isinstance(value, dict) and step in value:
            return cast("dict[str, object]", value)[step]
    elif isinstance(value, list):
        items = cast("list[object]", value)
        if -len(items) <= step < len(items):
            return items[step]
    raise PathError("the answer has nothing at the result path")
