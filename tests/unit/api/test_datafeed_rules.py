"""The rules of data feeds: rounds, order, prices, signatures, configuration."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

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
    FeedRequest,
    Price,
    UpdateRequest,
)
from servicelayer_api.datafeeds.signatures import SignerRefusedError
from servicelayer_api.errors import Invalid
from servicelayer_api.quotes.aggregation import METHODS
from support.data_feeds import NOW, UNIT, a_feed, an_update
from support.signers import KINDS, EdSigner, WalletSigner

HEARTBEAT = timedelta(minutes=10)


DEFAULTS = Defaults(aggregation="median", min_signers=0, verify_signatures=True)


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
