"""The bytes of randomness: the contract's derivation, the VRF's input, times as Go writes them."""

from __future__ import annotations

import hashlib
import hmac
import struct
from base64 import b64decode
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from servicelayer_api.crypto.ecvrf import VrfKey
from servicelayer_api.crypto.signing import SigningKey, is_signed, parse_private_key
from servicelayer_api.errors import Invalid
from servicelayer_api.random import rules
from servicelayer_api.random.models import Draw, NewDraw

# The key of the recorded exchanges.
RECORDED_KEY = (
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA=="
)
RECORDED_PUBLIC_KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
SEED = bytes(range(32))
DRAW = Draw(
    id=UUID("01a20d3b-0891-7ee8-a067-ea3c2c242d52"),
    counter=7,
    account_id=UUID("01a20d3b-083d-7146-88ba-b55aa3dae48d"),
    request_id="r-1",
    client_seed="dice",
    length=100,
    created_at_ns=1_795_519_502_249_909_010,
    key_id="k",
)

# Computed once with another implementation (`derive_by_the_book`) and kept.
KNOWN_SIGNATURE = (
    "dc70a5849735884aac82d486ca48d5b529373c0828ff7af30a0df543fe4802ce"
    "7eb060804c011b03a13914d727a18d787efa4f2a36bb9fa2f1cd112f452cd50b"
)
KNOWN_VALUE = (
    "1b9696ee8297f6800a7867377689ac0b15af40eb3f10136532f518d4d271d268"
    "c1f0ee8c83cd4d997194ae8a06a806457849c50178b88791f9fea416ce7f2411"
    "8035dd193159165653dea5cc1d2b3ead7023ebac5ba21db8f3aff5e8ede95c3f"
    "f916fea9"
)


def derive_by_the_book(draw: Draw) -> tuple[bytes, bytes]:
    """Section 3.9 of the contract, written a second time with another library's Ed25519."""
    message = draw.request_id.encode() + b"\0" + struct.pack(
        ">QQI", draw.counter, draw.created_at_ns, draw.length
    )  # fmt: skip
    signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(message)
    last = hmac.new(signature, message + b"\x01", hashlib.sha512).digest()
    value = last
    for number in range(2, 17):
        last = hmac.new(signature, last + message + bytes([number]), hashlib.sha512).digest()
        value += last
    return signature, value[: draw.length]


def test_the_recorded_key_has_the_recorded_public_key() -> None:
    seed = parse_private_key(RECORDED_KEY)
    assert seed == SEED
    assert rules.DrawKey(seed).public.public_key == b64decode(RECORDED_PUBLIC_KEY)


def test_a_known_answer() -> None:
    signature = rules.DrawKey(SEED).sign(DRAW)
    value = rules.derive_value(signature, rules.contract_message(DRAW), DRAW.length)
    assert signature.hex() == KNOWN_SIGNATURE
    assert value.hex() == KNOWN_VALUE


@given(
    request_id=st.text(max_size=40),
    counter=st.integers(0, 2**63 - 1),
    at=st.integers(0, 2**63 - 1),
    length=st.integers(1, 1024),
)
def test_signature_and_value_are_the_contracts(
    request_id: str, counter: int, at: int, length: int
) -> None:
    try:
        request_id.encode()
    except UnicodeEncodeError:
        return
    draw = replace(DRAW, request_id=request_id, counter=counter, created_at_ns=at, length=length)
    signature = rules.DrawKey(SEED).sign(draw)
    value = rules.derive_value(signature, rules.contract_message(draw), length)
    assert (signature, value) == derive_by_the_book(draw)


def test_alpha_binds_key_account_request_and_seed_and_not_what_the_server_chooses() -> None:
    alpha = rules.alpha_of(DRAW)
    other = UUID(int=1)
    bound = [
        replace(DRAW, key_id="j"),
        replace(DRAW, account_id=other),
        replace(DRAW, request_id="r-2"),
        replace(DRAW, client_seed="dicE"),
        replace(DRAW, request_id="r-1dice", client_seed=""),
    ]
    assert len({alpha, *map(rules.alpha_of, bound)}) == 1 + len(bound)
    free = replace(DRAW, id=other, counter=8, created_at_ns=1)
    assert rules.alpha_of(free) == alpha
    unnamed = replace(DRAW, request_id="")
    assert rules.alpha_of(unnamed) != rules.alpha_of(replace(unnamed, id=other))
    assert rules.alpha_of(unnamed) != rules.alpha_of(replace(DRAW, request_id=str(DRAW.id)))


def test_alpha_is_laid_out_as_documented() -> None:
    fields = ["k", "01a20d3b-083d-7146-88ba-b55aa3dae48d", "request", "r-1", "dice"]
    expected = b"servicelayer/random/alpha/v1\0"
    for field in fields:
        expected += struct.pack(">H", len(field)) + field.encode()
    assert rules.alpha_of(DRAW) == expected


def test_signing_and_proving_use_different_keys_and_the_first_vouches_for_the_second() -> None:
    public = rules.DrawKey(SEED).public
    assert public.vrf_public_key not in {public.public_key, VrfKey(SEED).public}
    statement = rules.vrf_key_statement(public.vrf_public_key)
    assert is_signed(public.public_key, statement, public.vrf_key_signature)
    with pytest.raises(UnicodeDecodeError):
        statement.partition(b"\0")[0].decode()


def test_bytes_are_expanded_by_blocks() -> None:
    output = bytes(range(64))
    whole = rules.expand(output, 1024)
    assert rules.expand(output, 1) == whole[:1]
    assert rules.expand(output, 65) == whole[:65]
    first = hashlib.sha512(b"servicelayer/random/bytes/v1\0" + output + bytes(4)).digest()
    assert whole[:64] == first
    assert len({whole[at : at + 64] for at in range(0, 1024, 64)}) == 16


