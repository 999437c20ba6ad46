"""What is stored or handed out, pinned byte by byte: a later release must still read it.

The values were made once, by the code of schema version 16; the derived keys are computed a second
time by the test's own HKDF (RFC 5869), so that a label cannot change unnoticed.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from uuid import UUID

import pytest

from servicelayer_api.audit import signing as audit_signing
from servicelayer_api.crypto.envelope import DataKey, KeyEncryptionKey, data_key_of
from servicelayer_api.crypto.signing import SigningKey
from servicelayer_api.datafeeds.signing import round_keys
from servicelayer_api.settings import Secret, Settings
from servicelayer_api.web.cursors import Cursors, ListScope
from servicelayer_api.web.keys import derive_keys

ROOT = "c0ffee" * 10 + "c0ff"
SETTINGS = Settings(secret_encryption_key=Secret(ROOT))
RANDOM_SEED = bytes(31) + bytes([7])
KEY = bytes(range(32))
KEY_ID, OWNER, VERSION = UUID(int=1), UUID(int=2), 3


def hkdf(root: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 without a salt, one block."""
    extracted = hmac.digest(bytes(32), root, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)


@pytest.mark.parametrize("purpose", ["cursors/1", "replies/1", "wallet-challenges/1"])
def test_derived_keys_stay_what_they_are(purpose: str) -> None:
    assert derive_keys(SETTINGS, purpose) == (
        hkdf(ROOT.encode(), f"servicelayer/{purpose}".encode()),
    )


def test_a_wrapped_data_key_opens() -> None:
    wrapped = bytes.fromhex(
        "d52aa3470ed698a8410a981b5ab1d88164d148d894422b669f2498bdb9a67173"
        "fbc2d7bdbc40dc4d78233c39aaa6d3ed4d67d925df438567087d6914"
    )
    kek = KeyEncryptionKey(KEY)
    assert kek.fingerprint == "0d7f271def439150"
    assert kek.unwrap(wrapped, KEY_ID, OWNER, VERSION) == bytes(32)


def test_the_check_value_of_a_key_is_accepted() -> None:
    value = bytes.fromhex(
        "f8509b1736ebed2b30af8ca2f5f6cd9225aa5dc30f46df87b7cb719d1a5fea4c49b9056db8a2a8d44de25c13"
    )
    assert KeyEncryptionKey(KEY).accepts(value)


def test_a_sealed_value_opens() -> None:
    sealed = bytes.fromhex(
        "0100000000000000000000000000000001815370f797fe9a4760ec4b70d97e0e"
        "91b7aacfd68a557e0d6c7fd1da5e6e29c9b2828658e2"
    )
    key = DataKey(KEY, KEY_ID, OWNER, VERSION)
    assert data_key_of(sealed) == KEY_ID
    assert key.open(sealed, "secret|context") == b"the value"
    assert key.seal(b"the value", "secret|context")[:17] == sealed[:17]


def test_the_keys_of_the_audit_log_stay_what_they_are() -> None:
    derived = audit_signing.SigningKey(SETTINGS).signer("o").verifier
    of_random = (
        audit_signing.SigningKey(Settings(random_signing_key=Secret(RANDOM_SEED.hex())))
        .signer("o")
        .verifier
    )
    assert str(derived) == "o+f6867058+AXL3gbcP3KeSo8f36SzG/k2/2VVfOIuMBSgnsnjYhgPW"
    assert str(of_random) == "o+7d4e2864+ATR/szbmZr22JPXzu0yBYzH0QjChbFsOMa+rSkYXI+/J"


def test_the_keys_of_rounds_stay_what_they_are() -> None:
    purpose = b"servicelayer/datafeeds-rounds/1"
    (stand_in,) = round_keys(SETTINGS)
    own = round_keys(Settings(random_signing_key=Secret(RANDOM_SEED.hex())))[0]
    assert stand_in.public.hex() == (
        "b55a9733104338c4b5a2b7af8f392e7ab83cbed12a67a88b88d066b75a6e1b0d"
    )
    assert own.public == SigningKey(hkdf(RANDOM_SEED, purpose)).public


def test_a_cursor_that_was_handed_out_leads_on() -> None:
    text = "AZSoYWNjb3VudHPEEHfGMLLwTJhopFUru7SxUlrOaVcKgJKqMjAyNi0wMS0wMaE34NvapHhmw_bFXusEQK1Kug"
    scope = ListScope("accounts", "acme", "", {"status": "active", "x": None})
    now = datetime(2026, 1, 1, 23, 59, tzinfo=UTC)
    assert Cursors(KEY).read(text, scope, now) == ("2026-01-01", "7")
