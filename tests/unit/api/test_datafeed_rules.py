from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from servicelayer_api.crypto.signing import SigningKey
from servicelayer_api.datafeeds import configuration, rules, signatures
from servicelayer_api.datafeeds import record as records
from servicelayer_api.datafeeds.configuration import Defaults
from servicelayer_api.datafeeds.errors import (
    AlreadySubmitted,
    RoundClosed,
    RoundOutOfOrder,
    ThresholdsNotMet,
)
from servicelayer_api.datafeeds.models import (
    PLACES,
    FeedRequest,
    Price,
    StoredFeed,
    StoredRound,
    StoredUpdate,
    UpdateRequest,
)
from servicelayer_api.datafeeds.signatures import SignerRefusedError
from servicelayer_api.datafeeds.signing import round_keys
from servicelayer_api.datafeeds.verification import (
    UnreadableRoundError,
    find_faults,
    read_document,
)
from servicelayer_api.datafeeds.views import signed_round
from servicelayer_api.errors import Invalid
from servicelayer_api.ids import new_id
from servicelayer_api.quotes.aggregation import METHODS
from servicelayer_api.settings import Secret, Settings, SettingsError
from support.signers import KINDS, EdSigner, WalletSigner, signed_update

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.signers import Signer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HEARTBEAT = timedelta(minutes=10)
DEFAULTS = Defaults(aggregation="median", min_signers=0, verify_signatures=True)
UNIT = 10**PLACES


def a_feed(**changes: Any) -> StoredFeed:
    feed = configuration.blank_feed(new_id(), "t", NOW)
    return replace(feed, pair="NEO/USD", decimals=8, heartbeat_seconds=600, **changes)


def at(*values: int) -> list[Price]:
    return [Price(value=value, moment=NOW) for value in values]


def test_a_time_is_written_in_one_way_only() -> None:
    assert rules.write_time(NOW) == "2026-01-02T03:04:05Z"
    assert rules.write_time(NOW + timedelta(microseconds=120)) == "2026-01-02T03:04:05.000120Z"
    with pytest.raises(ValueError, match="canonical"):
        records.read_time("2026-01-02T03:04:05.1Z")


def test_what_a_signer_signs_is_as_documented() -> None:
    text = rules.message("f", 7, "12.5", rules.write_time(NOW))
    assert text == "servicelayer/datafeeds/update/1|f|7|12.5|2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("signers", "wanted", "least", "quorum"),
    [
        *((0, None, 0, 1), (1, None, 0, 1), (2, None, 0, 2), (3, None, 0, 2), (4, None, 0, 3)),
        *((5, 1, 0, 3), (5, 4, 0, 4), (5, None, 4, 4), (5, None, 9, 5), (0, 3, 3, 1)),
    ],
)
def test_the_quorum_is_over_half_and_at_most_all(
    signers: int, wanted: int | None, least: int, quorum: int
) -> None:
    assert rules.quorum(signers, wanted, least) == quorum


def test_an_outlier_does_not_count_and_is_told_why() -> None:
    judgement = rules.judge("mean", HEARTBEAT, at(100, 101, 5_000))
    assert judgement.reasons == ("", "", "outlier")
    assert (judgement.used, judgement.price) == (2, 100)


def test_a_price_much_older_than_the_newest_does_not_count() -> None:
    prices = [*at(100, 102), Price(value=101, moment=NOW - HEARTBEAT - timedelta(seconds=1))]
    judgement = rules.judge("median", HEARTBEAT, prices)
    assert judgement.reasons == ("", "", "stale")
    assert (judgement.oldest, judgement.newest) == (NOW, NOW)