@given(
    output=st.binary(min_size=64, max_size=64),
    low=st.integers(-(2**70), 2**70),
    width=st.integers(1, 2**64),
    count=st.integers(0, 40),
)
def test_integers_lie_in_their_range_and_more_of_them_begin_with_the_same(
    output: bytes, low: int, width: int, count: int
) -> None:
    numbers = rules.draw_integers(output, low, low + width - 1, count)
    assert len(numbers) == count
    assert all(low <= number < low + width for number in numbers)
    assert rules.draw_integers(output, low, low + width - 1, count + 1)[:count] == numbers


def test_integers_are_the_words_of_the_stream_and_pass_over_the_incomplete_stretch() -> None:
    output = bytes(range(64))
    block = hashlib.sha512(b"servicelayer/random/integers/v1\0" + output + bytes(4)).digest()
    words = [int.from_bytes(block[at : at + 8], "big") for at in range(0, 64, 8)]
    assert rules.draw_integers(output, 0, 2**64 - 1, 8) == words
    assert rules.draw_integers(output, 1, 6, 8) == [1 + word % 6 for word in words]
    # Of a range a little over half of all words, those above it are passed over.
    wide = 2**63 + 1
    kept = [word for word in words if word < wide]
    assert 0 < len(kept) < len(words)
    assert rules.draw_integers(output, 0, wide - 1, len(kept)) == kept


@pytest.mark.parametrize(("low", "high"), [(1, 0), (0, 2**64), (5, -5)])
def test_an_empty_or_too_wide_range_is_refused(low: int, high: int) -> None:
    with pytest.raises(ValueError, match="range"):
        rules.draw_integers(bytes(64), low, high, 1)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (1_795_519_500_000_000_000, "2026-11-24T11:25:00Z"),
        (1_795_519_502_249_909_000, "2026-11-24T11:25:02.249909Z"),
        (1_795_519_510_100_000_000, "2026-11-24T11:25:10.1Z"),
        (1_795_519_502_249_909_010, "2026-11-24T11:25:02.24990901Z"),
    ],
)
def test_times_are_written_as_go_writes_them(nanoseconds: int, text: str) -> None:
    assert rules.format_moment(nanoseconds) == text
    assert rules.parse_moment(text) == nanoseconds


@given(st.integers(0, 2**62))
def test_a_time_is_read_back_to_the_nanosecond(nanoseconds: int) -> None:
    assert rules.parse_moment(rules.format_moment(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-24T11:25:02.10Z",
        "2026-11-24T11:25:02.Z",
        "2026-11-24T11:25:02+00:00",
        "2026-11-24 11:25:02Z",
        "2026-13-24T11:25:02Z",
        "2026-11-24T11:25:02.1234567891Z",
        "2026-11-24T11:25:02.\u0661\u06621Z",
    ],
)
def test_a_time_has_one_spelling(text: str) -> None:
    assert rules.parse_moment(text) is None


def test_a_moment_of_the_clock_keeps_its_microseconds() -> None:
    moment = datetime(2026, 11, 24, 11, 25, 2, 249909, tzinfo=UTC)
    assert rules.to_nanoseconds(moment) == 1_795_519_502_249_909_000


def test_what_is_asked_is_trimmed_and_filled_in() -> None:
    assert rules.check_new(NewDraw(length=0, request_id=" r-1 ", client_seed=" s ")) == NewDraw(
        length=32, request_id="r-1", client_seed=" s "
    )


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (NewDraw(length=-1), "length"),
        (NewDraw(length=1025), "length"),
        (NewDraw(request_id="x" * 257), "request_id"),
        (NewDraw(request_id="a\0b"), "request_id"),
        (NewDraw(request_id="r", client_seed="é" * 33), "client_seed"),
        (NewDraw(request_id="r", client_seed="\0"), "client_seed"),
        (NewDraw(request_id=" ", client_seed="s"), "client_seed"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_field(new: NewDraw, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.check_new(new)
    assert [fault.field for fault in refused.value.fields] == [field]


@pytest.mark.parametrize(
    "text", [SEED.hex(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", RECORDED_KEY]
)
def test_a_private_key_is_read_in_hex_and_base64_with_or_without_its_public_half(text: str) -> None:
    assert parse_private_key(f" {text}\n") == SEED


@pytest.mark.parametrize("form", ["pem", "one line", "base64 alone", "line breaks written out"])
def test_a_private_key_is_read_as_openssl_writes_it(form: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    lines = pem.strip().splitlines()
    forms = {
        "pem": pem,
        "one line": " ".join(lines),
        "base64 alone": lines[1],
        "line breaks written out": "\\n".join(lines),
    }
    assert parse_private_key(forms[form]) == SEED


def test_a_private_key_of_another_kind_is_refused() -> None:
    key = X25519PrivateKey.from_private_bytes(SEED)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(ValueError, match="is not 32 or 64 bytes"):
        parse_private_key(pem)


def test_a_pair_that_does_not_belong_together_is_refused() -> None:
    other = SigningKey(bytes(32)).public
    with pytest.raises(ValueError, match="does not belong"):
        parse_private_key((SEED + other).hex())


@pytest.mark.parametrize("text", ["", "AAAA", "zz", "00" * 31, "00" * 96, "(" * 44])
def test_other_texts_are_no_private_key_and_are_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="is not 32 or 64 bytes") as refused:
        parse_private_key(text)
    assert not text or text not in str(refused.value)
