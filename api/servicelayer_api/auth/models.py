"""What logging in sends and gets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from servicelayer_api.wire import NEEDED


class LoginRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user of the configuration and their password.

    Attributes:
        username: Name of the user, in any case.
        password: Their password.
    """

    username: Annotated[str, NEEDED] = ""
    password: Annotated[str, NEEDED] = ""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A login token and until when it is valid.

    Attributes:
        token: Send it as `Authorization: Bearer <token>`.
        expires_at: UTC, whole seconds.
        role: `admin` or `user`.
        tenant: The only tenant the token acts for; empty when each request names one.
    """

    token: str
    expires_at: datetime
    role: str
    tenant: str


class ChallengeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The wallet that wants to log in: its address (N...) or its script hash (0x...).

    Attributes:
        wallet: Address (N...) or script hash (0x...).
    """

    wallet: Annotated[str, NEEDED] = ""


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """What the wallet has to sign.

    Attributes:
        nonce: 64 hex digits; valid for one login. Who asks again at once is given the same.
        expires_at: UTC.
        message: The text to sign, as it stands. It names the server's public address: whoever signs
            should see that it is the one they are at.
    """

    nonce: str
    expires_at: datetime
    message: str


class OpenChallenge(msgspec.Struct, frozen=True):
    """A challenge that a wallet may still sign, and the place it has among others."""

    slot: int
    generation: int
    challenge: Challenge


class WalletLoginRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The wallet's signature of a challenge.

    Attributes:
        wallet: As in the challenge.
        signature: Hex of 64 bytes, r and s.
        pubkey: Hex of the wallet's public key.
        nonce: Of the challenge that was signed; may be left out, then all open ones are tried.
        salt: What wallets of the classic version (1) answer beside the signature; 32 hex digits.
    """

    wallet: Annotated[str, NEEDED] = ""
    signature: Annotated[str, NEEDED] = ""
    pubkey: Annotated[str, NEEDED] = ""
    nonce: str | None = None
    salt: str | None = None


class WhoAmI(msgspec.Struct, frozen=True, kw_only=True):
    """Who the credential of this request belongs to.

    Attributes:
        user: Name; `token` for a platform token.
        role: `admin`, `user` or `token`.
        tenant: The tenant this request acts for; empty when nothing names one.
    """

    user: str
    role: str
    tenant: str
