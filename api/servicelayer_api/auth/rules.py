"""Pure decisions of logging in: attempts, challenges, the tenant a wallet gets."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from servicelayer_api.auth.errors import WalletLoginRefused
from servicelayer_api.crypto import neo
from servicelayer_api.errors import Invalid
from servicelayer_api.web.principal import TenantMismatch, TenantRequired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servicelayer_api.auth.models import WalletLoginRequest

CHALLENGE_SECONDS: Final = 300
# A challenge that is handed out a second time still has this long to live.
REUSE_SECONDS: Final = 60
MAX_OPEN_CHALLENGES: Final = 8
MAX_WALLET_TEXT: Final = 128
NONCE_BYTES: Final = 32
# A second login of a user this soon gets the token of the first.
SAME_SESSION_SECONDS: Final = 30.0
# Guesses at one name from many addresses together may be this many times those from one address.
SPREAD_FACTOR: Final = 10
# bcrypt reads no further; other tools cut there silently, and their hashes must match.
BCRYPT_LENGTH: Final = 72

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")


def pair_subject(name: str, address: str) -> bytes:
    """What attempts at one name from one address are counted under."""
    return hashlib.sha256(f"pair\0{name}\0{address}".encode("utf-8", "surrogatepass")).digest()


def name_subject(name: str) -> bytes:
    """What attempts at one name from anywhere are counted under."""
    return hashlib.sha256(f"name\0{name}".encode("utf-8", "surrogatepass")).digest()


def seconds_to_wait(counted: Sequence[tuple[int, int, datetime]], now: datetime) -> int | None:
    """Whether a login has to wait.

    There is no limit on an address alone: behind one proxy all clients may share it, and one of
    them must not be able to lock out the rest.

    Args:
        counted: for each subject its attempts with this one, the most that are allowed, and when
            its window ends.
        now: the present.

    Returns:
        Seconds until the last full window ends, `None` when the login may go on.
    """
    ends = [window_ends for attempts, most, window_ends in counted if attempts > most]
    if not ends:
        return None
    return max(1, int((max(ends) - now).total_seconds()) + 1)


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
        host: of the request; what is no plain host name is left out.
        address: of the wallet.
        nonce: 64 hex digits.
        expires: end of its life.
    """
    place = host if _HOST.fullmatch(host) else "this server"
    return (
        f"Log in to the Neo Service Layer at {place}.\n"
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
