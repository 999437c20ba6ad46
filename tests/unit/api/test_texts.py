"""Texts of bodies are bounded, whether their feature thought of it or not; so are pages."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
from msgspec import UNSET, Meta, UnsetType

from servicelayer_api.errors import Invalid
from servicelayer_api.web.pagination import MAX_PAGE_BYTES, PageRequest, parse_limit, parse_offset
from servicelayer_api.web.texts import MAX_MAPPING, MAX_TEXT, Texts

_LONG = "a" * (MAX_TEXT + 1)


class _Part(msgspec.Struct, frozen=True):
    note: str = ""


class _Body(msgspec.Struct, frozen=True, rename="pascal"):
    free_text: str = ""
    large: Annotated[str, Meta(max_length=10**6)] | UnsetType = UNSET
    several: Annotated[list[str], Meta(max_length=3)] = []
    names: dict[str, str] = {}
    part: _Part | None = None
    parts: list[_Part] = []


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (_Body(free_text=_LONG), "FreeText"),
        (_Body(several=["", _LONG]), "Several"),
        (_Body(names={"a": "b" * MAX_MAPPING}), "Names"),
        (_Body(names={str(number): "b" * 100 for number in range(1000)}), "Names"),
        (_Body(part=_Part(note=_LONG)), "Part.note"),
        (_Body(parts=[_Part(), _Part(note=_LONG)]), "Parts.note"),
        (_LONG, "body"),
    ],
)
def test_a_text_that_nobody_bounded_is_bounded(value: object, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        Texts(_Body).check(msgspec.json.encode(value), value)

    assert [fault.field for fault in refused.value.fields] == [field]


def test_a_text_with_a_bound_of_its_own_may_be_longer() -> None:
    value = _Body(large=_LONG, free_text="a" * MAX_TEXT, names={"a": _LONG})

    Texts(_Body).check(msgspec.json.encode(value), value)


@pytest.mark.parametrize(
    ("size", "expected"), [(10, 50), (MAX_PAGE_BYTES // 10, 9), (MAX_PAGE_BYTES * 2, 1)]
)
def test_a_page_of_large_items_ends_sooner_and_goes_on(size: int, expected: int) -> None:
    found = [(number, "x" * size) for number in range(51)]

    page = PageRequest(50).cut(found, lambda item: (item[0],))

    assert len(page.items) == expected
    assert page.after == (str(expected - 1),)


def test_a_number_that_says_nothing_is_as_if_it_were_left_out() -> None:
    assert (parse_limit("", 25), parse_limit(None, 25), parse_offset("")) == (25, 25, 0)
    with pytest.raises(Invalid):
        parse_limit(" ", 25)
