"""The signed records of data feeds: recomputed from their file, and what does not hold."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from servicelayer_api.crypto.signing import SigningKey
from servicelayer_api.datafeeds import record as records
from servicelayer_api.datafeeds import rules, signatures
from servicelayer_api.datafeeds.models import (
    StoredFeed,
    StoredRound,
    StoredUpdate,
)
from servicelayer_api.datafeeds.signing import round_keys
from servicelayer_api.datafeeds.verification import (
    UnreadableRoundError,
    find_faults,
    read_document,
)
from servicelayer_api.datafeeds.views import signed_round
from servicelayer_api.ids import new_id
from servicelayer_api.quotes.aggregation import METHODS
from servicelayer_api.settings import Secret, Settings, SettingsError
from support.data_feeds import NOW, a_feed, an_update
from support.signers import KINDS, signed_update

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

from support.signers import Signer


def a_round(method: str, values: Sequence[str]) -> tuple[dict[str, Any], bytes]:
    """An accepted round of real signers, as a file holds it, and the server's public key."""
    kinds: list[Callable[[], Signer]] = list(KINDS.values())
    signers = [kinds[place % len(kinds)]() for place in range(len(values))]
    weights = {signer.name: place + 1 for place, signer in enumerate(signers)}
    feed = a_feed(
        signer_set=tuple(signer.name for signer in signers), aggregation=method, weights=weights
    )
    updates = [proven(signer, feed, value) for signer, value in zip(signers, values, strict=True)]
    judgement = rules.judge(
        feed.aggregation,
        rules.heartbeat_of(feed),
        [records.price_of(feed, update) for update in updates],
    )
    quorum = rules.quorum(len(signers), None, 0)
    record = records.build_record(feed, updates, judgement, quorum=quorum, accepted_at=NOW)
    written = records.write_record(record)
    envelope, key = sealed(written)
    return {"record": json.loads(written), **envelope}, key


def proven(signer: Signer, feed: StoredFeed, value: str) -> StoredUpdate:
    """A signer's update to round 5, with what proves it."""
    body = signed_update(signer, str(feed.id), 5, value, rules.write_time(NOW))
    proof = signatures.verify(
        signer.name,
        rules.message(feed.id, 5, value, rules.write_time(NOW)),
        signature=body["signature"],
        public_key=body.get("pubkey", ""),
        salt=body.get("salt", ""),
    )
    return an_update(
        signer.name,
        price=rules.check_price(value, 8),
        signature=proof.signature,
        public_key=proof.public_key,
        salt=proof.salt,
        scheme=proof.scheme,
    )


def sealed(written: bytes) -> tuple[dict[str, Any], bytes]:
    """What a server with a key of its own gives out about a record beside it, and that key."""
    key = SigningKey(secrets.token_bytes(32))
    shown = signed_round(
        StoredRound(
            feed_id=new_id(),
            round_id=5,
            record_id=records.record_id(written),
            record=written,
            public_key=key.public,
            signature=key.sign(records.LABEL + written),
            closed_by=new_id(),
            accepted_at=NOW,
        )
    )
    envelope = {"id": shown.id, "public_key": shown.public_key, "signature": shown.signature}
    return envelope, key.public


def faults_of(document: dict[str, Any], key: bytes | None = None) -> list[str]:
    # Indented and in another order: the file need not be byte for byte what the server sent.
    return find_faults(read_document(json.dumps(document, indent=1).encode()), key)


@pytest.mark.parametrize("method", METHODS)
def test_a_round_is_recomputed_from_its_file_alone(method: str) -> None:
    document, key = a_round(method, ["12.5", "12.6", "12.55", "12.5", "99"])
    assert faults_of(document, key) == []
    reasons = [source["reason"] for source in document["record"]["sources"]]
    assert reasons.count("outlier") == 1


def resign(document: dict[str, Any]) -> bytes:
    """Sign a changed record anew, as a server that lies would."""
    raw = read_document(json.dumps(document).encode())
    envelope, key = sealed(records.write_record(raw.record))
    document.update(envelope)
    return key


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "price": lambda r: r.update(price="12.56"),
    "confidence": lambda r: r.update(confidence="0"),
    "method": lambda r: r.update(method="max"),
    "round": lambda r: r.update(round_id=6),
    "feed": lambda r: r.update(feed_id=str(new_id())),
    "quorum": lambda r: r.update(quorum=1),
    "signers": lambda r: r.update(signers=r["signers"][:-1]),
    "expiry": lambda r: r.update(expires_at="2030-01-01T00:00:00Z"),
    "source's price": lambda r: r["sources"][0].update(price="12.7"),
    "source's time": lambda r: r["sources"][0].update(timestamp="2026-01-02T03:04:06Z"),
    "source's verdict": lambda r: r["sources"][0].update(used=not r["sources"][0]["used"]),
    "source left out": lambda r: r["sources"].pop(),
    "source twice": lambda r: r["sources"].append(r["sources"][0]),
    "no sources": lambda r: r.update(sources=[]),
    "signature dropped": lambda r: r["sources"][0].update(scheme="none"),
    "price in another form": lambda r: r["sources"][0].update(price="12.50"),
    "kind": lambda r: r.update(kind="servicelayer.datafeeds.round/2"),
    "accepted before it was given": lambda r: r.update(accepted_at="2026-01-02T03:03:05Z"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_record_does_not_hold_even_when_the_server_signs_it_anew(change: str) -> None:
    document, key = a_round("mean", ["12.5", "12.61", "12.55"])
    CHANGES[change](document["record"])
    assert faults_of(document, key)
    other = resign(document)
    assert faults_of(document, other)


@pytest.mark.parametrize("member", ["id", "public_key", "signature"])
def test_a_changed_envelope_does_not_hold(member: str) -> None:
    document, key = a_round("median", ["1", "2"])
    other, _ = a_round("median", ["1", "2"])
    assert faults_of({**document, member: other[member]}, key)
    assert faults_of(other, key) == ["it is signed with another key than the expected one"]


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"record":{}}', b"\xff"])
def test_what_is_no_signed_round_is_not_read(raw: bytes) -> None:
    with pytest.raises(UnreadableRoundError):
        read_document(raw)


def test_the_key_of_rounds_follows_from_the_settings_and_former_ones_stay_known() -> None:
    old, new = (base64.b64encode(bytes([number] * 32)).decode() for number in (1, 2))
    root = "ab" * 32
    alone = round_keys(Settings(secret_encryption_key=Secret(root)))
    before = round_keys(
        Settings(secret_encryption_key=Secret(root), random_signing_key=Secret(old))
    )
    after = round_keys(
        Settings(
            secret_encryption_key=Secret("cd" * 32),
            secret_encryption_key_previous=Secret(root),
            random_signing_key=Secret(new),
            random_previous_keys=Secret(old),
        )
    )
    known = {key.public for key in after}
    assert {alone[0].public, before[0].public} < known
    assert after[0].public not in {alone[0].public, before[0].public}
    # It is derived: the key of randomness itself signs no round.
    assert SigningKey(bytes([2] * 32)).public not in known


def test_a_signing_key_that_is_none_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="RANDOM_SIGNING_KEY"):
        round_keys(Settings(random_signing_key=Secret("short")))
