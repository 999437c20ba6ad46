"""Logging in: attempts, challenges, proofs and the tenant of a wallet."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import bcrypt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api.auth import rules
from servicelayer_api.auth.errors import TooManyLogins, WalletLoginOff, WalletLoginRefused
from servicelayer_api.auth.models import WalletLoginRequest
from servicelayer_api.auth.passwords import Passwords, Turns
from servicelayer_api.crypto import neo
from servicelayer_api.errors import Invalid
from servicelayer_api.web.principal import TenantMismatch, TenantRequired
from servicelayer_api.web.users import parse_users

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ec.derive_private_key(0xA11CE, ec.SECP256R1())
PUBLIC = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
WALLET = neo.hash_to_address(neo.public_key_to_hash(PUBLIC))


def sign(data: bytes) -> bytes:
    r, s = decode_dss_signature(KEY.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def proof(**changed: str) -> WalletLoginRequest:
    values = {"wallet": WALLET, "signature": sign(b"x").hex(), "pubkey": PUBLIC.hex(), **changed}
    return WalletLoginRequest(**values)


def test_login_waits_only_when_attempts_are_more_than_allowed() -> None:
    end = NOW + timedelta(seconds=90)

    assert rules.seconds_to_wait(10, 10, end, NOW) is None
    assert rules.seconds_to_wait(11, 10, end, NOW) == 91
    assert rules.seconds_to_wait(11, 10, NOW, NOW) == 1


def test_attempts_at_one_name_from_everywhere_are_held_back_and_never_refused() -> None:
    delays = [rules.delay_of(attempts, 10) for attempts in (1, 100, 101, 200, 201, 301, 401)]

    assert delays == [0, 0, 0.25, 0.25, 0.5, 1.0, 2.0]
    assert rules.delay_of(1_000_000, 1) == rules.LONGEST_DELAY


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_two_pairs_share_a_count_only_when_they_are_the_same(
    name: str, address: str, other_name: str, other_address: str
) -> None:
    if "\0" not in name + address + other_name + other_address:
        same = rules.pair_subject(name, address) == rules.pair_subject(other_name, other_address)
        assert same == ((name, address) == (other_name, other_address))


def test_name_and_pair_are_counted_apart() -> None:
    assert rules.name_subject("a") != rules.pair_subject("a", "")


def test_challenge_is_ascii_and_names_what_it_is_good_for() -> None:
    message = rules.challenge_message(
        host="api.example.org", address=WALLET, nonce="ab" * 32, expires=NOW
    )

    assert message.isascii()
    for part in ("api.example.org", WALLET, "ab" * 32, "2026-01-01T00:00:00Z"):
        assert part in message


@given(st.text(max_size=300))
def test_a_host_is_taken_from_the_configuration_whatever_the_request_says(host: str) -> None:
    assert rules.find_place("https://api.example.com", host) == "https://api.example.com"


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080"])
def test_a_host_that_is_this_machine_may_do_without_a_public_address(host: str) -> None:
    assert rules.find_place("", host) == host


@pytest.mark.parametrize(
    "host",
    ["", "api.example.com", "phish.example", "127.0.0.1.phish.example", "localhost@phish.example",
     "127.0.0.1:8080\nWallet: x", "127.0.0.1:123456", "localhost.", "\u0661 27.0.0.1", "10.0.0.1"],
)  # fmt: skip
def test_any_other_host_needs_a_public_address(host: str) -> None:
    with pytest.raises(WalletLoginOff):
        rules.find_place("", host)


@pytest.mark.parametrize("text", ["", "   ", "x" * 129])
def test_wallet_text_that_is_empty_or_endless_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        rules.check_wallet_text(text)


def test_both_forms_of_a_wallet_are_one_script_hash() -> None:
    script_hash = neo.public_key_to_hash(PUBLIC)

    assert rules.find_script_hash(WALLET) == script_hash
    assert rules.find_script_hash(neo.hash_to_text(script_hash)) == script_hash
    assert rules.find_script_hash("NZ7AqZ3xF1Yh6Vb1yT2vQ2mYz6h3iVbq6d") is None


def test_proof_is_read() -> None:
    signature = sign(b"x")

    assert rules.read_proof(proof(signature=signature.hex())) == (
        neo.public_key_to_hash(PUBLIC),
        PUBLIC,
        signature,
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"wallet": ""},
        {"wallet": "NepwUjd9GhqgNkrfXaxj9mmsFhFzGoFuWM"},
        {"wallet": "nonsense"},
        {"signature": ""},
        {"signature": "00"},
        {"signature": "zz" * 64},
        {"pubkey": "00"},
        {"pubkey": "02" + "ff" * 32},
        {"salt": "short"},
    ],
)
def test_malformed_proof_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(WalletLoginRefused):
        rules.read_proof(proof(**changed))


@pytest.mark.parametrize("form", [0, 1, 2])
def test_signature_in_each_form_of_wallets_is_accepted(form: int) -> None:
    salt = "0123456789abcdef" * 2
    signature = sign(neo.signed_forms(b"the message", salt)[form])

    assert rules.signs(PUBLIC, signature, "the message", salt)
    assert not rules.signs(PUBLIC, signature, "another message", salt)


def test_salted_signature_needs_its_salt() -> None:
    signature = sign(neo.signed_forms(b"the message", "ab" * 16)[2])

    assert not rules.signs(PUBLIC, signature, "the message", None)
    assert not rules.signs(PUBLIC, signature, "the message", "cd" * 16)


def test_wallet_of_one_tenant_needs_no_header() -> None:
    assert rules.choose_tenant(["acme"], "") == "acme"
    assert rules.choose_tenant(["acme", "other"], "other") == "other"


def test_wallet_gets_no_tenant_it_is_not_registered_in() -> None:
    with pytest.raises(TenantMismatch):
        rules.choose_tenant(["acme"], "other")
    with pytest.raises(TenantRequired):
        rules.choose_tenant(["acme", "other"], "")
    with pytest.raises(WalletLoginRefused):
        rules.choose_tenant([], "acme")


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()


async def test_password_is_checked_whatever_the_case_of_the_name() -> None:
    passwords = Passwords(parse_users(f"Alice:{hashed('geheim')}:user"))
    user = await passwords.check(" ALICE ", "geheim")

    assert user is not None
    assert user.name == "Alice"
    assert await passwords.check("alice", "Geheim") is None
    assert await passwords.check("alice", "") is None
    assert await passwords.check("nobody", "geheim") is None


async def test_hash_that_another_tool_wrote_is_accepted() -> None:
    written = hashed("geheim").replace("$2b$", "$2y$")
    passwords = Passwords(parse_users(f"alice:{written}:user"))

    assert await passwords.check("alice", "geheim") is not None


@pytest.mark.parametrize("password", ["x" * 100, "ü" * 72, "a\0b", "\ud800"])
async def test_unusual_password_is_wrong_and_not_an_error(password: str) -> None:
    passwords = Passwords(parse_users(f"alice:{hashed('geheim')}:user"))

    assert await passwords.check("alice", password) is None


async def test_password_longer_than_bcrypt_reads_fits_its_hash() -> None:
    passwords = Passwords(parse_users(f"alice:{hashed('x' * 100)}:user"))

    assert await passwords.check("alice", "x" * 100) is not None


async def test_unknown_name_takes_the_work_of_the_costliest_hash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users = parse_users(
        f"a:{hashed('a')}:user,b:{bcrypt.hashpw(b'b', bcrypt.gensalt(5)).decode()}:user"
    )
    seen: list[bytes] = []
    genuine = bcrypt.checkpw

    def watched(given: bytes, against: bytes) -> bool:
        seen.append(against)
        return genuine(given, against)

    monkeypatch.setattr(bcrypt, "checkpw", watched)
    await Passwords(users).check("nobody", "a")

    assert seen[0].startswith(b"$2b$05$")


def test_places_in_the_queue_of_password_checks_are_bounded_for_each_address_and_in_all() -> None:
    turns = Turns(places=5, of_address=2)

    with ExitStack() as held:
        for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"):
            held.enter_context(turns.place(address))
        with pytest.raises(TooManyLogins), turns.place("10.0.0.3"):
            pass
    with turns.place("2001:db8::1"), turns.place("2001:db8::2"):
        with pytest.raises(TooManyLogins), turns.place("2001:db8::3"):
            pass
        with turns.place("10.0.0.3"):
            pass


async def test_addresses_take_turns_whatever_each_of_them_has_waiting() -> None:
    turns = Turns(at_once=1)
    order: list[str] = []

    async def check(site: str) -> None:
        async with turns.turn(site):
            order.append(site)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group, turns.turn("first"):
        for site in ("attacker", "attacker", "attacker", "honest", "attacker"):
            group.create_task(check(site))
        await asyncio.sleep(0)

    assert order == ["attacker", "honest", "attacker", "attacker", "attacker"]


async def test_who_gives_up_waiting_keeps_nobody_from_his_turn() -> None:
    turns = Turns(at_once=1)

    async def check() -> None:
        async with turns.turn("a"):
            pass

    async with turns.turn("b"):
        waiting = asyncio.create_task(check())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    await asyncio.wait_for(check(), 5)
