"""The bytes of randomness: what is signed, what is hashed, and what is derived from either. Pure.

Two values come out of a draw. The contract's value is derived from an Ed25519 signature over
numbers that the server chooses, so it proves who answered, not that the answer was not chosen. The
verifiable value is derived from the output of a verifiable random function over the account, the
request's name and the caller's seed, of which there is only one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from servicelayer_api import path_names
from servicelayer_api.crypto.ecvrf import VrfKey
from servicelayer_api.crypto.signing import SigningKey
from servicelayer_api.errors import Invalid
from servicelayer_api.random.models import NewDraw, PublicKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servicelayer_api.random.models import Draw

MAX_LENGTH: Final = 1024
DEFAULT_LENGTH: Final = 32
MAX_REQUEST_ID: Final = 256
MAX_SEED_BYTES: Final = 64

_NANOSECONDS: Final = 10**9
_UINT32: Final = 2**32
_UINT64: Final = 2**64
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{0,8}[1-9]))?Z", re.ASCII)
_ALPHA_LABEL: Final = b"servicelayer/random/alpha/v1\x00"
_EXPAND_LABEL: Final = b"servicelayer/random/bytes/v1\x00"
_WORDS_LABEL: Final = b"servicelayer/random/integers/v1\x00"
_VRF_SEED_LABEL: Final = b"servicelayer/random/vrf-seed/v1\x00"
_KEY_ID_LABEL: Final = b"servicelayer/random/key-id/v1\x00"
# 0xff is in no UTF-8 text, so what follows it is never the beginning of a contract message.
_STATEMENT_LABEL: Final = b"\xffservicelayer/random/vrf-key/v1\x00"
_DERIVED_KEY_LABEL: Final = b"servicelayer/random/signing-seed/v1\x00"
_KEY_ID_DIGITS: Final = 32


class DrawKey:
    """The keys that answer draws: one signs, the other, made of the same seed, proves.

    They are two so that no signature over a message that happens to look like a point can be set
    against a proof: the same nonce under both would give the secret away.
    """

    def __init__(self, seed: bytes) -> None:
        """Expand 32 secret bytes."""
        self._signing = SigningKey(seed)
        self._vrf = VrfKey(hmac.digest(seed, _VRF_SEED_LABEL, "sha512")[:32])
        public = self._signing.public
        self.public = PublicKeys(
            id=key_id(public),
            public_key=public,
            vrf_public_key=self._vrf.public,
            vrf_key_signature=self._signing.sign(vrf_key_statement(self._vrf.public)),
        )

    @property
    def id(self) -> str:
        """Names the key everywhere."""
        return self.public.id

    def sign(self, draw: Draw) -> bytes:
        """Give the contract's signature of a draw."""
        return self._signing.sign(contract_message(draw))

    def prove(self, draw: Draw) -> bytes:
        """Give the proof of a draw."""
        return self._vrf.prove(alpha_of(draw))


def check_new(new: NewDraw) -> NewDraw:
    """Check what is sent to draw.

    Args:
        new: As sent.

    Returns:
        It with the request id trimmed and the default length filled in.

    Raises:
        Invalid: Names each field at fault.
    """
    length, request_id = new.length or DEFAULT_LENGTH, new.request_id.strip()
    faults: list[tuple[str, str]] = []
    if not 1 <= length <= MAX_LENGTH:
        faults.append(("length", f"must be between 1 and {MAX_LENGTH}"))
    if len(request_id) > MAX_REQUEST_ID:
        faults.append(("request_id", f"must not be longer than {MAX_REQUEST_ID} characters"))
    if len(new.client_seed.encode()) > MAX_SEED_BYTES:
        faults.append(("client_seed", f"must not be longer than {MAX_SEED_BYTES} bytes"))
    if new.client_seed and not request_id:
        # A draw that the server names depends on that name too, so the seed would bind nothing.
        faults.append(("client_seed", "needs a request_id"))
    for name, text in (("request_id", request_id), ("client_seed", new.client_seed)):
        if "\0" in text:
            faults.append((name, "must not hold the character NUL"))
    if path_names.cannot_be_addressed(request_id):
        faults.append(("request_id", path_names.FAULT))
    if faults:
        raise Invalid(fields=faults)
    return NewDraw(length=length, request_id=request_id, client_seed=new.client_seed)


def is_same_request(draw: Draw, new: NewDraw) -> bool:
    """Whether a request asks again for what a draw of its name was."""
    return (draw.length, draw.client_seed) == (new.length, new.client_seed)


def contract_message(draw: Draw) -> bytes:
    """What the contract signs (section 3.9): id, NUL, counter, nanoseconds, length, big-endian."""
    return b"".join((
        draw.request_id.encode(),
        b"\0",
        draw.counter.to_bytes(8, "big"),
        draw.created_at_ns.to_bytes(8, "big"),
        draw.length.to_bytes(4, "big"),
    ))  # fmt: skip


