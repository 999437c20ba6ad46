"""The document that proves a draw: how it is made, and how anyone checks it. Pure.

The check trusts nothing but the document's own bytes and, when it is given, the public key that the
reader expects: every field is computed again from the draw and compared.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from servicelayer_api.crypto import ecvrf
from servicelayer_api.crypto.signing import is_signed
from servicelayer_api.random import rules
from servicelayer_api.random.models import (
    FORMAT,
    ContractAnswer,
    Draw,
    ProofDocument,
    ProvedDraw,
    VrfAnswer,
)

if TYPE_CHECKING:
    from servicelayer_api.random.models import PublicKeys

MAX_BYTES: Final = 64 * 1024
_NO_ID: Final = UUID(int=0)


class ProofFaultError(Exception):
    """The document does not prove what it says; the text is the reason, fit to be printed."""


def build_document(
    draw: Draw, public: PublicKeys, signature: bytes, vrf_proof: bytes
) -> ProofDocument:
    """Put a proof together.

    Args:
        draw: What was committed.
        public: The key it names.
        signature: The contract's.
        vrf_proof: Of the verifiable random function.
    """
    output = ecvrf.proof_to_hash(vrf_proof)
    message = rules.contract_message(draw)
    return ProofDocument(
        format=FORMAT,
        draw=ProvedDraw(
            # Nothing binds the id of a draw that has a name, so a proof must not assert it.
            id=None if draw.request_id else draw.id,
            account_id=draw.account_id,
            request_id=draw.request_id,
            client_seed=draw.client_seed,
            length=draw.length,
            counter=draw.counter,
            created_at=rules.format_moment(draw.created_at_ns),
        ),
        key=public,
        signed=ContractAnswer(
            signature=signature, value=rules.derive_value(signature, message, draw.length)
        ),
        vrf=VrfAnswer(
            suite=ecvrf.SUITE,
            alpha=rules.alpha_of(draw),
            proof=vrf_proof,
            output=output,
            value=rules.expand(output, draw.length),
        ),
    )


def read_document(raw: bytes) -> ProofDocument:
    """Read a document; each byte of it means what it says, so that none can be changed unseen.

    Raises:
        ProofFaultError: It is no such document, or not in the one spelling that its content has.
    """
    if len(raw) > MAX_BYTES:
        raise ProofFaultError(f"the file is larger than {MAX_BYTES} bytes")
    try:
        document = msgspec.json.decode(raw, type=ProofDocument)
        plain: object = json.loads(raw, object_pairs_hook=_unique)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        raise ProofFaultError(f"the file is not a proof: {exc}") from exc
    if document.format != FORMAT:
        raise ProofFaultError(f"the format is {document.format!r}, not {FORMAT!r}")
    if plain != msgspec.to_builtins(document):
        raise ProofFaultError("the file writes a value in another way than it is written here")
    return document


def check_document(document: ProofDocument, expected_key: bytes | None = None) -> list[str]:
    """Check a document.

    Args:
        document: As read.
        expected_key: The public key that the reader knows from elsewhere, 32 bytes.

    Returns:
        What was found to hold, a line each.

    Raises:
        ProofFaultError: Something does not.
    """
    draw = _read_draw(document)
    return [
        _check_key(document.key, expected_key),
        *_check_signed(document, draw),
        *_check_vrf(document, draw),
    ]


def _read_draw(document: ProofDocument) -> Draw:
    asked = document.draw
    created_at_ns = rules.parse_moment(asked.created_at)
    if created_at_ns is None:
        raise ProofFaultError(f"created_at is no time in UTC: {asked.created_at!r}")
    if not rules.is_encodable(asked.counter, created_at_ns, asked.length):
        raise ProofFaultError("length, counter or created_at is out of range")
    if (asked.id is None) != bool(asked.request_id):
        raise ProofFaultError("a draw has either a request_id or an id")
    return Draw(
        id=asked.id or _NO_ID,
        counter=asked.counter,
        account_id=asked.account_id,
        request_id=asked.request_id,
        client_seed=asked.client_seed,
        length=asked.length,
        created_at_ns=created_at_ns,
        key_id=document.key.id,
    )


def _check_key(key: PublicKeys, expected: bytes | None) -> str:
    if expected is not None and key.public_key != expected:
        raise ProofFaultError("the public key is not the expected one")
    if key.id != rules.key_id(key.public_key):
        raise ProofFaultError("the key's id does not belong to the public key")
    statement = rules.vrf_key_statement(key.vrf_public_key)
    if not is_signed(key.public_key, statement, key.vrf_key_signature):
        raise ProofFaultError("the signing key did not sign the VRF key")
    return f"key {key.id}: its id and its VRF key belong to its public key"


def _check_signed(document: ProofDocument, draw: Draw) -> list[str]:
    message, signed = rules.contract_message(draw), document.signed
    if not is_signed(document.key.public_key, message, signed.signature):
        raise ProofFaultError("the signature does not fit request id, counter, time and length")
    if signed.value != rules.derive_value(signed.signature, message, draw.length):
        raise ProofFaultError("the signed value does not follow from the signature")
    return [
        "signature: made by the key over request id, counter, time and length",
        f"signed value: {draw.length} bytes that follow from the signature",
    ]


def _check_vrf(document: ProofDocument, draw: Draw) -> list[str]:
    vrf = document.vrf
    if vrf.suite != ecvrf.SUITE:
        raise ProofFaultError(f"the VRF's suite is {vrf.suite!r}, not {ecvrf.SUITE!r}")
    if vrf.alpha != rules.alpha_of(draw):
        raise ProofFaultError("alpha is not made of this key, account, request and client seed")
    try:
        output = ecvrf.verify(document.key.vrf_public_key, vrf.alpha, vrf.proof)
    except ecvrf.ProofRefusedError as exc:
        raise ProofFaultError(f"the VRF proof fails: {exc}") from exc
    if vrf.output != output:
        raise ProofFaultError("the VRF output does not follow from the proof")
    if vrf.value != rules.expand(output, draw.length):
        raise ProofFaultError("the VRF value does not follow from the output")
    return [
        "alpha: made of the key, the account, the request and the client seed, nothing else",
        "VRF proof: the only output that this key has for alpha",
        f"VRF value: {draw.length} bytes that follow from the output",
    ]


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands more than once")
    return found
