"""Where the key of the audit log's checkpoints comes from."""

from __future__ import annotations

import base64

import pytest

from servicelayer_api.audit.signing import SigningKey
from servicelayer_api.crypto.signed_note import NoteRefusedError, NoteSigner, NoteVerifier
from servicelayer_api.crypto.signing import SigningKey as Ed25519
from servicelayer_api.settings import Secret, Settings, SettingsError

RAW = bytes(range(32))
OWN = Secret(base64.b64encode(RAW).decode())
RANDOM = Secret(base64.b64encode(RAW[::-1]).decode())
FIRST, SECOND = Secret("aa" * 32), Secret("bb" * 32)


def test_own_key_is_used_as_it_is_in_any_of_its_forms() -> None:
    expected = str(NoteSigner("n", RAW).verifier)
    for text in (
        base64.b64encode(RAW),
        base64.urlsafe_b64encode(RAW).rstrip(b"="),
        base64.b64encode(RAW + Ed25519(RAW).public),
        RAW.hex().encode(),
    ):
        key = SigningKey(
            Settings(audit_signing_key=Secret(text.decode()), random_signing_key=RANDOM)
        )
        assert str(key.signer("n").verifier) == expected


@pytest.mark.parametrize("text", ["canary", "aa" * 31, "*" * 44])
def test_malformed_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        SigningKey(Settings(audit_signing_key=Secret(text))).signer("n")
    assert text not in str(caught.value)


def test_key_is_derived_from_another_without_being_it() -> None:
    from_random = SigningKey(Settings(random_signing_key=RANDOM, secret_encryption_key=FIRST))
    from_secret = SigningKey(Settings(secret_encryption_key=FIRST))
    keys = {str(key.signer("n").verifier) for key in (from_random, from_secret)}
    assert len(keys | {str(NoteSigner("n", RAW[::-1]).verifier)}) == 3
    with pytest.raises(SettingsError, match="AUDIT_SIGNING_KEY is not set"):
        SigningKey(Settings()).signer("n")


def test_checkpoints_of_before_a_change_of_keys_are_still_checked() -> None:
    note = SigningKey(Settings(secret_encryption_key=FIRST)).signer("n").sign("text\n")
    for after in (
        Settings(secret_encryption_key=SECOND, secret_encryption_key_previous=FIRST),
        Settings(secret_encryption_key=FIRST, random_signing_key=RANDOM),
        Settings(secret_encryption_key=FIRST, audit_signing_key=OWN),
    ):
        key = SigningKey(after)
        first, *others = key.verifiers("n")
        assert str(first) == str(key.signer("n").verifier)
        assert [verifier for verifier in others if opens(verifier, note)]


def opens(verifier: NoteVerifier, note: str) -> bool:
    try:
        return verifier.open(note) == "text\n"
    except NoteRefusedError:
        return False
