"""Pure decisions of the oracle: valid sources, allowed changes of state, pauses between attempts.

The state machine is drawn in docs/states.md.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from servicelayer_api.errors import Invalid
from servicelayer_api.ids import parse_id
from servicelayer_api.oracle.calls import MOST_ALTERNATES, origin, split_payload
from servicelayer_api.oracle.errors import RequestState
from servicelayer_api.oracle.masking import MASK, is_harmless, shown_headers
from servicelayer_api.oracle.models import Credentials, Source, StoredSource, Verdict
from servicelayer_api.oracle.paths import PathError, parse_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.oracle.calls import Reply
    from servicelayer_api.oracle.models import (
        Claim,
        Holding,
        NewRequest,
        NewSource,
        OracleRequest,
        RequestChange,
        SourceChange,
    )

MOST_SOURCES: Final = 1000
LONGEST_NAME: Final = 256
LONGEST_DESCRIPTION: Final = 4096
LONGEST_URL: Final = 8192
LONGEST_METHOD: Final = 16
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
LARGEST_BODY: Final = 256 * 1024
LARGEST_PAYLOAD: Final = 256 * 1024
LARGEST_RESULT: Final = 1024 * 1024
LONGEST_PAUSE: Final = 300.0
SUSPENDED_PAUSE: Final = 30.0

type Change = Literal["running", "succeeded", "failed", "retry"]

_CHANGES: Final[dict[str, Change]] = {
    "running": "running",
    "succeeded": "succeeded",
    "completed": "succeeded",
    "failed": "failed",
    "retry": "retry",
}


def new_source(
    new: NewSource, *, source_id: UUID, account_id: UUID, now: datetime
) -> tuple[StoredSource, Credentials]:
    """Make a source of what was sent; its credentials are yet to be sealed.

    Raises:
        Invalid: Names each field at fault.
    """
    credentials = Credentials(headers=new.headers or {}, body=new.body)
    source = StoredSource(
        id=source_id,
        account_id=account_id,
        name=unicodedata.normalize("NFC", new.name),
        description=new.description,
        url=new.url,
        method=new.method.strip().upper() or "GET",
        shown_headers=shown_headers(credentials.headers),
        has_body=bool(credentials.body),
        credentials=None,
        result_path=new.result_path,
        enabled=True,
        created_at=now,
        updated_at=now,
    )
    faults = _faults(source, credentials)
    if MASK in credentials.headers.values():
        faults.append(("headers", f"must not have the value {MASK}"))
    if faults:
        raise Invalid(fields=faults)
    return source, credentials


def changed_source(
    source: StoredSource, kept: Credentials, change: SourceChange, now: datetime
) -> tuple[StoredSource, Credentials]:
    """Apply a change.

    Args:
        source: As it is.
        kept: Its credentials, opened.
        change: As sent.
        now: The present.

    Returns:
        The source and its credentials as they shall be.

    Raises:
        Invalid: Names each field at fault; among them credentials that were meant for another
            origin than the URL has now.
    """
    credentials, faults = _changed_credentials(kept, change)
    changed = replace(
        source,
        name=unicodedata.normalize("NFC", _either(change.name, source.name)),
        description=_either(change.description, source.description),
        url=_either(change.url, source.url),
        method=_either(change.method, source.method).strip().upper(),
        shown_headers=shown_headers(credentials.headers),
        has_body=bool(credentials.body),
        result_path=_either(change.result_path, source.result_path),
        enabled=_either(change.enabled, source.enabled),
        updated_at=now,
    )
    faults += _faults(changed, credentials)
    if origin(changed.url) != origin(source.url):
        faults += _stale_credentials(kept, credentials, change)
    if faults:
        raise Invalid(fields=faults)
    return changed, credentials


def show(source: StoredSource) -> Source:
    """Show a source without its credentials."""
    return Source(
        id=source.id,
        account_id=source.account_id,
        name=source.name,
        description=source.description,
        url=source.url,
        method=source.method,
        headers=source.shown_headers,
        body=MASK if source.has_body else "",
        result_path=source.result_path,
        enabled=source.enabled,
        created_at=source.created_at,
        updated_at=source.updated_at,
    )


def check_new_request(new: NewRequest) -> tuple[UUID, tuple[UUID, ...]]:
    """Check what is sent to ask a source.

    Returns:
        The source, and the alternates that the payload names, each once.

    Raises:
        Invalid: Names each field at fault.
    """
    faults: list[tuple[str, str]] = []
    source_id = parse_id(new.data_source_id)
    if not new.data_source_id:
        faults.append(("data_source_id", "is required"))
    elif source_id is None:
        faults.append(("data_source_id", "is not the id of a data source"))
    if len(new.payload) > LARGEST_PAYLOAD:
        faults.append(("payload", f"must not be longer than {LARGEST_PAYLOAD} characters"))
    faults += _path_faults(new.result_path)
    named = dict.fromkeys(parse_id(text) for text in split_payload(new.payload)[1])
    if None in named:
        faults.append(("payload.alternate_source_ids", "must be ids of data sources"))
    if len(named) > MOST_ALTERNATES:
        faults.append(("payload.alternate_source_ids", f"must be {MOST_ALTERNATES} at most"))
    if faults or source_id is None:
        raise Invalid(fields=faults)
    return source_id, tuple(found for found in named if found is not None and found != source_id)


def read_change(change: RequestChange) -> Change:
    """Read what a change asks for.

    Raises:
        Invalid: The status is missing or unknown.
    """
    text = change.status.strip().lower()
    if not text:
        raise Invalid(fields=[("status", "is required")])
    found = _CHANGES.get(text)
    if found is None:
        raise Invalid(fields=[("status", f"{text[:LONGEST_METHOD]} is not supported")])
    return found


def check_change(wanted: Change, change: RequestChange) -> None:
    """Check what comes with a change.

    Raises:
        Invalid: The result is missing, or a text is too long.
    """
    if wanted == "succeeded" and change.result is None:
        raise Invalid(fields=[("result", "is required for the status succeeded")])
    if change.result is not None and len(change.result) > LARGEST_RESULT:
        raise Invalid(fields=[("result", f"must not be longer than {LARGEST_RESULT} characters")])
    if len(change.error) > LARGEST_BODY:
        raise Invalid(fields=[("error", f"must not be longer than {LARGEST_BODY} characters")])


def check_transition(
    request: OracleRequest, change: Change, holding: Holding, runner: bytes | None
) -> None:
    """Refuse a change that the request's state does not allow.

    Args:
        request: As it is, locked.
        change: What a caller wants.
        holding: Who holds it.
        runner: Which runner the caller is; `None` where runners have no tokens.

    Raises:
        RequestState: Not from this state, or not while another holds it, or too late.
    """
    status = request.status
    if change in {"running", "succeeded"} and holding.expired:
        raise RequestState("the request has lived longer than it may")
    if change in {"succeeded", "failed"} and holding.by == "dispatcher":
        raise RequestState("the dispatcher is asking the source at the moment")
    if change in {"succeeded", "failed"} and holding.runner not in {None, runner}:
        raise RequestState("another runner has taken the request")
    allowed = {
        "running": status == "pending" or (status == "running" and holding.by is None),
        "succeeded": status == "running",
        "failed": status in {"pending", "running"},
        "retry": status == "failed",
    }[change]
    if not allowed:
        raise RequestState(f"a request that is {status} cannot become {_word(change)}")


def next_pause(base: float, previous: float, noise: float) -> float:
    """Draw the pause before the next attempt: decorrelated jitter.

    Each pause lies between `base` and three times the one before, so that they grow without
    marching in step.

    Args:
        base: Seconds, the least.
        previous: Seconds waited last time; 0 before the first.
        noise: From 0 to 1, drawn at random.

    Returns:
        Seconds, `LONGEST_PAUSE` at most.
    """
    top = max(base, previous) * 3
    return min(LONGEST_PAUSE, base + (top - base) * noise)


def judge(
    claim: Claim, reply: Reply, *, most: int, base: float, noise: float, dead_letters: bool
) -> Verdict:
    """Decide what becomes of a claim after its attempt.

    Args:
        claim: The request.
        reply: What came of the attempt.
        most: Attempts at most.
        base: Least pause between attempts, seconds.
        noise: From 0 to 1.
        dead_letters: Whether exhausted requests are kept as dead letters.
    """
    if reply.kind == "value":
        return Verdict(outcome="succeeded", result=reply.text)
    if reply.kind == "final":
        return Verdict(outcome="failed", error=reply.text)
    if claim.attempt >= most:
        return exhausted(most, reply.text, dead_letters=dead_letters)
    pause = next_pause(base, claim.pause, noise)
    return Verdict(
        outcome="retried", error=reply.text, pause=max(pause, min(reply.after, LONGEST_PAUSE))
    )


def exhausted(most: int, why: str, *, dead_letters: bool) -> Verdict:
    """The verdict on a request that has no attempt left."""
    error = f"max attempts exceeded ({most}): {why}" if why else f"max attempts exceeded ({most})"
    return Verdict(
        outcome="exhausted",
        error=f"{error}; dead-lettered" if dead_letters else error,
        dead="attempts" if dead_letters else None,
    )


def expiry_text(*, dead_letters: bool) -> str:
    """What a request says that lived longer than it may."""
    return "oracle request expired" + (" (dead-lettered)" if dead_letters else "")


def _word(change: Change) -> str:
    return "pending again" if change == "retry" else change


def _either[T](sent: T | UnsetType, kept: T) -> T:
    return kept if isinstance(sent, UnsetType) else sent


def _changed_credentials(
    kept: Credentials, change: SourceChange
) -> tuple[Credentials, list[tuple[str, str]]]:
    faults: list[tuple[str, str]] = []
    headers = kept.headers
    if not isinstance(change.headers, UnsetType):
        old = {name.lower(): value for name, value in kept.headers.items()}
        headers = {
            name: old.get(name.lower(), MASK) if value == MASK else value
            for name, value in (change.headers or {}).items()
        }
        faults += [
            (f"headers.{name}", "has no value yet that could be kept")
            for name, value in headers.items()
            if value == MASK
        ]
    body = _either(change.body, kept.body)
    if body == MASK and kept.body:
        body = kept.body
    return Credentials(headers=headers, body=body), faults


def _stale_credentials(
    kept: Credentials, wanted: Credentials, change: SourceChange
) -> list[tuple[str, str]]:
    """Find what would go to a new origin without having been sent for it."""
    faults: list[tuple[str, str]] = []
    sent = _either(change.headers, None) or {}
    secret = [name for name, value in wanted.headers.items() if not is_harmless(name, value)]
    if any(sent.get(name, MASK) == MASK for name in secret):
        faults.append(("headers", "must be sent anew, with their values, for another origin"))
    if wanted.body and kept.body and change.body in {UNSET, MASK}:
        faults.append(("body", "must be sent anew for another origin"))
    return faults


def _faults(source: StoredSource, credentials: Credentials) -> list[tuple[str, str]]:
    texts = (
        ("name", source.name, LONGEST_NAME, True),
        ("url", source.url, LONGEST_URL, True),
        ("method", source.method, LONGEST_METHOD, False),
        ("description", source.description, LONGEST_DESCRIPTION, False),
        ("body", credentials.body, LARGEST_BODY, False),
    )
    faults: list[tuple[str, str]] = []
    for name, text, longest, needed in texts:
        if needed and not text.strip():
            faults.append((name, "is required"))
        if len(text) > longest:
            faults.append((name, f"must not be longer than {longest} characters"))
    if source.method not in METHODS:
        faults.append(("method", f"must be one of {', '.join(METHODS)}"))
    if source.url.strip() and not _is_http(source.url):
        faults.append(("url", "must be a URL of http or https with a host"))
    if len(credentials.headers) != len({name.lower() for name in credentials.headers}):
        faults.append(("headers", "must not hold a name twice"))
    return [*faults, *_path_faults(source.result_path)]


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def _path_faults(path: str) -> Iterable[tuple[str, str]]:
    try:
        parse_path(path)
    except PathError as exc:
        return [("result_path", str(exc))]
    return []
