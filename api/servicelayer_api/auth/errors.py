"""Refusals of logging in."""

from __future__ import annotations

from servicelayer_api.errors import Forbidden, RateLimited, Unauthenticated, signed_members


class LoginNotConfigured(Unauthenticated):
    """Nobody can log in here: the server has no `AUTH_JWT_SECRET`, or no `AUTH_USERS`."""

    code = "login-not-configured"
    title = "Login not configured"


class InvalidCredentials(Unauthenticated):
    """The user name or the password is wrong."""

    code = "invalid-credentials"
    title = "Invalid credentials"


class TooManyLogins(RateLimited):
    """Too many failed logins with this name: wait for the seconds in `Retry-After`."""

    code = "too-many-logins"
    title = "Too many logins"


class WalletLoginOff(Forbidden):
    """This server does not let wallets log in: `WALLET_LOGIN=off`, or it has no `PUBLIC_URL`."""

    code = "wallet-login-off"
    title = "Wallet login is off"


class WalletLoginRefused(Unauthenticated):
    """The signature does not prove that the wallet is yours: ask for a challenge and sign anew.

    `signed_text` is the open challenge that was to be signed, `signed_bytes` the same in hex; a
    wallet may frame it as it does every message.
    """

    code = "wallet-login-refused"
    title = "Wallet login refused"

    def __init__(self, detail: str = "", signed_text: str = "") -> None:
        """Refuse a login.

        Args:
            detail: What is wrong.
            signed_text: ASCII; what the signature had to be over, where that is known.
        """
        self.signed_text = signed_text
        super().__init__(detail)

    def members(self) -> dict[str, object]:
        """Give what is to be signed."""
        return signed_members(self.signed_text) if self.signed_text else {}
