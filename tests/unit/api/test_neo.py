"""Neo N3 addresses, keys and signatures against vectors of other implementations."""

import hashlib
from contextlib import suppress
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api.crypto import neo
from servicelayer_api.crypto.ripemd160 import ripemd160, ripemd160_pure


class Vector(NamedTuple):
    public_key: str
    address: str
    script_hash: str
    signature: str = ""


SIGNED = b"servicelayer test message"

# Addresses and signatures made with neo-mamba 2.7.0 from made-up private keys.
MADE = [
    Vector(
        "03e56b46ae498cc1765895899a29858c837a7a984025f90cd284eb5810e4da3d3e",
        "Negc5jct3VJzyhDq9VqQmerqcPsY689Cs7",
        "0xefe3e8d07d28d899db2cb8c48df3caaba65de3cd",
        "911e7096f5be500599451c669d07f32893afc9a61618845d947d37f33187709b"
        "93bff3f4a102a19c058b842c7b55546971a55df6b804bb86133ec80e42b0ccaa",
    ),
    Vector(
        "0323912d0e9877380b627f7132cbb88d6c8e9540db2775d349d1c0be1634958ccb",
        "NeBUsj2mF3t58jc7d23ya6h5SYWvinKdoN",
        "0xddf09676daa896947b970bdc75931be9694961c8",
        "ef0b4ed38cefd44ac0dbb2073fdee58be8b915b6489f7031fed2859b73ec3f5f"
        "f5008162dbcc4a8793dccfffbbcc22536b87e2b956061e1d858d49f9b1fed43c",
    ),
    Vector(
        "02a421db2f637f853790cb71447632dd0f6f273b514db847e4e01e4ec67af34eb4",
        "NW6LQptc34Z8TUHycjCGkvmwCmrLAoxQk8",
        "0x61a96d0d3f151af3eb97d0799e68706baf22a76f",
        "85fb738588cc3db524154471fca5bf107d38fbe9d2ec091cdd605eecdeff5df6"
        "ab5d7c08b79143162fa0aa7d1278810039cdd70c0593a404563ca56c6e3b94d4",
    ),
]
# Members of the standby committee of Neo N3's main network, from its public configuration.
COMMITTEE = [
    Vector(
        "03b209fd4f53a7170ea4444e0cb0a6bb6a53c2bd016926989cf85f9b0fba17a70c",
        "NZeAarn3UMCqNsTymTMF2Pn6X7Yw3GhqDv",
        "0x94611499d5b3f1501569ecae0ac6e782d49e9496",
    ),
    Vector(
        "02df48f60e8f3e01c48ff40b9b7f1310d7a8b2a193188befe1c2e3df740e895093",
        "NXBhD662PnMFHZ1jJnreVTx71tdmqtrjL9",
        "0x3ae397821bde7980995dd53c136d0f4fbab3a27b",
    ),
    Vector(
        "02ca0e27697b9c248f6f16e085fd0061e26f44da85b58ee835c110caa5ec3ba554",
        "NYz4EgdsM1ATNedAbxFJw499kDBWhc8uut",
        "0xe5774faf7730b11176d297c0b7f9d019d5835f8f",
    ),
]
# The native contracts of Neo N3, whose hashes and addresses every explorer shows.
NATIVE = [
    ("0xd2a4cff31913016155e38e474a2c06d08be276cf", "NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWM"),
    ("0xef4073a0f2b305a38ec4050e4d3d28bc40ea63f5", "NiHURyS83nX2mpxtA7xq84cGxVbHojj5Wc"),
]


