"""What the resolver may answer, and what is made of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api.egress import EgressFailed, EgressRefused
from servicelayer_api.egress.client import Answer
from servicelayer_api.errors import ServiceError
from servicelayer_api.gasbank.resolver import Resolver, Verdict, read_reply
from servicelayer_api.gasbank.rules import due_again, wait_as_told
from servicelayer_api.ids import new_id
from servicelayer_api.settings import NO_SECRET, Secret
from support.hostile_json import json_values

ID = new_id()


class Outside:
    """An outside world that gives one answer and remembers what it was asked."""

    def __init__(self, answer: Answer | ServiceError) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: object = None,
        timeout: float = 10.0,  # noqa: ASYNC109 - of the protocol
        max_bytes: int = 1 << 20,
    ) -> Answer:
        del timeout, max_bytes
        assert isinstance(headers, dict)
        self.asked.append((method, url, headers))
        if isinstance(self.answer, ServiceError):
            raise self.answer
        return self.answer


def answer(status: int, body: bytes = b"{}") -> Answer:
    return Answer(status=status, headers={}, body=body, url="http://r")


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b'{"done":true,"success":true}', Verdict(outcome="succeeded")),
        (
            b'{"done":true,"success":false,"message":"no"}',
            Verdict(outcome="failed", message="no"),
        ),
        (
            b'{"done":false,"retry_after_seconds":0.2,"message":"soon","x":1}',
            Verdict(outcome="retry", wait=0.2),
        ),
        (b"{}", Verdict(outcome="retry")),
        (b'{"done":true}', Verdict(outcome="failed")),
        (b'{"done":true,"success":true,"message":null}', Verdict(outcome="succeeded")),
    ],
)
def test_answer_of_the_protocol_is_read(body: bytes, verdict: Verdict) -> None:
    assert read_reply(body) == verdict


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"not json", b'{"done":"yes"}', b"\xff", b"[" * 5000]
)
def test_answer_that_is_not_of_the_protocol_is_an_error_and_not_a_verdict(body: bytes) -> None:
    assert read_reply(body).outcome == "error"


def test_message_is_cut_and_holds_nothing_the_database_refuses() -> None:
    read = read_reply(b'{"done":true,"message":"a\\u0000' + b"b" * 900 + b'"}')

    assert len(read.message) == 499
    assert "\0" not in read.message


async def test_resolver_is_asked_with_its_key_and_keeps_the_query_of_its_address() -> None:
    outside = Outside(answer(200, b'{"done":true,"success":true}'))

    await Resolver(outside, "https://r.example/gas?a=1", Secret("s3cret"), 1).ask(ID)
    await Resolver(outside, "https://r.example/gas", NO_SECRET, 1).ask(ID)

    assert outside.asked == [
        (
            "GET",
            f"https://r.example/gas?a=1&transaction_id={ID}",
            {"authorization": "Bearer s3cret"},
        ),
        ("GET", f"https://r.example/gas?transaction_id={ID}", {}),
    ]


@pytest.mark.parametrize(
    "refusal", [answer(500), answer(404), EgressFailed("timeout"), EgressRefused("not allowed")]
)
async def test_resolver_that_cannot_be_asked_is_an_error_and_tells_no_secret(
    refusal: Answer | ServiceError,
) -> None:
    verdict = await Resolver(Outside(refusal), "https://r.example", Secret("s3cret"), 1).ask(ID)

    assert verdict.outcome == "error"
    assert verdict.message
    assert "s3cret" not in verdict.message


@given(
    st.dictionaries(
        st.sampled_from(["done", "success", "message", "retry_after_seconds"]), json_values()
    )
)
def test_whatever_the_resolver_answers_leads_to_a_moment_to_ask_again(answer: object) -> None:
    verdict = read_reply(json.dumps(answer).encode())
    now = datetime.now(UTC)
    assert now < due_again(now, wait_as_told(verdict.wait)) <= now + timedelta(days=1)
