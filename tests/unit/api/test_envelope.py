"""Keys and sealed data, without a database."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api.clock import FixedClock
from servicelayer_api.crypto.envelope import (
    DataKey,
    EnvelopeError,
    KeyEncryptionKey,
    data_key_of,
    make_data_key,
    read_key,
)
from servicelayer_api.ids import new_id
from servicelayer_api.settings import Secret, Settings, SettingsError
from servicelayer_api.vault import read_keys
from servicelayer_api.vault.cache import SECONDS, KeyCache
from servicelayer_api.vault.errors import WrongKey
from servicelayer_api.vault.models import KeyRow
from servicelayer_api.vault.rules import judge

if TYPE_CHECKING:
    from uuid import UUID

_RAW = bytes(range(32))
_OWNER = new_id()
_NOW = datetime(2026, 1, 2, tzinfo=UTC)


def _data_key(owner: UUID | None = _OWNER, version: int = 1) -> DataKey:
    return DataKey(_RAW, new_id(), owner, version)


@pytest.mark.parametrize(
    "text",
    [
        _RAW.hex(),
        _RAW.hex().upper(),
        base64.b64encode(_RAW).decode(),
        base64.urlsafe_b64encode(_RAW).decode().rstrip("="),
    ],
)
def test_a_key_is_read_in_every_way_people_write_it(text: str) -> None:
    assert read_key(text) == _RAW


def test_a_text_of_32_characters_is_the_key_itself_as_the_reference_server_has_it() -> None:
    text = "0123456789abcdef0123456789abcdef"

    assert read_key(text) == text.encode()


@pytest.mark.parametrize("text", ["", "abc", "ab" * 31, "ab" * 33, "!" * 64, "ä" * 32])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(EnvelopeError):
        read_key(text)


def test_a_fingerprint_is_not_a_hash_of_the_key_and_tells_keys_apart() -> None:
    first, second = KeyEncryptionKey(_RAW), KeyEncryptionKey(_RAW[::-1])

    assert first.fingerprint == KeyEncryptionKey(_RAW).fingerprint != second.fingerprint
    assert len(first.fingerprint) == 16
    assert _RAW.hex() not in repr(first)


def test_a_check_value_is_accepted_by_its_own_key_only() -> None:
    first, second = KeyEncryptionKey(_RAW), KeyEncryptionKey(_RAW[::-1])
    value = first.make_check_value()

    assert first.accepts(value)
    assert not second.accepts(value)
    assert not first.accepts(value[:-1] + bytes([value[-1] ^ 1]))
    assert not first.accepts(b"")


def test_a_wrapped_key_opens_for_its_owner_id_and_version_only() -> None:
    wrapping, key, key_id = KeyEncryptionKey(_RAW), make_data_key(), new_id()
    wrapped = wrapping.wrap(key, key_id, _OWNER, 1)

    assert wrapping.unwrap(wrapped, key_id, _OWNER, 1) == key
    for place in [(new_id(), _OWNER, 1), (key_id, new_id(), 1), (key_id, None, 1),
                  (key_id, _OWNER, 2)]:  # fmt: skip
        with pytest.raises(EnvelopeError):
            wrapping.unwrap(wrapped, *place)
    with pytest.raises(EnvelopeError):
        KeyEncryptionKey(_RAW[::-1]).unwrap(wrapped, key_id, _OWNER, 1)


@given(st.binary(max_size=200), st.text(max_size=50))
def test_sealed_data_opens_to_what_it_was(plaintext: bytes, context: str) -> None:
    key = _data_key()
    sealed = key.seal(plaintext, context)

    assert key.open(sealed, context) == plaintext
    assert data_key_of(sealed) == key.id
    assert len(sealed) == len(plaintext) + 45


def _opens(key: DataKey, sealed: bytes) -> bool:
    try:
        return data_key_of(sealed) == key.id and key.open(sealed, "here") == b"plain"
    except EnvelopeError:
        return False


@given(st.data())
def test_one_changed_bit_anywhere_keeps_data_shut(data: st.DataObject) -> None:
    key = _data_key()
    sealed = bytearray(key.seal(b"plain", "here"))
    assert _opens(key, bytes(sealed))
    place = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[place // 8] ^= 1 << place % 8

    assert not _opens(key, bytes(sealed))


def test_data_opens_in_no_other_context_owner_version_or_key() -> None:
    key_id = new_id()
    sealed = DataKey(_RAW, key_id, _OWNER, 1).seal(b"plain", "here")

    assert DataKey(_RAW, key_id, _OWNER, 1).open(sealed, "here") == b"plain"
    for other in (
        DataKey(_RAW, key_id, _OWNER, 2),
        DataKey(_RAW, key_id, None, 1),
        DataKey(_RAW, new_id(), _OWNER, 1),
        DataKey(_RAW[::-1], key_id, _OWNER, 1),
    ):
        with pytest.raises(EnvelopeError):
            other.open(sealed, "here")
    with pytest.raises(EnvelopeError):
        DataKey(_RAW, key_id, _OWNER, 1).open(sealed, "her")


def test_the_same_data_is_never_sealed_alike_twice() -> None:
    key = _data_key()

    assert len({key.seal(b"plain", "here") for _ in range(50)}) == 50


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + bytes(60), bytes(60), b"\x01" * 44])
def test_what_is_no_sealed_data_is_told_before_any_key_is_asked(sealed: bytes) -> None:
    with pytest.raises(EnvelopeError):
        data_key_of(sealed)


def test_a_value_of_the_reference_server_is_read() -> None:
    nonce = os.urandom(12)
    blob = nonce + AESGCM(_RAW).encrypt(nonce, b"old", None)

    assert KeyEncryptionKey(_RAW).open_reference(blob) == b"old"
    for wrong in (blob[:-1], b"", blob[:12] + bytes(20)):
        with pytest.raises(EnvelopeError):
            KeyEncryptionKey(_RAW).open_reference(wrong)


def test_the_cache_lets_the_least_recently_used_key_go() -> None:
    cache, keys = KeyCache(FixedClock(_NOW), size=2), [_data_key(new_id()) for _ in range(3)]
    cache.put(keys[0], active=True)
    cache.put(keys[1], active=True)
    assert cache.get(keys[0].id) is keys[0]
    cache.put(keys[2], active=True)

    assert [cache.get(key.id) is not None for key in keys] == [True, False, True]
    assert cache.active(keys[1].owner) is None


def test_the_cache_forgets_an_owner_at_once_and_everybody_in_time() -> None:
    clock = FixedClock(_NOW)
    cache, old, new = KeyCache(clock), _data_key(_OWNER, 1), _data_key(_OWNER, 2)
    other = _data_key(new_id())
    for key in (old, new, other):
        cache.put(key, active=key is not old)
    assert cache.active(_OWNER) is new

    cache.forget(_OWNER)
    assert (cache.active(_OWNER), cache.get(old.id), cache.get(new.id)) == (None, None, None)
    assert cache.get(other.id) is other

    clock.advance(timedelta(seconds=SECONDS))
    cache.sweep()
    assert len(cache) == 0


def _row(version: int, fingerprint: str, data_keys: int = 1) -> KeyRow:
    return KeyRow(
        version=version,
        fingerprint=fingerprint,
        check_value=b"",
        created_at=_NOW,
        retired_at=None,
        data_keys=data_keys,
    )


def test_a_key_that_is_new_becomes_the_next_version_when_the_old_one_is_there_too() -> None:
    assert judge("a", [], []) == "add"
    assert judge("a", ["a"], [_row(1, "a")]) == "keep"
    assert judge("b", ["b", "a"], [_row(1, "a")]) == "add"
    assert judge("b", ["b"], [_row(1, "a", 0), _row(2, "b")]) == "keep"


def test_a_process_with_the_older_key_goes_on_while_it_knows_the_newer() -> None:
    assert judge("a", ["a", "b"], [_row(1, "a"), _row(2, "b")]) == "keep"


def test_a_wrong_key_is_refused_with_both_fingerprints() -> None:
    with pytest.raises(WrongKey, match=r"fingerprint b,.*fingerprint a \(7 data keys are wrapped"):
        judge("b", ["b"], [_row(1, "a", 7)])


def test_an_old_key_cannot_be_taken_away_while_data_keys_need_it() -> None:
    with pytest.raises(WrongKey, match="12 data keys are still wrapped by key version 1, whose"):
        judge("b", ["b"], [_row(1, "a", 12), _row(2, "b", 3)])


def test_the_settings_name_the_key_that_is_none() -> None:
    good = Secret("ab" * 32)
    bad = Settings(
        secret_encryption_key=good, secret_encryption_key_previous=Secret(f"{'cd' * 32}, nonsense")
    )
    with pytest.raises(SettingsError, match="PREVIOUS, key 2 is not 32 bytes"):
        read_keys(bad)

    twice = Settings(secret_encryption_key=good, secret_encryption_key_previous=good)
    assert len(read_keys(twice)) == 1
    assert read_keys(Settings()) == []
