"""A verifiable random function: ECVRF-EDWARDS25519-SHA512-TAI of RFC 9381.

The holder of a key computes, for an input `alpha`, the one output that this key and input have, and
a proof that it is that one. Anyone with the public key can check it; nobody, the holder included,
can make a second output pass. All group arithmetic is libsodium's, which runs in constant time;
`alpha` is public, so that trying points in turn (section 5.4.1.1) tells nothing.

Stricter than the RFC in one point: a public key or a proof whose point is not of prime order is
refused, where the RFC only asks that a key be not of small order. Whoever follows the RFC never
makes such a point, and each output then has one proof.

Not here: what `alpha` is made of, and what is made of the output.
"""

from __future__ import annotations

import hashlib
from typing import Final

from nacl import exceptions
from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_core_ed25519_sub,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)

SUITE: Final = "ECVRF-EDWARDS25519-SHA512-TAI"
SEED_BYTES: Final = 32
POINT_BYTES: Final = 32
PROOF_BYTES: Final = 80
OUTPUT_BYTES: Final = 64

_SUITE: Final = b"\x03"
_ENCODE: Final = b"\x01"
_CHALLENGE: Final = b"\x02"
_OUTPUT: Final = b"\x03"
_BACK: Final = b"\x00"
_CHALLENGE_BYTES: Final = 16
_SCALAR_BYTES: Final = 32
_TRIES: Final = 256

_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_FIELD: Final = 2**255 - 19
_Y_BITS: Final = 2**255 - 1
_IDENTITY: Final = (1).to_bytes(POINT_BYTES, "little")
_ZERO: Final = bytes(_SCALAR_BYTES)


class ProofRefusedError(Exception):
    """The proof is not one that this key made for this input; the text says what is wrong."""


class VrfKey:
    """A secret key and its public key (RFC 8032 section 5.1.5)."""

    def __init__(self, seed: bytes) -> None:
        """Expand 32 secret bytes.

        Raises:
            ValueError: There are not 32.
        """
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed is {SEED_BYTES} bytes")
        expanded = hashlib.sha512(seed).digest()
        clamped = bytearray(expanded[:_SCALAR_BYTES])
        clamped[0] &= 0xF8
        clamped[31] = (clamped[31] & 0x7F) | 0x40
        self._scalar = crypto_core_ed25519_scalar_reduce(bytes(clamped) + _ZERO)
        self._prefix = expanded[_SCALAR_BYTES:]
        self.public = crypto_scalarmult_ed25519_base_noclamp(self._scalar)

    def prove(self, alpha: bytes) -> bytes:
        """Make the proof for an input (RFC 9381 section 5.1); the same one each time.

        Args:
            alpha: The input, of any length.

        Returns:
            80 bytes: a point, a challenge of 16 bytes, a scalar.
        """
        point = _encode_to_curve(self.public, alpha)
        gamma = _multiply(self._scalar, point)
        # The nonce depends on the secret and on the point alone (section 5.4.2.2): no randomness
        # that could fail or repeat.
        nonce = crypto_core_ed25519_scalar_reduce(hashlib.sha512(self._prefix + point).digest())
        challenge = _challenge(
            self.public, point, gamma, _multiply_base(nonce), _multiply(nonce, point)
        )
        product = crypto_core_ed25519_scalar_mul(_widen(challenge), self._scalar)
        return gamma + challenge + crypto_core_ed25519_scalar_add(nonce, product)


def verify(public: bytes, alpha: bytes, proof: bytes) -> bytes:
    """Check a proof (RFC 9381 section 5.3, with key validation) and give the output it proves.

    Args:
        public: The public key, 32 bytes.
        alpha: The input.
        proof: 80 bytes.

    Returns:
        The output, 64 bytes.

    Raises:
        ProofRefusedError: The key, the form or the content is wrong.
    """
    if not _is_prime_order(public):
        raise ProofRefusedError("the public key is not a point of prime order")
    gamma, challenge, scalar = _split(proof)
    point = _encode_to_curve(public, alpha)
    wide = _widen(challenge)
    left = crypto_core_ed25519_sub(_multiply_base(scalar), _multiply(wide, public))
    right = crypto_core_ed25519_sub(_multiply(scalar, point), _multiply(wide, gamma))
    if _challenge(public, point, gamma, left, right) != challenge:
        raise ProofRefusedError("the proof does not belong to this key and input")
    return _to_output(gamma)


