"""The paths by which a value is found in what a source answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api.oracle.paths import MOST_STEPS, PathError, find_value, parse_path


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("", ()),
        ("$", ()),
        ("a", ("a",)),
        ("$.a.b", ("a", "b")),
        ("a[0].b-c[-1]", ("a", 0, "b-c", -1)),
        ("$['x y'][\"z'\"]", ("x y", "z'")),
        ("$[3]['3']", (3, "3")),
    ],
)
def test_a_path_is_read(path: str, steps: tuple[str | int, ...]) -> None:
    assert parse_path(path) == steps


@pytest.mark.parametrize(
    "path",
    [
        *("$a", "a..b", "a.", "[", "a[", "a[]", "a[01]", "a[1", "a['x]", "a[*]", "$..a", "a b"),
        *("a[?(@.x)]", "a['\\']", ".", "a[1.5]", "a[99999999999]", "x" * 300),
        "a" + "[0]" * MOST_STEPS,
    ],
)
def test_a_path_that_is_no_plain_path_is_refused(path: str) -> None:
    with pytest.raises(PathError):
        parse_path(path)


@given(st.text(max_size=60))
def test_any_text_is_a_path_or_refused(path: str) -> None:
    try:
        assert len(parse_path(path)) <= MOST_STEPS
    except PathError:
        return


DOCUMENT = '{"a": [1.50, 1e400, 123456789012345678901234567890, {"b": "t"}], "n": null, "s": "x"}'


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(("a[0]", "1.50"), ("a[1]", "1e400"), ("a[2]", "123456789012345678901234567890")),
        *(("a[3].b", "t"), ("a[-1]", '{"b":"t"}'), ("n", "null"), ("s", "x")),
        ("a", '[1.50,1e400,123456789012345678901234567890,{"b":"t"}]'),
    ],
)
def test_a_value_keeps_every_digit(path: str, value: str) -> None:
    assert find_value(DOCUMENT, parse_path(path)) == value


@pytest.mark.parametrize(
    ("document", "path"),
    [
        *((DOCUMENT, "b"), (DOCUMENT, "a[4]"), (DOCUMENT, "a[-5]"), (DOCUMENT, "s[0]")),
        *((DOCUMENT, "a.b"), (DOCUMENT, "a['0']"), ("<html>", "a"), ("", "a"), ("NaN", "")),
        *(('{"a": NaN}', "a"), ('{"a": Infinity}', "a"), ('{"a": "\\ud800"}', "a")),
        ("[" * 100_000, "[0]"),
        ('{"a":' * 200_000 + "1" + "}" * 200_000, "a"),
    ],
)
def test_what_is_not_there_or_no_json_is_told(document: str, path: str) -> None:
    with pytest.raises(PathError):
        find_value(document, parse_path(path))


def test_a_byte_order_mark_is_passed_over() -> None:
    assert find_value('\ufeff{"a": 1}', ("a",)) == "1"