def raw_signature(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def compressed(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


@pytest.mark.parametrize("vector", MADE + COMMITTEE)
def test_public_key_gives_the_address_and_script_hash_of_other_implementations(
    vector: Vector,
) -> None:
    script_hash = neo.public_key_to_hash(neo.parse_public_key(vector.public_key))

    assert neo.hash_to_address(script_hash) == vector.address
    assert neo.hash_to_text(script_hash) == vector.script_hash
    assert neo.parse_wallet(vector.address) == neo.parse_wallet(vector.script_hash) == script_hash


@pytest.mark.parametrize(("script_hash", "address"), NATIVE)
def test_native_contract_hashes_and_addresses_are_the_same_wallet(
    script_hash: str, address: str
) -> None:
    assert neo.hash_to_address(neo.parse_wallet(script_hash)) == address


@pytest.mark.parametrize("vector", MADE)
def test_signature_of_another_implementation_is_verified(vector: Vector) -> None:
    key, signature = bytes.fromhex(vector.public_key), bytes.fromhex(vector.signature)

    assert neo.verify(key, signature, SIGNED)
    assert not neo.verify(key, signature, SIGNED + b".")
    assert not neo.verify(bytes.fromhex(COMMITTEE[0].public_key), signature, SIGNED)


@given(st.binary(min_size=20, max_size=20))
def test_address_and_script_hash_round_trip(script_hash: bytes) -> None:
    assert neo.address_to_hash(neo.hash_to_address(script_hash)) == script_hash
    assert neo.parse_wallet(neo.hash_to_text(script_hash)) == script_hash
    assert neo.parse_wallet("0x" + script_hash[::-1].hex().upper()) == script_hash


@given(st.binary(max_size=40))
def test_base58check_round_trips_any_bytes(payload: bytes) -> None:
    text = neo.base58check_encode(payload)
    if payload:
        assert neo.base58check_decode(text) == payload


@given(st.text(max_size=70))
def test_any_text_is_a_wallet_or_refused(text: str) -> None:
    with suppress(neo.NeoFormatError):
        assert len(neo.parse_wallet(text)) == 20


@given(st.data())
def test_one_changed_letter_never_gives_another_address(data: st.DataObject) -> None:
    address = neo.hash_to_address(data.draw(st.binary(min_size=20, max_size=20)))
    at = data.draw(st.integers(0, len(address) - 1))
    letter = data.draw(st.sampled_from(neo._ALPHABET))
    changed = address[:at] + letter + address[at + 1 :]
    if changed != address:
        with pytest.raises(neo.NeoFormatError):
            neo.address_to_hash(changed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "N",
        "NZ7AqZ3xF1Yh6Vb1yT2vQ2mYz6h3iVbq6d",  # wrong checksum
        "AK2nJJpJr6o664CWJKi1QRXjqeic2zRp8y",  # version 0x17, Neo Legacy
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",  # Bitcoin
        "0xd2a4cff31913016155e38e474a2c06d08be276",
        "0xd2a4cff31913016155e38e474a2c06d08be276cg",
        "0Xd2a4cff31913016155e38e474a2c06d08be276cf",
        "d2a4cff31913016155e38e474a2c06d08be276cf",
        "NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWM\n",
        "NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWMNepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWM",
        "N" * 100_000,
    ],
)
def test_what_is_no_neo_n3_wallet_is_refused(text: str) -> None:
    with pytest.raises(neo.NeoFormatError):
        neo.parse_wallet(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zz",
        "00",
        "00" * 33,
        "02" + "ff" * 32,  # x beyond the field
        "05" + MADE[0].public_key[2:],
        "04" + "11" * 64,  # not on the curve
        MADE[0].public_key + "00",
    ],
)
def test_what_is_no_point_of_the_curve_is_refused(text: str) -> None:
    with pytest.raises(neo.NeoFormatError):
        neo.parse_public_key(text)


def test_uncompressed_key_is_compressed() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    long_form = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    assert neo.parse_public_key(long_form.hex()) == compressed(key)


@pytest.mark.parametrize("text", ["", "00", "zz" * 64, "00" * 63, "00" * 65])
def test_signature_of_another_length_is_refused(text: str) -> None:
    with pytest.raises(neo.NeoFormatError):
        neo.parse_signature(text)


@pytest.mark.parametrize(
    "signature",
    [bytes(64), b"\xff" * 64, bytes(32) + b"\x01" * 32, b"\x01" * 32 + bytes(32)],
)
def test_zero_and_oversized_signatures_verify_nothing(signature: bytes) -> None:
    assert not neo.verify(bytes.fromhex(MADE[0].public_key), signature, SIGNED)


@given(st.binary(max_size=300))
def test_what_a_key_signs_is_verified_and_nothing_else(data: bytes) -> None:
    key = ec.derive_private_key(0x5EC9256, ec.SECP256R1())
    signature = raw_signature(key, data)

    assert neo.verify(compressed(key), signature, data)
    assert not neo.verify(compressed(key), signature, data + b"\0")


def test_signed_forms_are_those_of_the_three_wallet_versions() -> None:
    salt = "0123456789abcdef0123456789abcdef"

    assert neo.signed_forms(b"hello", salt) == [
        b"hello",
        bytes.fromhex("010001f005") + b"hello" + b"\0\0",
        bytes.fromhex("010001f025") + salt.encode() + b"hello" + b"\0\0",
    ]


@pytest.mark.parametrize(
    ("length", "marker"),
    [(0xFC, "fc"), (0xFD, "fdfd00"), (0xFFFF, "fdffff"), (0x10000, "fe00000100")],
)
def test_framed_message_carries_its_length_as_the_chain_writes_it(length: int, marker: str) -> None:
    framed = neo.signed_forms(b"x" * length)[1]

    assert framed.startswith(bytes.fromhex("010001f0" + marker))


@pytest.mark.parametrize("salt", ["", "00", "g" * 32, "0" * 33])
def test_salt_of_another_form_is_refused(salt: str) -> None:
    with pytest.raises(neo.NeoFormatError):
        neo.signed_forms(b"hello", salt)


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "9c1185a5c5e9fc54612808977ee8f548b2258d31"),
        (b"abc", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"),
        (b"message digest", "5d0689ef49d2fae572b881b123a85ffa21595f36"),
        (b"1234567890" * 8, "9b752e45573d4b39f4dbd3323cab82bf63326bfb"),
    ],
)
def test_plain_ripemd160_gives_the_published_digests(data: bytes, digest: str) -> None:
    assert ripemd160_pure(data).hex() == digest


@given(st.binary(max_size=200))
def test_plain_ripemd160_equals_the_function_in_use(data: bytes) -> None:
    assert ripemd160_pure(data) == ripemd160(data)


def test_ripemd160_falls_back_when_openssl_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(name: str, *_args: object, **_options: object) -> None:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", lacking)

    assert ripemd160(b"abc").hex() == "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"


def test_refusal_never_echoes_the_text() -> None:
    private_key = "KxyzKxyzKxyzKxyzKxyzKxyzKxyzKxyzKxyzKxyzKxyzKxyzKxyz"

    with pytest.raises(neo.NeoFormatError) as caught:
        neo.parse_wallet(private_key)

    assert private_key not in str(caught.value)
