"""Pure decisions of logging in: attempts, challenges, the tenant a wallet gets."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from servicelayer_api.auth.errors import WalletLoginOff, WalletLoginRefused
from servicelayer_api.crypto import neo
from servicelayer_api.errors import Invalid
from servicelayer_api.web.principal import TenantMismatch, TenantRequired

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from servicelayer_api.auth.models import Challenge, OpenChallenge, WalletLoginRequest

MAX_WALLET_TEXT: Final = 128
# A second login of a user this soon gets the token of the first.
SAME_SESSION_SECONDS: Final = 30.0
# All attempts at a name wait once they are this many times as many as one address may make.
SPREAD_FACTOR: Final = 10
FIRST_DELAY: Final = 0.25
LONGEST_DELAY: Final = 4.0
# Rows of attempts that are kept at most; beyond it those with the fewest attempts go first.
MOST_SUBJECTS: Final = 100_000
# bcrypt reads no further; other tools cut there silently, and their hashes must match.
BCRYPT_LENGTH: Final = 72

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_LOOPBACK: Final = re.compile(
    r"(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(:\d{1,5})?", re.IGNORECASE | re.ASCII
)


def pair_subject(name: str, address: str) -> bytes:
    """What attempts at one name from one address are counted under."""
    return hashlib.sha256(f"pair\0{name}\0{address}".encode("utf-8", "surrogatepass")).digest()


def name_subject(name: str) -> bytes:
    """What attempts at one name from anywhere are counted under."""
    return hashlib.sha256(f"name\0{name}".encode("utf-8", "surrogatepass")).digest()


def seconds_to_wait(attempts: int, most: int, window_ends: datetime, now: datetime) -> int | None:
    """Whether a login from one address at one name has to wait.

    There is no limit on an address alone: behind one proxy all clients may share it, and one of
    them must not be able to lock out the rest.

    Args:
        attempts: at this name from this address, with this one.
        most: how many are allowed.
        window_ends: when counting begins anew.
        now: the present.

    Returns:
        Seconds until the window ends, `None` when the login may go on.
    """
    if attempts <= most:
        return None
    return max(1, int((window_ends - now).total_seconds()) + 1)


def delay_of(attempts: int, most: int) -> float:
    """How long an attempt at a name that many addresses try is held back before it is looked at.

    It is never refused for that: whoever knows the password gets in, a little later.

    Args:
        attempts: at this name from anywhere, with this one.
        most: how many one address may make.

    Returns:
        Seconds; doubled with each further hundred times `most`, up to `LONGEST_DELAY`.
    """
    free = most * SPREAD_FACTOR
    if attempts <= free:
        return 0.0
    doublings = min((attempts - free - 1) // free, 16)
    return min(FIRST_DELAY * 2.0**doublings, LONGEST_DELAY)


def find_place(public_url: str, host: str) -> str:
    """Where one logs in, as the message to sign names it.

    A text of the request is not taken for it: whoever relays a login would write his own there.

    Args:
        public_url: of the settings; empty for none.
        host: of the request.

    Returns:
        The public address; without one the host, if that can only be this machine.

    Raises:
        WalletLoginOff: there is no public address, and the host could be anybody's.
    """
    if public_url:
        return public_url
    if _LOOPBACK.fullmatch(host):
        return host
    raise WalletLoginOff("wallets may not log in: PUBLIC_URL is not set on this server")


def check_wallet_text(text: str) -> str:
    """Check the wallet of a request for a challenge, as far as the contract does.

    Args:
        text: as sent.

    Returns:
        The text without blanks around it; it may still be no wallet at all.

    Raises:
        Invalid: empty or longer than any wallet.
    """
    wallet = text.strip()
    if not wallet:
        raise Invalid(fields=[("wallet", "is required")])
    if len(wallet) > MAX_WALLET_TEXT:
        raise Invalid(fields=[("wallet", f"must not be longer than {MAX_WALLET_TEXT} characters")])
    return wallet


def find_script_hash(wallet: str) -> bytes | None:
    """The script hash of a wallet in either form; `None` for what is no wallet."""
    try:
        return neo.parse_wallet(wallet)
    except neo.NeoFormatError:
        return None


def challenge_message(*, host: str, address: str, nonce: str, expires: datetime) -> str:
    """The text a wallet signs.

    ASCII only, because wallets encode other texts differently. It names what the signature is good
    for, so that nothing else can be made of it.

    Args:
        host: where one logs in, as `find_place` gives it.
        address: of the wallet.
        nonce: 64 hex digits.
        expires: end of its life.
    """
    return (
        f"Log in to the Neo Service Layer at {host}.\n"
        f"Wallet: {address}\n"
        f"Nonce: {nonce}\n"
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}\n"
        "Signing this costs nothing and sends no transaction."
    )


def read_proof(request: WalletLoginRequest) -> tuple[bytes, bytes, bytes]:
    """Read what is sent to log in with a wallet.

    Args:
        request: as sent.

    Returns:
        Script hash, public key and signature; the key belongs to the wallet.

    Raises:
        WalletLoginRefused: a part is malformed, or the key is another wallet's.
    """
    try:
        wallet = neo.parse_wallet(request.wallet.strip())
    except neo.NeoFormatError as exc:
        raise WalletLoginRefused(f"wallet: {exc}") from exc
    try:
        public_key = neo.parse_public_key(request.pubkey)
        signature = neo.parse_signature(request.signature)
        neo.signed_forms(b"", request.salt)
    except neo.NeoFormatError as exc:
        raise WalletLoginRefused(str(exc)) from exc
    if neo.public_key_to_hash(public_key) != wallet:
        raise WalletLoginRefused("the public key belongs to another wallet")
    return wallet, public_key, signature


def signs(public_key: bytes, signature: bytes, message: str, salt: str | None) -> bool:
    """Whether a signature is one of a message, in one of the forms wallets use."""
    forms = neo.signed_forms(message.encode("ascii"), salt)
    return any(neo.verify(public_key, signature, form) for form in forms)


def find_signed(
    challenges: Iterable[OpenChallenge],
    present: Challenge,
    request: WalletLoginRequest,
    public_key: bytes,
    signature: bytes,
) -> OpenChallenge:
    """Find the challenge that a wallet has signed.

    Args:
        challenges: those that are open.
        present: what the wallet would be given now, for who has signed none.
        request: may name one by its nonce.
        public_key: of the wallet.
        signature: of it.

    Raises:
        WalletLoginRefused: none of them; gives the text that was to be signed, the one that is
            named if it is open.
    """
    named = [one for one in challenges if request.nonce in {None, one.challenge.nonce}]
    for one in named:
        if signs(public_key, signature, one.challenge.message, request.salt):
            return one
    wanted = named[0].challenge if request.nonce and named else present
    raise WalletLoginRefused("no open challenge of this wallet fits the signature", wanted.message)


def microseconds(moment: datetime) -> int:
    """A moment as PostgreSQL keeps it: whole microseconds since the epoch."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def choose_tenant(tenants: Sequence[str], named: str) -> str:
    """The tenant a wallet's token is bound to.

    Args:
        tenants: those in which the wallet is registered.
        named: value of `X-Tenant-ID`, empty when it was not sent.

    Raises:
        WalletLoginRefused: the wallet is registered nowhere.
        TenantMismatch: it is not registered in the tenant that is named.
        TenantRequired: it is registered in several and none is named.
    """
    if not tenants:
        raise WalletLoginRefused("the wallet is not registered with an account")
    if named:
        if named not in tenants:
            raise TenantMismatch("the wallet is not registered in this tenant")
        return named
    if len(tenants) > 1:
        raise TenantRequired("the wallet is registered in several tenants; name one in X-Tenant-ID")
    return tenants[0]