@given(
    st.lists(
        st.tuples(st.integers(1, 10**12), st.integers(0, 1200), st.integers(1, 50)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from(METHODS),
    st.data(),
)
def test_the_order_of_the_prices_means_nothing(
    given_prices: list[tuple[int, int, int]], method: Any, data: st.DataObject
) -> None:
    prices = [
        Price(value=value, moment=NOW - timedelta(seconds=age), weight=weight)
        for value, age, weight in given_prices
    ]
    mixed = data.draw(st.permutations(prices))
    one, other = rules.judge(method, HEARTBEAT, prices), rules.judge(method, HEARTBEAT, mixed)
    assert (one.price, one.spread, one.used) == (other.price, other.spread, other.used)
    used = [p.value for p, reason in zip(prices, one.reasons, strict=True) if not reason]
    assert min(used) <= one.price <= max(used)


def test_only_rounds_above_the_last_accepted_one_are_open() -> None:
    feed = a_feed(round_id=7)
    rules.check_round(feed, 8)
    with pytest.raises(RoundClosed):
        rules.check_round(feed, 7)
    with pytest.raises(RoundOutOfOrder):
        rules.check_round(feed, 7 + rules.MAX_AHEAD + 1)
    with pytest.raises(Invalid):
        rules.check_round(feed, 0)


def an_update(signer: str = "", **changes: Any) -> StoredUpdate:
    update = StoredUpdate(
        id=new_id(),
        account_id=new_id(),
        feed_id=new_id(),
        round_id=5,
        price=UNIT,
        signer=signer,
        submitted_for=NOW,
        signature="",
        public_key="",
        salt="",
        scheme="none",
        status="pending",
        error="",
        metadata={},
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(update, **changes)


def test_a_signer_goes_on_to_later_rounds_and_times_only() -> None:
    last = an_update()
    rules.check_order(None, 1, NOW)
    rules.check_order(last, 6, NOW)
    with pytest.raises(AlreadySubmitted):
        rules.check_order(last, 5, NOW)
    with pytest.raises(RoundOutOfOrder):
        rules.check_order(last, 4, NOW)
    with pytest.raises(RoundOutOfOrder):
        rules.check_order(last, 6, NOW - timedelta(microseconds=1))


def test_a_new_round_needs_the_heartbeat_or_the_deviation() -> None:
    feed = a_feed(price=1000 * UNIT, accepted_at=NOW, threshold_ppm=5000)
    rules.check_due(feed, 1005 * UNIT, NOW)
    rules.check_due(feed, 1000 * UNIT, NOW + HEARTBEAT)
    with pytest.raises(ThresholdsNotMet):
        rules.check_due(feed, 1004 * UNIT, NOW + HEARTBEAT - timedelta(microseconds=1))
    rules.check_due(replace(feed, threshold_ppm=0), 1000 * UNIT, NOW)


def test_a_time_may_be_five_seconds_ahead_and_no_more() -> None:
    rules.check_time(NOW + timedelta(seconds=5), NOW)
    with pytest.raises(Invalid):
        rules.check_time(NOW + timedelta(seconds=6), NOW)


@pytest.mark.parametrize("text", ["", "0", "-1", "ten", "1e5", "1.123456789", "NaN", "1."])
def test_prices_that_the_feed_does_not_take_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        rules.check_price(text, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_is_verified_and_any_change_breaks_it(kind: str) -> None:
    signer = KINDS[kind]()
    message = rules.message("feed", 1, "12.5", "2026-01-02T03:04:05Z")
    fields = signer.sign(message)
    proof = {"public_key": fields.get("pubkey", ""), "salt": fields.get("salt", "")}
    name = signatures.parse_signer(signer.name)
    found = signatures.verify(name, message, signature=fields["signature"], **proof)
    assert found.scheme == ("ed25519" if "Ed25519" in kind else "secp256r1")
    for wrong in (message.replace("12.5", "12.6"), message.replace("|1|", "|2|"), message + " "):
        with pytest.raises(SignerRefusedError):
            signatures.verify(name, wrong, signature=fields["signature"], **proof)
    flipped = f"{int(fields['signature'][:2], 16) ^ 1:02x}{fields['signature'][2:]}"
    with pytest.raises(SignerRefusedError):
        signatures.verify(name, message, signature=flipped, **proof)


def test_a_wallet_is_not_signed_for_by_another_key() -> None:
    signer, thief = WalletSigner(), WalletSigner()
    fields = thief.sign("text")
    with pytest.raises(SignerRefusedError, match="not the key of the signer"):
        signatures.verify(
            signer.name,
            "text",
            signature=fields["signature"],
            public_key=fields["pubkey"],
            salt="",
        )


@pytest.mark.parametrize("text", ["sig1", "", "00" * 63, "zz" * 64])
def test_what_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(SignerRefusedError):
        signatures.verify(EdSigner().name, "text", signature=text, public_key="", salt="")


def test_a_signer_has_one_canonical_form() -> None:
    signer = WalletSigner()
    for text in (signer.wallet.address, signer.name.upper().replace("0X", "0x"), signer.name):
        assert signatures.parse_signer(f" {text} ") == signer.name
    key = EdSigner().name
    assert signatures.parse_signer(key.upper()) == key


@pytest.mark.parametrize("text", ["alice", "0x12", "ed25519:00", "02" + "ff" * 32, "N" * 34])
def test_what_is_no_signer_is_refused(text: str) -> None:
    with pytest.raises(SignerRefusedError):
        signatures.parse_signer(text)


def test_a_configuration_names_all_its_faults() -> None:
    request = FeedRequest(
        decimals=99, aggregation="mode", signer_set=["alice"], weights={"bob": 1}, quorum=9
    )
    with pytest.raises(Invalid) as refused:
        configuration.configure(a_feed(), request, DEFAULTS)
    named = {fault.field for fault in refused.value.fields}
    assert named == {"pair", "decimals", "aggregation", "signer_set", "weights", "quorum"}


def test_weights_are_for_all_signers_and_for_nobody_else() -> None:
    one, other = EdSigner().name, EdSigner().name
    request = FeedRequest(pair="a/b", decimals=2, signer_set=[one], aggregation="weighted")
    for weights in ({}, {other: 1}, {one: 0}, {one: 1, other: 1}):
        with pytest.raises(Invalid):
            configuration.configure(a_feed(), replace(request, weights=weights), DEFAULTS)
    feed = configuration.configure(a_feed(), replace(request, weights={one: 3}), DEFAULTS)
    assert feed.weights == {one: 3}


def test_a_signer_must_be_of_the_set_and_sign() -> None:
    signer = EdSigner().name
    feed = a_feed(signer_set=(signer,))
    good = UpdateRequest(signer=signer, signature="x")
    assert configuration.check_signer(feed, good, verified=True) == signer
    for bad in (
        UpdateRequest(),
        UpdateRequest(signer=signer),
        UpdateRequest(signer=EdSigner().name, signature="x"),
        UpdateRequest(signer="alice", signature="x"),
    ):
        with pytest.raises(Invalid):
            configuration.check_signer(feed, bad, verified=True)


def a_round(method: str, values: Sequence[str]) -> tuple[dict[str, Any], bytes]:
    """An accepted round of real signers, as a file holds it, and the server's public key."""
    kinds: list[Callable[[], Signer]] = list(KINDS.values())
    signers = [kinds[place % len(kinds)]() for place in range(len(values))]
    weights = {signer.name: place + 1 for place, signer in enumerate(signers)}
    feed = a_feed(
        signer_set=tuple(signer.name for signer in signers), aggregation=method, weights=weights
    )
    updates = []
    for signer, value in zip(signers, values, strict=True):
        price = rules.check_price(value, 8)
        body = signed_update(signer, str(feed.id), 5, value, rules.write_time(NOW))
        proof = signatures.verify(
            signer.name,
            rules.message(feed.id, 5, value, rules.write_time(NOW)),
            signature=body["signature"],
            public_key=body.get("pubkey", ""),
            salt=body.get("salt", ""),
        )
        updates.append(
            an_update(
                signer.name,
                price=price,
                signature=proof.signature,
                public_key=proof.public_key,
                salt=proof.salt,
                scheme=proof.scheme,
            )
        )
    judgement = rules.judge(
        feed.aggregation,
        rules.heartbeat_of(feed),
        [records.price_of(feed, update) for update in updates],
    )
    quorum = rules.quorum(len(signers), None, 0)
    record = records.build_record(feed, updates, judgement, quorum=quorum, accepted_at=NOW)
    written = records.write_record(record)
    key = SigningKey(secrets.token_bytes(32))
    stored = StoredRound(
        feed_id=feed.id,
        round_id=5,
        record_id=records.record_id(written),
        record=written,
        public_key=key.public,
        signature=key.sign(records.LABEL + written),
        closed_by=new_id(),
        accepted_at=NOW,
    )
    shown = signed_round(stored)
    document = {
        "record": json.loads(bytes(shown.record)),
        "id": shown.id,
        "public_key": shown.public_key,
        "signature": shown.signature,
    }
    return document, key.public


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
    key = SigningKey(secrets.token_bytes(32))
    raw = read_document(json.dumps(document).encode())
    written = records.write_record(raw.record)
    stored = StoredRound(
        feed_id=new_id(),
        round_id=1,
        record_id=records.record_id(written),
        record=written,
        public_key=key.public,
        signature=key.sign(records.LABEL + written),
        closed_by=new_id(),
        accepted_at=NOW,
    )
    shown = signed_round(stored)
    document.update(id=shown.id, public_key=shown.public_key, signature=shown.signature)
    return key.public


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
