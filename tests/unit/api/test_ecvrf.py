"""ECVRF-EDWARDS25519-SHA512-TAI: the vectors of RFC 9381 appendix B.3, and what must not pass."""

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_core_ed25519_scalar_reduce,
)

from servicelayer_api.crypto import ecvrf
from servicelayer_api.crypto.ecvrf import ProofRefusedError, VrfKey

ORDER = 2**252 + 27742317777372353535851937790883648493
FIELD = 2**255 - 19


class Vector(NamedTuple):
    seed: str
    public: str
    alpha: str
    point: str
    proof: str
    output: str


# Examples 16, 17 and 18.
VECTORS = [
    Vector(
        seed="9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        public="d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        alpha="",
        point="91bbed02a99461df1ad4c6564a5f5d829d0b90cfc7903e7a5797bd658abf3318",
        proof="8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f"
        "26f8a57ccaed74ee1b190bed1f479d9727d2d0f9b005a6e456a35d4fb0daab12"
        "68a1b0db10836d9826a528ca76567805",
        output="90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff"
        "66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae",
    ),
    Vector(
        seed="4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        public="3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        alpha="72",
        point="5b659fc3d4e9263fd9a4ed1d022d75eaacc20df5e09f9ea937502396598dc551",
        proof="f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed593"
        "3bf0864a62558b3ed7f2fea45c92a465301b3bbf5e3e54ddf2d935be3b67926d"
        "a3ef39226bbc355bdc9850112c8f4b02",
        output="eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb"
        "5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031",
    ),
    Vector(
        seed="c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        public="fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        alpha="af82",
        point="bf4339376f5542811de615e3313d2b36f6f53c0acfebb482159711201192576a",
        proof="9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf80"
        "96bb474e53895c362d8628ee9f9ea3c0e52c7a5c691b6c18c9979866568add7a"
        "2d41b00b05081ed0f58ee5e31b3a970e",
        output="645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c45"
        "2118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f",
    ),
]
PUBLIC, ALPHA, PROOF = (bytes.fromhex(t) for t in (VECTORS[2].public, "af82", VECTORS[2].proof))
# The eight points whose order divides 8 (RFC 7748's curve in Edwards form), and their other names.
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


def encode(height: int, *, negative: bool = False) -> bytes:
    return (height | (negative << 255)).to_bytes(32, "little")


NOT_CANONICAL = [
    *(encode(FIELD + n, negative=sign) for n in range(19) for sign in (False, True)),
    encode(1, negative=True),
    encode(FIELD - 1, negative=True),
]


@pytest.mark.parametrize("vector", VECTORS, ids=["16", "17", "18"])
def test_the_examples_of_the_rfc_are_reproduced(vector: Vector) -> None:
    seed, public, alpha, point, proof, output = map(bytes.fromhex, vector)
    key = VrfKey(seed)
    assert key.public == public
    assert ecvrf._encode_to_curve(public, alpha) == point
    assert key.prove(alpha) == proof
    assert ecvrf.proof_to_hash(proof) == output
    assert ecvrf.verify(public, alpha, proof) == output


@settings(max_examples=30)
@given(seed=st.binary(min_size=32, max_size=32), alpha=st.binary(max_size=300))
def test_what_a_key_proves_is_accepted_and_always_the_same(seed: bytes, alpha: bytes) -> None:
    key = VrfKey(seed)
    proof = key.prove(alpha)
    assert VrfKey(seed).prove(alpha) == proof
    assert ecvrf.verify(key.public, alpha, proof) == ecvrf.proof_to_hash(proof)


def test_every_flipped_bit_of_a_proof_is_refused() -> None:
    for bit in range(8 * len(PROOF)):
        changed = bytearray(PROOF)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ProofRefusedError):
            ecvrf.verify(PUBLIC, ALPHA, bytes(changed))


def test_every_flipped_bit_of_the_key_and_of_the_input_is_refused() -> None:
    for bit in range(256):
        changed = bytearray(PUBLIC)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ProofRefusedError):
            ecvrf.verify(bytes(changed), ALPHA, PROOF)
    for bit in range(16):
        changed = bytearray(ALPHA)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ProofRefusedError):
            ecvrf.verify(PUBLIC, bytes(changed), PROOF)


