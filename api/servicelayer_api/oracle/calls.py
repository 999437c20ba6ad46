"""From a request to HTTP calls, and from their answers to a verdict. Pure.

The wire rules are the contract's: which part of a payload goes where, which answers are tried
again, and how several sources become one result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qsl, urldefrag, urlencode, urlsplit, urlunsplit

import msgspec

from servicelayer_api.oracle.masking import mask
from servicelayer_api.oracle.paths import PathError, find_value, parse_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from servicelayer_api.oracle.models import Credentials, StoredSource

ALTERNATES: Final = "alternate_source_ids"
MOST_ALTERNATES: Final = 8
LONGEST_ERROR: Final = 2000

_SEPARATORS: Final = re.compile(r"[,;\s]+")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,63})(?:\.[0-9]{1,64})?(?:[eE][+-]?[0-9]{1,2})?")
_SUCCESS: Final = range(200, 300)
_TRANSIENT: Final = frozenset({408, 425, 429})
_FIRST_SERVER_ERROR: Final = 500

# Numbers of the form above have less than 400 digits between them.
_EXACT: Final = Context(prec=400)

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it goes out; never logged."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one call.

    Attributes:
        kind: `value` is a result, `transient` may go better later, `final` will not.
        text: The result, or why there is none.
        after: Seconds that the other side wants to be left alone.
    """

    kind: Literal["value", "transient", "final"]
    text: str
    after: float = 0.0


def split_payload(payload: str) -> tuple[str, tuple[str, ...]]:
    """Take the alternates out of a payload.

    Returns:
        The payload to send, and the ids that were named, as written. A payload that is no JSON
        object is sent as it is.
    """
    members = _object(payload)
    if members is None or ALTERNATES not in members:
        return payload, ()
    named = _decoded(members.pop(ALTERNATES))
    rest = msgspec.json.encode(members).decode() if members else ""
    if isinstance(named, str):
        return rest, tuple(part for part in _SEPARATORS.split(named) if part)
    if isinstance(named, list):
        return rest, tuple(str(part) for part in named)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    return rest, (str(named),)


def build_call(
    source: StoredSource, credentials: Credentials, payload: str, request_id: UUID
) -> Call:
    """Build the call to a source.

    Args:
        source: The source.
        credentials: Of the source, opened.
        payload: Without the alternates.
        request_id: Sent with methods that change something, so that the other side can tell a
            repeated call from a new one.
    """
    headers = dict(credentials.headers)
    if source.method in {"GET", "HEAD"}:
        return Call(
            method=source.method, url=_with_query(source.url, payload), headers=headers, content=b""
        )
    known = {name.lower() for name in headers}
    if "content-type" not in known:
        headers["Content-Type"] = "application/json"
    if "idempotency-key" not in known:
        headers["Idempotency-Key"] = str(request_id)
    return Call(
        method=source.method,
        url=source.url,
        headers=headers,
        content=(payload or credentials.body).encode(),
    )


def read_reply(
    status: int, body: bytes, headers: Mapping[str, str], result_path: str, secret: Credentials
) -> Reply:
    """Judge an answer.

    Args:
        status: Of the answer.
        body: Of the answer.
        headers: Of the answer, names in lower case.
        result_path: Where the result stands; empty for the whole body.
        secret: Of the source; taken out of what is shown of a failure.
    """
    if status not in _SUCCESS:
        transient = status >= _FIRST_SERVER_ERROR or status in _TRANSIENT
        text = body.decode("utf-8", "replace").replace("\0", "").strip()[:LONGEST_ERROR]
        if transient or not text:
            text = f"upstream returned status {status}"
        after = headers.get("retry-after", "")
        return Reply(
            kind="transient" if transient else "final",
            text=mask(text, secret),
            after=float(after) if after.isascii() and after.isdecimal() else 0.0,
        )
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return Reply(kind="final", text="the answer is not UTF-8 text")
    if result_path:
        try:
            text = find_value(text, parse_path(result_path))
        except PathError as exc:
            return Reply(kind="final", text=str(exc))
    if "\0" in text:
        return Reply(kind="final", text="the answer holds the character NUL")
    return Reply(kind="value", text=text)


def join_replies(replies: Sequence[Reply]) -> Reply:
    """Make one reply of those of several sources, the first source's first.

    Values that are numbers give their median; without any number the first value counts. A failure
    may go better later if one of its parts may.
    """
    if len(replies) == 1:
        return replies[0]
    values = [reply.text for reply in replies if reply.kind == "value"]
    if values:
        numbers = [Decimal(text) for value in values if _NUMBER.fullmatch(text := value.strip())]
        return Reply(kind="value", text=format_median(numbers) if numbers else values[0])
    transient = [reply for reply in replies if reply.kind == "transient"]
    why = (transient or replies)[0].text
    return Reply(
        kind="transient" if transient else "final",
        text=f"all oracle sources failed: {why}",
        after=max((reply.after for reply in transient), default=0.0),
    )


def format_median(numbers: Iterable[Decimal]) -> str:
    """Write the median of some numbers, exact and without zeros that say nothing."""
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        median = ordered[middle]
    else:
        both = _EXACT.add(ordered[middle - 1], ordered[middle])
        median = _EXACT.divide(both, Decimal(2))
    text = format(median, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def origin(url: str) -> tuple[str, str] | None:
    """The part of a URL that credentials belong to; `None` when it has none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return (parts.scheme, parts.netloc.lower()) if parts.netloc else None


def _with_query(url: str, payload: str) -> str:
    if not payload:
        return url
    members = _object(payload)
    given = {"payload": payload} if members is None else {k: _text(v) for k, v in members.items()}
    if not given:
        return url
    try:
        parts = urlsplit(urldefrag(url).url)
        own = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return url
    pairs = [*(pair for pair in own if pair[0] not in given), *given.items()]
    return urlunsplit(parts._replace(query=urlencode(sorted(pairs, key=lambda pair: pair[0]))))


def _object(payload: str) -> dict[str, msgspec.Raw] | None:
    if not payload.lstrip().startswith("{"):
        return None
    try:
        return _members.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def _text(value: msgspec.Raw) -> str:
    raw = bytes(value)
    return json.loads(raw) if raw.startswith(b'"') else raw.decode()


def _decoded(value: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None
