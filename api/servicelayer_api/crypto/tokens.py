"""The JSON Web Tokens that this server gives out and takes back.

One algorithm, one issuer, one audience, one type (RFC 8725): HS256 with the secret all replicas
share. Whatever differs is refused with one and the same error, so that an attacker learns nothing
from the difference; so is a header with any member beyond `alg` and `typ`, `crit` among them. That
a token has expired is told only of one whose signature holds.

Time is an argument. Whether the holder still exists is the caller's question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import jwt
import msgspec

if TYPE_CHECKING:
    from datetime import datetime

ISSUER: Final = "servicelayer"
AUDIENCE: Final = "servicelayer-api"
TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - the name of a type
MAX_TOKEN_LENGTH: Final = 4096

_ALGORITHM: Final = "HS256"
_HEADER: Final = {"alg": _ALGORITHM, "typ": TOKEN_TYPE}
# Replicas' clocks may differ by a little; a token from further ahead was not made here.
_MAX_SKEW_SECONDS: Final = 60


class TokenRefusedError(Exception):
    """The text is no token that this server made and that is still valid."""


class TokenExpiredError(TokenRefusedError):
    """This server made the token, and its time is over."""


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a token says about its holder.

    Attributes:
        sub: User name in the spelling of the configuration, or the wallet's address.
        role: `admin` or `user`.
        method: How the holder proved to be who they are.
        jti: Unique id of the token.
        iat: Seconds since the epoch: made at.
        exp: Seconds since the epoch: refused from then on.
        tenant: The only tenant the token can act for; `None` for a platform user, who names one in
            each request.
        fingerprint: Of the user's password hash, so that a changed password ends the tokens made
            before.
        registered: Of a wallet: when the last of its accounts had registered it, microseconds since
            the epoch; what is registered later is not the token's.
    """

    sub: str
    role: str
    method: Literal["password", "wallet"]
    jti: str
    iat: int
    exp: int
    tenant: str | None = None
    fingerprint: str | None = None
    registered: int | None = None


class TokenSigner:
    """Makes and checks tokens with one secret."""

    def __init__(self, secret: str) -> None:
        """Hold the secret; at least 32 characters, which the settings see to."""
        self._key = secret.encode()

    def sign(self, claims: Claims) -> str:
        """Write a token.

        Args:
            claims: what it says.

        Returns:
            The compact form.
        """
        body = {"iss": ISSUER, "aud": AUDIENCE, **msgspec.to_builtins(claims)}
        return jwt.encode(body, self._key, algorithm=_ALGORITHM, headers={"typ": TOKEN_TYPE})

    def verify(self, token: str, now: datetime) -> Claims:
        """Read a token back.

        Args:
            token: what the client sent.
            now: the present.

        Returns:
            Its claims.

        Raises:
            TokenExpiredError: expired.
            TokenRefusedError: not made here, changed on the way, or made in the future.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise TokenRefusedError
        body = self._decode(token)
        try:
            claims = msgspec.convert(body, Claims)
        except msgspec.ValidationError as exc:
            raise TokenRefusedError from exc
        seconds = now.timestamp()
        if claims.iat > seconds + _MAX_SKEW_SECONDS:
            raise TokenRefusedError
        if claims.exp <= seconds:
            raise TokenExpiredError
        return claims

    def _decode(self, token: str) -> dict[str, Any]:
        try:
            if jwt.get_unverified_header(token) != _HEADER:
                raise TokenRefusedError
            return jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={
                    "require": ["iss", "aud", "sub", "role", "jti", "iat", "exp"],
                    # Times are compared with the given present, above.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "strict_aud": True,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError) as exc:
            raise TokenRefusedError from exc
