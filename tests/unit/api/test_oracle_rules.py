"""The oracle's pure rules: calls, replies, medians, pauses, changes of state and sources."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api.errors import Invalid
from servicelayer_api.ids import new_id
from servicelayer_api.oracle import calls, rules
from servicelayer_api.oracle.errors import RequestState, RunnerTokenRequired
from servicelayer_api.oracle.masking import MASK
from servicelayer_api.oracle.models import (
    Claim,
    Credentials,
    Holding,
    NewRequest,
    NewSource,
    OracleRequest,
    RequestChange,
    SourceChange,
)
from servicelayer_api.oracle.runners import RunnerTokens

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT = new_id()
NOTHING = Credentials()


def _source(**sent: object) -> rules.StoredSource:
    return _pair(**sent)[0]


def _pair(**sent: object) -> tuple[rules.StoredSource, Credentials]:
    body = {"name": "n", "url": "https://a.com/x", **sent}
    return rules.new_source(
        msgspec.convert(body, NewSource), source_id=new_id(), account_id=ACCOUNT, now=NOW
    )


@pytest.mark.parametrize(
    ("payload", "url"),
    [
        ("", "https://a.com/x?k=0&z=1"),
        ('{"pair":"NEO USD","k":1.50}', "https://a.com/x?k=1.50&pair=NEO+USD&z=1"),
        ('{"o":{"p":[1]},"t":true,"n":null}',
         "https://a.com/x?k=0&n=null&o=%7B%22p%22%3A%5B1%5D%7D&t=true&z=1"),
        ("free text", "https://a.com/x?k=0&payload=free+text&z=1"),
        ("[1]", "https://a.com/x?k=0&payload=%5B1%5D&z=1"),
        ("{broken", "https://a.com/x?k=0&payload=%7Bbroken&z=1"),
        ("{}", "https://a.com/x?k=0&z=1"),
    ],
)  # fmt: skip
def test_a_payload_becomes_query_parameters_of_a_get(payload: str, url: str) -> None:
    source = _source(url="https://a.com/x?k=0&z=1")
    call = calls.build_call(source, NOTHING, payload, new_id())
    assert (call.method, call.url, call.content) == ("GET", url, b"")


def test_a_payload_is_the_body_of_another_method_and_the_sources_body_stands_in() -> None:
    source, secret = _pair(method="post", body="kept", headers={"content-type": "text/plain"})
    call = calls.build_call(source, secret, "sent", new_id())
    assert (call.content, call.headers["content-type"]) == (b"sent", "text/plain")
    assert calls.build_call(source, secret, "", new_id()).content == b"kept"


def test_alternates_are_taken_out_of_the_payload_and_the_rest_stays_as_it_was() -> None:
    payload = '{"a": 1.50, "alternate_source_ids": ["x", "y"], "b": "\\u00e9"}'
    rest, named = calls.split_payload(payload)
    assert named == ("x", "y")
    assert rest == '{"a":1.50,"b":"\\u00e9"}'
    assert calls.split_payload('{"alternate_source_ids": "x,y; z"}') == ("", ("x", "y", "z"))
    assert calls.split_payload('{"alternate_source_ids": 5}')[1] == ("5",)
    for text in ("", "free", "[1]", '{"a": 1}', "{" * 100_000):
        assert calls.split_payload(text) == (text, ())


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (200, b"42", "value", "42"),
        (204, b"", "value", ""),
        (503, b"secret detail", "transient", "upstream returned status 503"),
        (429, b"", "transient", "upstream returned status 429"),
        (408, b"", "transient", "upstream returned status 408"),
        (404, b" no pair ", "final", "no pair"),
        (400, b"", "final", "upstream returned status 400"),
        (304, b"", "final", "upstream returned status 304"),
        (200, b"\xff\xfe", "final", "the answer is not UTF-8 text"),
        (200, b"a\0b", "final", "the answer holds the character NUL"),
    ],
)
def test_an_answer_is_judged_by_its_status(status: int, body: bytes, kind: str, text: str) -> None:
    reply = calls.read_reply(status, body, {}, "", NOTHING)
    assert (reply.kind, reply.text) == (kind, text)


def test_a_failure_that_repeats_the_credentials_is_masked() -> None:
    secret = Credentials(headers={"A": "Bearer tok-123456"}, body="body-secret")
    body = b"bad token tok-123456 in Bearer tok-123456 and body-secret"
    reply = calls.read_reply(401, body, {}, "", secret)
    assert reply.text == f"bad token {MASK} in {MASK} and {MASK}"


def _value(text: str) -> calls.Reply:
    return calls.Reply(kind="value", text=text)


DOWN = calls.Reply(kind="transient", text="down", after=7)
GONE = calls.Reply(kind="final", text="gone")


@pytest.mark.parametrize(
    ("texts", "result"),
    [
        (("1", "3", "2"), "2"),
        (("1", "2"), "1.5"),
        (("0.1", "0.2"), "0.15"),
        (("1.50", "text"), "1.5"),
        (("text", "other"), "text"),
        (("NaN", "Infinity"), "NaN"),
        (("1e2", "1e2"), "100"),
        (("10", "x"), "10"),
        (("-0.30", "0.10"), "-0.1"),
        (("9" * 40 + ".1", "9" * 40 + ".3"), "9" * 40 + ".2"),
    ],
)
def test_numbers_of_several_sources_give_their_exact_median(
    texts: tuple[str, ...], result: str
) -> None:
    assert calls.join_replies([*map(_value, texts), GONE]).text == result


def test_failures_of_several_sources_may_go_better_later_if_one_may() -> None:
    both = calls.join_replies([GONE, DOWN])
    assert (both.kind, both.after) == ("transient", 7)
    assert calls.join_replies([GONE, GONE]).text == "all oracle sources failed: gone"
    assert calls.join_replies([GONE]) == GONE


@given(st.lists(st.decimals(-10_000, 10_000, places=3), min_size=1, max_size=7))
def test_the_median_lies_in_the_middle(numbers: list[Decimal]) -> None:
    median = Decimal(calls.format_median(numbers))
    below = sum(number <= median for number in numbers)
    above = sum(number >= median for number in numbers)
    assert below * 2 >= len(numbers)
    assert above * 2 >= len(numbers)


@given(st.floats(0.01, 100), st.floats(0, 1000), st.floats(0, 1))
def test_a_pause_is_never_shorter_than_the_least_nor_longer_than_the_most(
    base: float, previous: float, noise: float
) -> None:
    pause = rules.next_pause(base, previous, noise)
    assert min(base, rules.LONGEST_PAUSE) <= pause <= rules.LONGEST_PAUSE
    assert rules.next_pause(base, 0, noise) <= base * 3


def _claim(attempt: int, pause: float = 0) -> Claim:
    return Claim(
        id=new_id(),
        account_id=ACCOUNT,
        tenant="t",
        suspended=False,
        fence=1,
        attempt=attempt,
        pause=pause,
        source_id=new_id(),
        alternates=(),
        payload="",
        result_path="",
    )


def test_a_claim_is_repeated_until_its_attempts_are_used_up() -> None:
    def judge(attempt: int, reply: calls.Reply, *, dead: bool = False) -> rules.Verdict:
        return rules.judge(_claim(attempt), reply, most=3, base=1, noise=0, dead_letters=dead)

    assert judge(1, _value("x")).outcome == "succeeded"
    assert judge(1, GONE).outcome == "failed"
    assert (judge(2, DOWN).outcome, judge(2, DOWN).pause) == ("retried", 7)
    assert judge(3, DOWN).error == "max attempts exceeded (3): down"
    assert judge(3, DOWN).dead is None
    assert judge(3, DOWN, dead=True).error == "max attempts exceeded (3): down; dead-lettered"
    assert judge(3, DOWN, dead=True).dead == "attempts"


FREE = Holding(by=None, expired=False)
RUNNER = Holding(by="runner", expired=False)
DISPATCHER = Holding(by="dispatcher", expired=False)
LATE = Holding(by="runner", expired=True)
OTHERS = Holding(by="runner", runner=b"other", expired=False)
LEFT = Holding(by=None, runner=b"other", expired=False)
OURS = Holding(by="runner", runner=b"ours", expired=False)
ALLOWED = {
    ("pending", "running", FREE), ("pending", "failed", FREE), ("running", "running", FREE),
    ("running", "succeeded", FREE), ("running", "failed", FREE), ("running", "succeeded", RUNNER),
    ("running", "failed", RUNNER), ("running", "failed", LATE), ("failed", "retry", FREE),
    ("running", "running", LEFT), ("running", "succeeded", OURS), ("running", "failed", OURS),
}  # fmt: skip


@pytest.mark.parametrize("status", ["pending", "running", "succeeded", "failed"])
@pytest.mark.parametrize("change", ["running", "succeeded", "failed", "retry"])
@pytest.mark.parametrize("holding", [FREE, RUNNER, DISPATCHER, LATE, OTHERS, LEFT, OURS])
def test_only_the_drawn_changes_of_state_are_allowed(
    status: rules.Status, change: rules.Change, holding: Holding
) -> None:
    if holding is not FREE and status != "running":
        return
    request = OracleRequest(
        id=new_id(), account_id=ACCOUNT, source_id=new_id(), status=status,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    if (status, change, holding) in ALLOWED:
        rules.check_transition(request, change, holding, b"ours")
    else:
        with pytest.raises(RequestState):
            rules.check_transition(request, change, holding, b"ours")


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("Running", "running"),
        (" completed ", "succeeded"),
        ("FAILED", "failed"),
        ("retry", "retry"),
    ],
)
def test_a_change_is_read_in_any_case(text: str, change: str) -> None:
    assert rules.read_change(RequestChange(status=text)) == change


@pytest.mark.parametrize("text", ["", "  ", "paused", "pending"])
def test_an_unknown_change_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        rules.read_change(RequestChange(status=text))


@pytest.mark.parametrize(
    "sent",
    [
        *({"name": ""}, {"name": "  "}, {"url": ""}, {"name": "x" * 300}, {"url": "x" * 9000}),
        *({"method": "FETCH"}, {"method": "x" * 20}, {"url": "ftp://a/"}, {"url": "not a url"}),
        *({"url": "http:///a"}, {"body": "x" * 300_000}, {"result_path": "a[*]"}),
        *({"headers": {"A": MASK}}, {"headers": {"A": "1", "a": "2"}}, {"description": "x" * 5000}),
    ],
)
def test_a_source_that_cannot_be_used_is_refused(sent: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        _source(**sent)


def _changed(sent: dict[str, object], **source: object) -> tuple[rules.StoredSource, Credentials]:
    kept, secret = _pair(**source)
    return rules.changed_source(kept, secret, msgspec.convert(sent, SourceChange), NOW)


KEPT = {"headers": {"X-Key": "v"}, "body": "b"}


def test_masked_values_that_are_sent_back_stay_as_they_were() -> None:
    _, secret = _changed({"headers": {"x-key": MASK, "New": "n"}, "body": MASK}, **KEPT)
    assert secret == Credentials(headers={"x-key": "v", "New": "n"}, body="b")
    assert _changed({"name": "m"}, **KEPT)[1] == Credentials(headers={"X-Key": "v"}, body="b")
    assert _changed({"headers": None, "body": ""}, **KEPT)[1] == Credentials()
    with pytest.raises(Invalid):
        _changed({"headers": {"Other": MASK}}, **KEPT)


@pytest.mark.parametrize(
    "url", ["http://a.com/x", "https://b.com/x", "https://a.com:444/x", "https://elsewhere.example"]
)
def test_credentials_do_not_go_along_to_another_origin(url: str) -> None:
    for sent in ({}, {"headers": {"X-Key": "v"}}, {"body": "b"}, {"headers": {"X-Key": MASK}}):
        with pytest.raises(Invalid):
            _changed({"url": url, **sent}, **KEPT)
    assert _changed({"url": url, "headers": {"X-Key": "v"}, "body": "b"}, **KEPT)[0].url == url
    assert _changed({"url": url, "headers": {}, "body": ""}, **KEPT)[1] == Credentials()
    assert _changed({"url": "https://A.com/other"}, **KEPT)[0].url == "https://A.com/other"


def test_a_source_is_shown_without_its_credentials() -> None:
    shown = rules.show(_source(**KEPT))
    assert (shown.headers, shown.body) == ({"X-Key": MASK}, MASK)
    assert "v" not in shown.headers.values()
    assert "***" in repr(_pair(**KEPT)[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Feed", "12345678"),
        ("X-Key", "v"),
        ("x-api-key", "k"),
        ("AUTHORIZATION", "x"),
        ("Proxy-Authorization", "x"),
        ("Cookie", "a=b"),
        ("X-Session", "1"),
        ("X-Signature", "ab"),
        ("X-User", "me"),
        ("Accepts", "text/html"),
    ],
)
def test_a_value_that_may_be_a_credential_is_masked(name: str, value: str) -> None:
    assert rules.show(_source(headers={name: value})).headers == {name: MASK}


@pytest.mark.parametrize(
    ("name", "value"),
    [("accept", "application/json"), ("Content-Type", "text/plain"), ("X-Api", "1234567")],
)
def test_a_value_that_cannot_be_a_credential_is_shown(name: str, value: str) -> None:
    assert rules.show(_source(headers={name: value})).headers == {name: value}


def test_only_what_may_be_a_credential_must_be_sent_anew_for_another_origin() -> None:
    kept = {"headers": {"Accept": "application/json", "X-Key": "v"}}
    moved = {"url": "https://b.com/"}
    with pytest.raises(Invalid):
        _changed(moved, **kept)
    assert _changed(moved, headers={"Accept": "application/json"})[0].url == "https://b.com/"
    both = {"Accept": "application/json", "X-Key": "v"}
    assert _changed({**moved, "headers": both}, **kept)[1] == Credentials(headers=both)


def test_a_request_names_sources_by_id() -> None:
    one, two = new_id(), new_id()
    payload = json.dumps({"alternate_source_ids": [str(two), str(two), str(one)]})
    sent = NewRequest(data_source_id=str(one), payload=payload)
    assert rules.check_new_request(sent) == (one, (two,))
    for bad in (
        NewRequest(),
        NewRequest(data_source_id="x"),
        NewRequest(data_source_id=str(one), payload='{"alternate_source_ids": ["x"]}'),
        NewRequest(data_source_id=str(one), result_path="$..x"),
        NewRequest(data_source_id=str(one), payload="x" * 300_000),
        NewRequest(
            data_source_id=str(one),
            payload=json.dumps({"alternate_source_ids": [str(new_id()) for _ in range(9)]}),
        ),
    ):
        with pytest.raises(Invalid):
            rules.check_new_request(bad)


def test_runners_show_one_of_the_tokens_when_there_are_some() -> None:
    tokens = RunnerTokens(" one,two; three\nfour ")
    for token in ("one", "two", "three", "four"):
        assert tokens.identify([token]) == tokens.identify(["", "wrong", token])
    for shown in ([], [""], ["on"], ["one,two"], ["ONE"]):
        with pytest.raises(RunnerTokenRequired):
            tokens.identify(shown)
    assert tokens.identify(["one"]) != tokens.identify(["two"])
    # It is kept with the request: enough to tell runners apart, too little to find a token by.
    assert len(tokens.identify(["one"]) or b"") == 4
    assert RunnerTokens(" , ").identify(["one"]) is None


def test_two_spellings_of_one_name_are_one_name() -> None:
    composed, decomposed = (_source(name=name).name for name in ("caf\u00e9", "cafe\u0301"))

    assert composed == decomposed
