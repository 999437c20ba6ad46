"""Draws of randomness: as they are asked for, kept, shown and proved."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

FORMAT: Final = "servicelayer-random-proof/1"

_RESULT_NAMES = {
    "id": "ID",
    "account_id": "AccountID",
    "length": "Length",
    "value": "Value",
    "created_at": "CreatedAt",
    "request_id": "RequestID",
    "counter": "Counter",
    "signature": "Signature",
    "public_key": "PublicKey",
    "key_id": "KeyID",
    "client_seed": "ClientSeed",
    "vrf": "VRF",
}
_VRF_NAMES = {
    "suite": "Suite",
    "alpha": "Alpha",
    "proof": "Proof",
    "output": "Output",
    "value": "Value",
    "public_key": "PublicKey",
}


class NewDraw(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to draw.

    Attributes:
        length: Bytes wanted, 1 to 1024; 0 is 32.
        request_id: Names the draw within the account, up to 256 characters; the same name gives the
            same answer. Without one each request is a new draw.
        client_seed: Up to 64 bytes of the caller's own that the verifiable output depends on; needs
            a request id. With one the answer carries `VRF` at once.
    """

    length: Annotated[int, Meta(ge=0, le=1024)] = 32
    request_id: Annotated[str, Meta(max_length=256)] = ""
    client_seed: Annotated[str, Meta(max_length=64)] = ""


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """A draw as it is kept: what was committed, and what was answered once that is known.

    Attributes:
        id: UUID.
        counter: Position among all draws of this database; unique.
        account_id: Whose.
        request_id: The caller's name for it, or empty.
        client_seed: The caller's contribution, or empty.
        length: Bytes of the value.
        created_at_ns: Nanoseconds since the epoch.
        key_id: The key that answers; fixed with the rest.
        signature: The contract's signature, once answered.
        vrf_proof: The proof, once asked for.
    """

    id: UUID
    counter: int
    account_id: UUID
    request_id: str
    client_seed: str
    length: int
    created_at_ns: int
    key_id: str
    signature: bytes | None = None
    vrf_proof: bytes | None = None


class Commitment(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit log keeps the digest of, before anything is computed.

    All that the signed message and the VRF's input are made of is in it.
    """

    id: UUID
    account_id: UUID
    request_id: str
    length: int
    counter: int
    created_at_ns: int
    key_id: str
    client_seed: str


class VrfResult(msgspec.Struct, frozen=True, kw_only=True, rename=_VRF_NAMES):
    """The verifiable output of a draw: there is no other for this key, account, id and seed.

    Attributes:
        suite: Of RFC 9381.
        alpha: What was hashed.
        proof: 80 bytes.
        output: 64 bytes, which follow from the proof.
        value: `Length` bytes, expanded from the output.
        public_key: Of the verifiable random function, 32 bytes.
    """

    suite: str
    alpha: bytes
    proof: bytes
    output: bytes
    value: bytes
    public_key: bytes


class RandomResult(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_RESULT_NAMES
):
    """An answered draw.

    Attributes:
        id: UUID of the draw.
        account_id: The account.
        length: Bytes of the value.
        value: The random bytes, derived from the signature; empty while the draw is committed and
            its key is out of reach.
        created_at: Part of what is signed: RFC 3339 in UTC, up to nine decimals.
        request_id: As sent, trimmed.
        counter: Part of what is signed.
        signature: Ed25519, over request id, counter, time and length.
        public_key: That checks the signature.
        key_id: Names the key in `/random/keys`.
        client_seed: As sent.
        vrf: The verifiable output; in the answer to a request with a client seed.
    """

    id: UUID
    account_id: UUID
    length: int
    value: bytes
    created_at: str
    request_id: str
    counter: int
    signature: bytes
    public_key: bytes
    key_id: str
    client_seed: str = ""
    vrf: VrfResult | None = None


class PublicKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The public half of a key.

    Attributes:
        id: Made of the public key.
        public_key: Checks the contract's signatures.
        vrf_public_key: Checks proofs.
        vrf_key_signature: The first key's signature over the second.
    """

    id: str
    public_key: bytes
    vrf_public_key: bytes
    vrf_key_signature: bytes


class PublishedKey(PublicKeys, frozen=True, kw_only=True):
    """A key that this server answers or answered with.

    Attributes:
        first_used_at: When it was first put to use.
        current: Whether new draws are answered with it.
    """

    first_used_at: datetime
    current: bool


class ProvedDraw(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The draw that a proof is about.

    Attributes:
        id: The draw's own id, in place of a request id where the caller gave none.
        account_id: The account.
        request_id: The caller's name for it, or empty.
        client_seed: As sent.
        length: Bytes of the values.
        counter: Part of what is signed.
        created_at: Part of what is signed.
    """

    id: UUID | None = None
    account_id: UUID
    request_id: str
    client_seed: str
    length: int
    counter: int
    created_at: str


class ContractAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The signature and the value that was derived from it."""

    signature: bytes
    value: bytes


class VrfAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The proof and what follows from it."""

    suite: str
    alpha: bytes
    proof: bytes
    output: bytes
    value: bytes


class ProofDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that is needed to check a draw, in one file.

    Attributes:
        format: Of this document.
        draw: What was asked.
        key: Which key answered.
        signed: The contract's answer.
        vrf: The verifiable answer.
    """

    format: str
    draw: ProvedDraw
    key: PublicKeys
    signed: ContractAnswer
    vrf: VrfAnswer
