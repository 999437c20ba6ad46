"""What msgspec says of a body is told without the names of Python's types."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from servicelayer_api.web.faults import read_fault


class Body(msgspec.Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(max_length=3)] = ""
    none: str | None = None
    whole: Annotated[int, Meta(ge=0, le=9)] = 0
    part: float = 0
    flag: bool = False
    names: Annotated[list[str], Meta(max_length=1)] = []
    word: Literal["a", "b"] = "a"
    form: Annotated[str, Meta(pattern="^a")] = "a"
    at: Annotated[datetime, Meta(tz=True)] | None = None
    key: UUID | None = None
    more: dict[str, int] = {}


_PYTHON = re.compile(r"`|\b(str|int|float|bool|array|Expected|got|datetime|UUID|regex|Object)\b")

TOLD = {
    b'{"text":1}': ("text", "must be text, not a whole number"),
    b'{"text":"long"}': ("text", "must have 3 characters at most"),
    b'{"none":[]}': ("none", "must be text or null, not a list"),
    b'{"whole":-1}': ("whole", "must be 0 or more"),
    b'{"whole":10}': ("whole", "must be 9 or less"),
    b'{"whole":"1"}': ("whole", "must be a whole number, not text"),
    b'{"part":"x"}': ("part", "must be a number, not text"),
    b'{"flag":1}': ("flag", "must be true or false, not a whole number"),
    b'{"names":["a","b"]}': ("names", "must have 1 items at most"),
    b'{"names":[1]}': ("names[0]", "must be text, not a whole number"),
    b'{"word":"c"}': ("word", "is none of the values that are known"),
    b'{"form":"b"}': ("form", "has a form that cannot be used"),
    b'{"at":"soon"}': (
        "at",
        "must be a time as RFC 3339 has it, such as 2030-01-31T12:00:00Z",
    ),
    b'{"at":"2030-01-31T12:00:00"}': (
        "at",
        "must name its time zone, such as 2030-01-31T12:00:00Z",
    ),
    b'{"key":"x"}': ("key", "must be an id"),
    b'{"other":1}': ("other", "is not a known field"),
    b"[]": ("body", "must be an object, not a list"),
}


@pytest.mark.parametrize("raw", TOLD)
def test_a_fault_is_told_in_a_caller_s_words(raw: bytes) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(raw, type=Body)
    assert read_fault(str(caught.value)) == TOLD[raw]


class Inner(msgspec.Struct, forbid_unknown_fields=True, rename={"asset": "BaseAsset"}):
    asset: str = ""
    update_interval: str = ""
    heartbeat_interval: str = ""


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    inner: Inner | None = None
    many: Annotated[list[Inner], Meta(max_length=9)] = []
    named: dict[str, Inner] = {}


KNOWN = "known are BaseAsset, update_interval, heartbeat_interval"
NEAR = {
    b'{"iner":{}}': ("iner", "is not a known field; did you mean inner?"),
    b'{"inner":{"baseasset":1}}': (
        "inner.baseasset",
        "is not a known field; did you mean BaseAsset?",
    ),
    b'{"inner":{"interval":1}}': (
        "inner.interval",
        "is not a known field; did you mean update_interval or heartbeat_interval?",
    ),
    b'{"many":[{},{"asset":1}]}': (
        "many[1].asset",
        "is not a known field; did you mean BaseAsset?",
    ),
    b'{"named":{"a":{"x":1}}}': ("named[...].x", f"is not a known field; {KNOWN}"),
    b'{"' + b"i" * 300 + b'":1}': (
        "i" * 64,
        "is not a known field; known are inner, many, named",
    ),
}


@pytest.mark.parametrize("raw", NEAR)
def test_an_unknown_field_is_told_with_those_it_may_mean(raw: bytes) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(raw, type=Outer)
    assert read_fault(str(caught.value), Outer) == NEAR[raw]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-20, 20) | st.floats(-9, 9) | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("k"), inner),
    max_leaves=3,
)


@given(st.sampled_from([*Body.__struct_fields__, "zz"]), VALUES)
def test_no_fault_speaks_of_python_s_types(name: str, value: Any) -> None:
    said = ""
    try:
        msgspec.convert({name: value}, Body)
    except msgspec.ValidationError as exc:
        said = read_fault(str(exc))[1]
    assert not _PYTHON.search(said)
