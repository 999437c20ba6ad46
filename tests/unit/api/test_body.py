from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api.errors import Invalid
from servicelayer_api.web.body import decode


class _Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    owner: str
    inner: _Inner | None = None
    acl: int = 0


_DECODER = msgspec.json.Decoder(_Body)


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b"{}", [("owner", "is required")]),
        (b'{"owner":1}', [("owner", "expected str, got int")]),
        (b'{"owner":"a","x":1}', [("x", "is not a known field")]),
        (b'{"owner":"a","inner":{}}', [("inner.name", "is required")]),
        (b'{"owner":"a","inner":{"name":"n","y":1}}', [("inner.y", "is not a known field")]),
        (b'{"owner":"a","acl":"5"}', [("acl", "expected int, got str")]),
        (b'{"owner":"a","owner":"b"}', [("owner", "stands more than once")]),
        (b'{"owner":"a","inner":{"name":"n","name":"n"}}', [("name", "stands more than once")]),
        (b"[]", [("body", "expected object, got array")]),
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


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**60), 2**60))
def test_what_was_written_is_read_again(owner: str, acl: int) -> None:
    body = _Body(owner=owner, acl=acl)

    assert decode(msgspec.json.encode(body), _DECODER) == body