def proof_to_hash(proof: bytes) -> bytes:
    """Give the output of a proof that was checked or made here (RFC 9381 section 5.2).

    Args:
        proof: 80 bytes.

    Returns:
        The output, 64 bytes.

    Raises:
        ProofRefusedError: It has not the form of a proof.
    """
    gamma, _, _ = _split(proof)
    return _to_output(gamma)


def _split(proof: bytes) -> tuple[bytes, bytes, bytes]:
    """Take a proof apart (RFC 9381 section 5.4.4)."""
    if len(proof) != PROOF_BYTES:
        raise ProofRefusedError(f"a proof is {PROOF_BYTES} bytes, not {len(proof)}")
    gamma, rest = proof[:POINT_BYTES], proof[POINT_BYTES:]
    challenge, scalar = rest[:_CHALLENGE_BYTES], rest[_CHALLENGE_BYTES:]
    if not _is_prime_order(gamma):
        raise ProofRefusedError("the proof does not begin with a point of prime order")
    if int.from_bytes(scalar, "little") >= _ORDER:
        raise ProofRefusedError("the scalar of the proof is not below the order of the group")
    return gamma, challenge, scalar


def _encode_to_curve(salt: bytes, alpha: bytes) -> bytes:
    """Try hashes in turn until one is a point (RFC 9381 section 5.4.1.1)."""
    for counter in range(_TRIES):
        tried = hashlib.sha512(
            _SUITE + _ENCODE + salt + alpha + counter.to_bytes(1, "big") + _BACK
        ).digest()[:POINT_BYTES]
        found = _times_cofactor(tried)
        if found is not None and found != _IDENTITY:
            return found
    # Each try fails with probability about one half: this is as likely as guessing the secret key.
    raise ProofRefusedError("no point was found for this input")


def _times_cofactor(point: bytes) -> bytes | None:
    """Eight times a point of any order; `None` when the bytes encode none (RFC 8032, 5.1.3)."""
    if not _is_canonical(point):
        return None
    try:
        for _ in range(3):
            point = crypto_core_ed25519_add(point, point)
    except exceptions.RuntimeError:
        return None
    return point


def _is_canonical(point: bytes) -> bool:
    """Whether the encoding is the one its point has; libsodium's addition does not ask."""
    encoded = int.from_bytes(point, "little")
    height, negative = encoded & _Y_BITS, encoded > _Y_BITS
    return height < _FIELD and not (negative and height in {1, _FIELD - 1})


def _is_prime_order(point: bytes) -> bool:
    return len(point) == POINT_BYTES and crypto_core_ed25519_is_valid_point(point)


def _challenge(*points: bytes) -> bytes:
    """Hash five points to 16 bytes (RFC 9381 section 5.4.3)."""
    digest = hashlib.sha512(_SUITE + _CHALLENGE + b"".join(points) + _BACK).digest()
    return digest[:_CHALLENGE_BYTES]


def _to_output(gamma: bytes) -> bytes:
    cleared = _times_cofactor(gamma)
    if cleared is None:
        raise ProofRefusedError("the proof does not begin with a point")
    return hashlib.sha512(_SUITE + _OUTPUT + cleared + _BACK).digest()


def _widen(challenge: bytes) -> bytes:
    return challenge + bytes(_SCALAR_BYTES - _CHALLENGE_BYTES)


def _multiply(scalar: bytes, point: bytes) -> bytes:
    # libsodium refuses to answer with the identity, which zero times a point is.
    return _IDENTITY if scalar == _ZERO else crypto_scalarmult_ed25519_noclamp(scalar, point)


def _multiply_base(scalar: bytes) -> bytes:
    return _IDENTITY if scalar == _ZERO else crypto_scalarmult_ed25519_base_noclamp(scalar)