def derive_value(signature: bytes, message: bytes, length: int) -> bytes:
    """Derive the contract's value: HMAC-SHA512 blocks keyed by the signature, each fed the last.

    Args:
        signature: 64 bytes.
        message: What was signed.
        length: Bytes wanted, 1024 at most.
    """
    blocks: list[bytes] = []
    last = b""
    for number in range(1, -(-length // 64) + 1):
        last = hmac.digest(signature, last + message + bytes([number]), "sha512")
        blocks.append(last)
    return b"".join(blocks)[:length]


def alpha_of(draw: Draw) -> bytes:
    """The input of the verifiable random function: a label, then fields with their lengths.

    Fields: the key's id, the account's id, `request` and the request id (or `draw` and the draw's
    own id where the caller gave none), the client seed; each two bytes of length, big-endian, and
    UTF-8.
    """
    kind, name = ("request", draw.request_id) if draw.request_id else ("draw", str(draw.id))
    texts = (draw.key_id, str(draw.account_id), kind, name, draw.client_seed)
    fields = [text.encode() for text in texts]
    return _ALPHA_LABEL + b"".join(len(f).to_bytes(2, "big") + f for f in fields)


def expand(output: bytes, length: int) -> bytes:
    """Expand a verifiable output: SHA-512 of a label, the output and a block number (4 bytes).

    Args:
        output: 64 bytes.
        length: Bytes wanted.
    """
    blocks = (
        hashlib.sha512(_EXPAND_LABEL + output + number.to_bytes(4, "big")).digest()
        for number in range(-(-length // 64))
    )
    return b"".join(blocks)[:length]


def draw_integers(output: bytes, low: int, high: int, count: int) -> list[int]:
    """Derive whole numbers, each as likely as any other, from a verifiable output.

    The output is expanded to words of 8 bytes (SHA-512 of a label, the output and a block number);
    a word in the incomplete last stretch of the range is passed over, so that no number is
    favoured.

    Args:
        output: 64 bytes.
        low: The least number.
        high: The greatest, less than 2**64 above `low`.
        count: How many.

    Raises:
        ValueError: The range is empty or too wide.
    """
    width = high - low + 1
    if not 1 <= width <= _UINT64:
        raise ValueError("the range must hold 1 to 2**64 numbers")
    even = _UINT64 - _UINT64 % width
    found: list[int] = []
    for word in _words(output):
        if len(found) == count:
            break
        if word < even:
            found.append(low + word % width)
    return found


def _words(output: bytes) -> Iterator[int]:
    for number in range(_UINT32):
        block = hashlib.sha512(_WORDS_LABEL + output + number.to_bytes(4, "big")).digest()
        yield from (int.from_bytes(block[at : at + 8], "big") for at in range(0, 64, 8))


def key_id(public_key: bytes) -> str:
    """The name of a key: the first half of a labelled SHA-256, in hex."""
    return hashlib.sha256(_KEY_ID_LABEL + public_key).hexdigest()[:_KEY_ID_DIGITS]


def vrf_key_statement(vrf_public_key: bytes) -> bytes:
    """What the signing key signs to vouch for the proving key."""
    return _STATEMENT_LABEL + vrf_public_key


def derive_seed(secret: bytes) -> bytes:
    """Make the seed for a server without a key of its own from another secret of all replicas."""
    return hmac.digest(secret, _DERIVED_KEY_LABEL, "sha512")[:32]


def format_moment(nanoseconds: int) -> str:
    """Write a time as Go does: RFC 3339, UTC, nine decimals without trailing zeros."""
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    return f"{_format_second(seconds)}.{rest:09d}".rstrip("0").rstrip(".") + "Z"


@lru_cache(maxsize=256)
def _format_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def parse_moment(text: str) -> int | None:
    """Read such a time back: nanoseconds since the epoch; `None` for any other spelling."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    try:
        whole = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(whole.timestamp()) * _NANOSECONDS + int((found[2] or "0").ljust(9, "0"))


def to_nanoseconds(moment: datetime) -> int:
    """Nanoseconds since the epoch, without passing through a float."""
    since = moment - datetime.fromtimestamp(0, UTC)
    return (since.days * 86_400 + since.seconds) * _NANOSECONDS + since.microseconds * 1_000


def is_encodable(counter: int, nanoseconds: int, length: int) -> bool:
    """Whether numbers of a document from elsewhere have a place in the signed message."""
    return all(0 <= n < _UINT64 for n in (counter, nanoseconds)) and 1 <= length <= MAX_LENGTH