@pytest.mark.parametrize("point", [*map(bytes.fromhex, SMALL_ORDER), *NOT_CANONICAL])
def test_points_of_small_order_and_second_spellings_are_refused_as_key_and_in_a_proof(
    point: bytes,
) -> None:
    with pytest.raises(ProofRefusedError, match="public key"):
        ecvrf.verify(point, ALPHA, PROOF)
    with pytest.raises(ProofRefusedError, match="prime order"):
        ecvrf.verify(PUBLIC, ALPHA, point + PROOF[32:])


@pytest.mark.parametrize("small", SMALL_ORDER[1:])
def test_a_point_with_a_part_of_small_order_is_refused(small: str) -> None:
    mixed_key = crypto_core_ed25519_add(PUBLIC, bytes.fromhex(small))
    mixed_gamma = crypto_core_ed25519_add(PROOF[:32], bytes.fromhex(small))
    with pytest.raises(ProofRefusedError, match="public key"):
        ecvrf.verify(mixed_key, ALPHA, PROOF)
    with pytest.raises(ProofRefusedError, match="prime order"):
        ecvrf.verify(PUBLIC, ALPHA, mixed_gamma + PROOF[32:])


def test_a_scalar_that_is_not_reduced_is_refused() -> None:
    scalar = int.from_bytes(PROOF[48:], "little")
    for other in (scalar + ORDER, ORDER, 2**256 - 1):
        with pytest.raises(ProofRefusedError, match="below the order"):
            ecvrf.verify(PUBLIC, ALPHA, PROOF[:48] + other.to_bytes(32, "little"))
    assert ecvrf.verify(PUBLIC, ALPHA, PROOF[:48] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 32, 79, 81, 160])
def test_a_proof_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ProofRefusedError, match="80 bytes"):
        ecvrf.verify(PUBLIC, ALPHA, (PROOF * 2)[:length])


def test_proofs_with_zeros_in_them_are_refused_and_do_not_break_anything() -> None:
    for proof in (PROOF[:48] + bytes(32), PROOF[:32] + bytes(16) + PROOF[48:], bytes(80)):
        with pytest.raises(ProofRefusedError):
            ecvrf.verify(PUBLIC, ALPHA, proof)


def test_a_proof_of_the_elligator_suite_is_refused() -> None:
    # Example 19 of the RFC: the same key and input under ECVRF-EDWARDS25519-SHA512-ELL2.
    proof = bytes.fromhex(
        "7d9c633ffeee27349264cf5c667579fc583b4bda63ab71d001f89c10003ab46f"
        "14adf9a3cd8b8412d9038531e865c341cafa73589b023d14311c331a9ad15ff2"
        "fb37831e00f0acaa6d73bc9997b06501"
    )
    with pytest.raises(ProofRefusedError):
        ecvrf.verify(bytes.fromhex(VECTORS[0].public), b"", proof)


def test_a_proof_whose_challenge_was_hashed_without_the_key_is_refused() -> None:
    # Example 16 as drafts before the RFC had it.
    proof = bytes.fromhex(
        "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f"
        "5e8bd1839b414219e8626d393787a192241fc442e6569e96c462f62b8079b9ed"
        "83ff2ee21c90c7c398802fdeebea4001"
    )
    with pytest.raises(ProofRefusedError, match="does not belong"):
        ecvrf.verify(bytes.fromhex(VECTORS[0].public), b"", proof)


def test_the_seed_is_of_one_length() -> None:
    for seed in (b"", bytes(31), bytes(64)):
        with pytest.raises(ValueError, match="32 bytes"):
            VrfKey(seed)


def test_a_hash_that_spells_no_point_is_passed_over() -> None:
    spelled = [ecvrf._times_cofactor(encode(2)), *map(ecvrf._times_cofactor, NOT_CANONICAL)]
    assert spelled == [None] * len(spelled)
    eightfold = ecvrf._times_cofactor(encode(4))
    assert eightfold is not None
    assert crypto_core_ed25519_is_valid_point(eightfold)
    assert crypto_core_ed25519_scalar_reduce(ORDER.to_bytes(64, "little")) == bytes(32)
