from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api.errors import Invalid
from servicelayer_api.web.body import LARGEST_INTEGER, MAX_DEPTH, decode


class _Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    owner: str
    inner: _Inner | None = None
    acl: int = 0


_DECODER = msgspec.json.Decoder(_Body)
_NUL = "must not hold the character NUL or half of a surrogate pair"
_ANY = msgspec.json.Decoder()


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b"{}", [("owner", "is required")]),
        (b'{"owner":1}', [("owner", "must be text, not a whole number")]),
        (
            b'{"owner":"a","x":1}',
            [("x", "is not a known field; known are owner, inner, acl")],
        ),
        (b'{"owner":"a","inner":{}}', [("inner.name", "is required")]),
        (
            b'{"owner":"a","inner":{"nam":1,"name":"n"}}',
            [("inner.nam", "is not a known field; did you mean name?")],
        ),
        (b'{"owner":"a","acl":"5"}', [("acl", "must be a whole number, not text")]),
        (b'{"owner":"a","owner":"b"}', [("owner", "stands more than once")]),
        (b'{"owner":"a","inner":{"name":"n","name":"n"}}', [("name", "stands more than once")]),
        (b"[]", [("body", "must be an object, not a list")]),
        (b'{"owner":"\\u0000"}', [("owner", _NUL)]),
        (b'{"owner":"a","inner":{"name":"\\u0000"}}', [("inner.name", _NUL)]),
    ],
)
def test_a_fault_names_its_field(raw: bytes, fields: list[tuple[str, str]]) -> None:
    with pytest.raises(Invalid) as caught:
        decode(raw, _DECODER)

    assert [tuple(fault) for fault in caught.value.fields] == fields


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"  ",
        b"{",
        b"nonsense",
        b'{"owner":NaN}',
        b'{"owner":"\\ud800"}',
        b'{"owner":"\xff"}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_one_json_document_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        decode(raw, _DECODER)


@given(st.binary(max_size=64))
def test_any_bytes_are_either_taken_or_refused(raw: bytes) -> None:
    try:
        taken = decode(raw, _DECODER)
    except Invalid:
        return
    assert isinstance(taken, _Body)


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.integers(-(2**53), 2**53),
)
def test_what_was_written_is_read_again(owner: str, acl: int) -> None:
    body = _Body(owner=owner, acl=acl)

    assert decode(msgspec.json.encode(body), _DECODER) == body


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":{"b":1,"b":2}}',
        b'{"a":"x:y","a":"z"}',
        b'{"a":":","b":1,"a":2,"c":":"}',
        b'{"a" : 1, "a" : 2}',
        b'{"a":[1,2],"b":9007199254740993}',
        b'[{"a":1,"\\u0061":2}]',
        b"[NaN]",
        b"[-Infinity]",
        b"[1e400]",
        b"[9007199254740993]",
        b"[-9007199254740993]",
        b"[" + b"9" * 10_000 + b"]",
        b'["\\u0000"]',
        b'{"\\u0000":1}',
        b'[["x\\u0000"]]',
        b'["\\ud800"]',
        b'["\\uDC00\\ud800"]',
        b'["\xed\xa0\x80"]',
        b'\xef\xbb\xbf{"a":1}',
        "[1]".encode("utf-16"),
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
        b"[" * 1_000_000,
        b"[" * 1_000_000 + b"]" * 1_000_000,
    ],
)
def test_what_readers_would_understand_differently_is_refused_whatever_the_type(raw: bytes) -> None:
    with pytest.raises(Invalid):
        decode(raw, _ANY)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"[9007199254740992]", [LARGEST_INTEGER]),
        (b'{"a":9007199254740992,"b":"http://x:1"}', {"a": LARGEST_INTEGER, "b": "http://x:1"}),
        (b'{"a":"1234567890123456789","b":[]}', {"a": "1234567890123456789", "b": []}),
        (b"[-9007199254740992]", [-LARGEST_INTEGER]),
        (b'["9007199254740993"]', ["9007199254740993"]),
        (b"[0.30000000000000004]", [0.30000000000000004]),
        (b'["\\\\u0000"]', ["\\u0000"]),
        (b'["\\ud83d\\ude00"]', ["\U0001f600"]),
        (b'{"a":{"x":1},"b":{"x":1}}', {"a": {"x": 1}, "b": {"x": 1}}),
        (b'["[[[[" , "{\\"" ]', ["[[[[", '{"']),
        (b" \r\n\t[1] trailing", [1]),
        (b"[" + b"[]," * 200 + b"[]]", [[]] * 201),
    ],
)
def test_what_only_looks_dangerous_is_read(raw: bytes, expected: object) -> None:
    assert decode(raw, _ANY) == expected


def test_the_deepest_nesting_that_is_allowed_is_read() -> None:
    value = decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, _ANY)
    for _ in range(MAX_DEPTH - 1):
        (value,) = value

    assert value == []


def test_a_number_that_the_route_reads_by_its_digits_may_be_beyond_a_double() -> None:
    found = decode(b'{"a":1e400}', msgspec.json.Decoder(dict[str, msgspec.Raw]))

    assert bytes(found["a"]) == b"1e400"


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 1000,
        b'{"a":' * 1000,
        b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
        b"[" + b"[]," * 20_000 + b"[]]",
        b'{"a":"\\\\","b":' + b"[" * 64 + b"]" * 64 + b"}",
    ],
)
def test_what_is_deep_or_has_very_many_parts_is_refused_before_it_is_built(raw: bytes) -> None:
    class _Refuses:
        def decode(self, _: bytes) -> object:
            raise AssertionError("it was built")

    with pytest.raises(Invalid, match=r"levels deep|arrays and objects"):
        decode(raw, cast("Any", _Refuses()))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":' + b"[" * 63 + b"]" * 63 + b"}",
        b'{"a":"' + b"[" * 30_000 + b'"}',
        b'{"a":"' + b'\\"[' * 30_000 + b'"}',
        b'{"a":"\\\\","b":"' + b"{" * 30_000 + b'"}',
        b'{"a":"' + b"[" * 100 + b'","b":"' + b"]" * 100 + b'"}',
    ],
)
def test_brackets_in_texts_count_for_nothing(raw: bytes) -> None:
    assert decode(raw, _ANY)
