"""Checking a signed round from its file alone: nothing is asked of a server or a database.

Everything that the server did is done again: the signatures, the quorum, which prices count, the
aggregation. A record that was changed anywhere has a fault.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import msgspec

from servicelayer_api.crypto.signing import is_signed
from servicelayer_api.datafeeds import record as records
from servicelayer_api.datafeeds import rules, signatures
from servicelayer_api.datafeeds.models import RECORD_KIND, Price, RoundRecord
from servicelayer_api.datafeeds.signatures import SignerRefusedError
from servicelayer_api.quotes import decimals

if TYPE_CHECKING:
    from servicelayer_api.datafeeds.models import Judgement, RecordSource


class UnreadableRoundError(ValueError):
    """The file is no signed round at all."""


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file as it is read."""

    record: RoundRecord
    id: str
    public_key: str
    signature: str


def read_document(raw: bytes) -> Document:
    """Read a file.

    Raises:
        UnreadableRoundError: It is no signed round.
    """
    try:
        return msgspec.json.decode(raw, type=Document)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise UnreadableRoundError(f"it is no signed round: {exc}") from exc


def find_faults(document: Document, expected_key: bytes | None = None) -> list[str]:
    """Check a signed round.

    Args:
        document: As it was read.
        expected_key: The server's public key, when it is known from elsewhere.

    Returns:
        What is wrong with it; empty when everything holds.
    """
    faults = _check_envelope(document, expected_key)
    record = document.record
    if record.kind != RECORD_KIND:
        return [*faults, f"the rules of {record.kind!r} are unknown"]
    try:
        return [*faults, *_check_signers(record), *_check_result(record)]
    except (ValueError, OverflowError) as exc:
        return [*faults, f"the record cannot be computed: {exc}"]


def _check_envelope(document: Document, expected_key: bytes | None) -> list[str]:
    written = records.write_record(document.record)
    faults: list[str] = []
    if records.record_id(written).hex() != document.id:
        faults.append("the id is not the hash of the record")
    try:
        key = base64.b64decode(document.public_key, validate=True)
        signature = base64.b64decode(document.signature, validate=True)
    except (binascii.Error, ValueError):
        return [*faults, "key or signature are not base64"]
    if expected_key is not None and key != expected_key:
        faults.append("it is signed with another key than the expected one")
    if not is_signed(key, records.LABEL + written, signature):
        faults.append("the signature does not belong to the record")
    return faults


def _check_signers(record: RoundRecord) -> list[str]:
    faults: list[str] = []
    named = [source.signer for source in record.sources]
    if len(set(named)) != len(named):
        faults.append("a signer is there twice")
    keys = [source.public_key for source in record.sources if source.public_key]
    if len(set(keys)) != len(keys):
        faults.append("a key is there as two signers")
    if record.signers and set(named) - set(record.signers):
        faults.append("a source is not one of the signers")
    if record.quorum < rules.quorum(len(record.signers), None, 0):
        faults.append("the quorum is not over half of the signers")
    faults += [
        f"the signature of {source.signer} does not verify"
        for source in record.sources
        if source.scheme != "none" and not _is_signed_by(record, source)
    ]
    proved = all(source.scheme != "none" for source in record.sources if source.used)
    if record.verified != proved:
        faults.append("it is not as verified as it says")
    return faults


def _is_signed_by(record: RoundRecord, source: RecordSource) -> bool:
    text = rules.message(record.feed_id, record.round_id, source.price, source.timestamp)
    try:
        proof = signatures.verify(
            source.signer,
            text,
            signature=source.signature,
            public_key=source.public_key,
            salt=source.salt,
        )
    except (SignerRefusedError, UnicodeEncodeError):
        return False
    return proof.scheme == source.scheme


def _check_result(record: RoundRecord) -> list[str]:
    if not record.sources:
        return ["it has no sources"]
    prices = [
        Price(
            value=records.read_price(source.price, record.decimals),
            moment=records.read_time(source.timestamp),
            weight=source.weight,
        )
        for source in record.sources
    ]
    accepted_at = records.read_time(record.accepted_at)
    faults = [
        f"the price of {source.signer} is from the future"
        for source, price in zip(record.sources, prices, strict=True)
        if price.moment > accepted_at + rules.FUTURE_TOLERANCE
    ]
    if any(price.value <= 0 or price.weight <= 0 for price in prices):
        return [*faults, "a price or a weight is not positive"]
    judgement = rules.judge(record.method, records.heartbeat_of(record), prices)
    for source, reason in zip(record.sources, judgement.reasons, strict=True):
        if (source.used, source.reason) != (not reason, reason):
            faults.append(f"{source.signer} was to be {reason or 'used'}")
    if judgement.used < record.quorum:
        faults.append("the quorum is not met")
    return [*faults, *_compare(record, judgement)]


def _compare(record: RoundRecord, judgement: Judgement) -> list[str]:
    expires = rules.expires_at(judgement.newest, records.heartbeat_of(record))
    computed = {
        "price": decimals.write(judgement.price, record.decimals),
        "confidence": decimals.write(judgement.spread, record.decimals),
        "publish_time_min": rules.write_time(judgement.oldest),
        "publish_time_max": rules.write_time(judgement.newest),
        "expires_at": rules.write_time(expires),
    }
    return [
        f"{name} should be {value}"
        for name, value in computed.items()
        if getattr(record, name) != value
    ]
