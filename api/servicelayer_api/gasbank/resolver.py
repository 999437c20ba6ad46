"""The resolver protocol: an outside system is asked whether a withdrawal is done.

`GET <GASBANK_RESOLVER_URL>?transaction_id=<id>` with the key as bearer token; the answer 200
`{"done", "success", "message", "retry_after_seconds"}`. Whatever else comes is an error, told by
its class: nothing of the other system's text goes on but `message`, cut to a length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from servicelayer_api.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from servicelayer_api.settings import Secret

type Outcome = Literal["succeeded", "failed", "retry", "error"]

_OK: Final = 200
_LARGEST_ANSWER: Final = 64 * 1024
_LONGEST_MESSAGE: Final = 500


class Answer(Protocol):
    """What the egress guard gives back."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def body(self) -> bytes:
        """As it was sent."""
        ...


class Egress(Protocol):
    """The way out; its refusals and failures are `ServiceError`s fit to be shown."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109 - of the protocol
        max_bytes: int = 1 << 20,
    ) -> Answer:
        """Make a request."""
        ...


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was learned.

    Attributes:
        outcome: `retry` is "not done yet", which is no error.
        message: Why not; empty otherwise.
        wait: Seconds until it makes sense to ask again, as the resolver said; 0 when it did not.
    """

    outcome: Outcome
    message: str = ""
    wait: float = 0.0


class _Reply(msgspec.Struct, frozen=True, kw_only=True):
    done: bool = False
    success: bool = False
    message: str | None = None
    retry_after_seconds: float | None = None


class Resolver:
    """Asks one resolver."""

    def __init__(self, egress: Egress, url: str, key: Secret, seconds: float) -> None:
        """Ask at this URL, for so many seconds at most."""
        self._egress = egress
        self._url = url
        self._headers = {"authorization": f"Bearer {key.reveal()}"} if key else {}
        self._seconds = seconds

    async def ask(self, transaction_id: UUID) -> Verdict:
        """Ask about a withdrawal; never raises what the other side did."""
        try:
            answer = await self._egress.request(
                "GET",
                _with_id(self._url, transaction_id),
                headers=self._headers,
                timeout=self._seconds,
                max_bytes=_LARGEST_ANSWER,
            )
        except ServiceError as exc:
            return Verdict(outcome="error", message=f"resolver: {exc.detail}")
        if answer.status != _OK:
            return Verdict(outcome="error", message=f"the resolver answered {answer.status}")
        return read_reply(answer.body)


def read_reply(body: bytes) -> Verdict:
    """Read the resolver's answer; unknown members are ignored."""
    try:
        reply = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Verdict(outcome="error", message="the resolver's answer cannot be read")
    if not reply.done:
        return Verdict(outcome="retry", wait=reply.retry_after_seconds or 0.0)
    message = (reply.message or "")[:_LONGEST_MESSAGE].replace("\0", "")
    return Verdict(outcome="succeeded" if reply.success else "failed", message=message)


def _with_id(url: str, transaction_id: UUID) -> str:
    parts = urlsplit(url)
    query = [
        *parse_qsl(parts.query, keep_blank_values=True),
        ("transaction_id", str(transaction_id)),
    ]
    return urlunsplit(parts._replace(query=urlencode(query)))


_DECODER: Final = msgspec.json.Decoder(_Reply)
