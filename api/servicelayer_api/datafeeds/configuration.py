"""What a feed's configuration may be, and who may submit to it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from servicelayer_api.datafeeds import rules, signatures
from servicelayer_api.datafeeds.models import StoredFeed
from servicelayer_api.datafeeds.signatures import SignerRefusedError
from servicelayer_api.errors import FieldError, Invalid
from servicelayer_api.ids import new_id
from servicelayer_api.quotes import aggregation
from servicelayer_api.quotes.aggregation import Method

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from servicelayer_api.datafeeds.models import FeedRequest, UpdateRequest


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What the server's settings say.

    Attributes:
        aggregation: Of feeds that name none.
        min_signers: That a round needs at least.
        verify_signatures: Whether signatures are verified.
    """

    aggregation: Method
    min_signers: int
    verify_signatures: bool


def blank_feed(account_id: UUID, tenant: str, now: datetime) -> StoredFeed:
    """Make a feed of an account that is not configured yet."""
    return StoredFeed(
        id=new_id(),
        account_id=account_id,
        tenant=tenant,
        pair="",
        description="",
        decimals=0,
        heartbeat_seconds=rules.DEFAULT_HEARTBEAT,
        threshold_ppm=0,
        signer_set=(),
        aggregation="median",
        weights={},
        quorum=None,
        metadata={},
        tags=(),
        created_at=now,
        updated_at=now,
    )


def configure(feed: StoredFeed, request: FeedRequest, defaults: Defaults) -> StoredFeed:
    """Replace the configuration of a feed.

    Args:
        feed: As it is.
        request: What was sent; what is left out has its default, for it replaces all.
        defaults: Of the server.

    Raises:
        Invalid: Names each field at fault.
    """
    pair, faults = rules.check_pair(request.pair)
    faults += rules.check_numbers(
        request.decimals, request.heartbeat_seconds, request.threshold_ppm
    )
    method = aggregation.parse_method(request.aggregation.strip() or defaults.aggregation)
    if method is None:
        known = ", ".join(aggregation.METHODS)
        faults.append(FieldError("aggregation", f"must be one of {known}"))
    signers = _read_signers(request.signer_set or (), defaults.min_signers, faults)
    weights = _read_weights(request.weights or {}, faults)
    faults += rules.check_weights(method, signers, weights)
    if request.quorum is not None and request.quorum > max(len(signers), 1):
        faults.append(FieldError("quorum", "must be at most the number of signers"))
    if faults:
        raise Invalid(fields=faults)
    heartbeat = request.heartbeat_seconds
    return replace(
        feed,
        pair=pair,
        description=request.description.strip(),
        decimals=request.decimals,
        heartbeat_seconds=heartbeat if heartbeat > 0 else rules.DEFAULT_HEARTBEAT,
        threshold_ppm=max(request.threshold_ppm, 0),
        signer_set=signers,
        aggregation=method or defaults.aggregation,
        weights=weights,
        quorum=request.quorum,
        metadata=rules.read_metadata(request.metadata),
        tags=rules.read_tags(request.tags),
    )


def check_signer(feed: StoredFeed, request: UpdateRequest, *, verified: bool) -> str:
    """Find out who submits an update.

    Args:
        feed: To this feed.
        request: What was sent.
        verified: Whether the signature will be verified.

    Returns:
        The canonical signer; empty where the feed has no signers and none is named.

    Raises:
        Invalid: The signer is missing, not of the set, or there is no signature.
    """
    given = request.signer.strip()
    if not given:
        if feed.signer_set:
            raise Invalid(fields=[("signer", "is required")])
        return ""
    try:
        signer = signatures.parse_signer(given)
    except SignerRefusedError as exc:
        if feed.signer_set or verified:
            raise Invalid(fields=[("signer", str(exc))]) from exc
        signer = given.lower()
    if feed.signer_set and signer not in feed.signer_set:
        raise Invalid(fields=[("signer", "is not in the feed's signer_set")])
    if not request.signature.strip():
        raise Invalid(fields=[("signature", "is required for a signer's update")])
    return signer


def _read_signers(given: Sequence[str], least: int, faults: list[FieldError]) -> tuple[str, ...]:
    signers: dict[str, None] = {}
    for text in given:
        if not text.strip():
            continue
        try:
            signers[signatures.parse_signer(text)] = None
        except SignerRefusedError as exc:
            faults.append(FieldError("signer_set", f"{text[:80]!r} {exc}"))
    held: dict[str, str] = {}
    for signer in signers:
        first = held.setdefault(signatures.holder_of(signer), signer)
        if first != signer:
            faults.append(
                FieldError("signer_set", f"{first} and {signer} are one signer; write one of them")
            )
    if len(signers) > signatures.MOST_SIGNERS:
        faults.append(FieldError("signer_set", f"must be at most {signatures.MOST_SIGNERS}"))
    if signers and len(signers) < least:
        faults.append(FieldError("signer_set", f"must be at least {least} signers"))
    return tuple(signers)


def _read_weights(given: Mapping[str, int], faults: list[FieldError]) -> dict[str, int]:
    weights: dict[str, int] = {}
    for text, weight in given.items():
        try:
            weights[signatures.parse_signer(text)] = weight
        except SignerRefusedError as exc:
            faults.append(FieldError("weights", f"{text[:80]!r} {exc}"))
    return weights
