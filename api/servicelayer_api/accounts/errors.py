"""Refusals of accounts and wallets."""

from __future__ import annotations

from servicelayer_api.errors import Conflict, Forbidden, NotFound


class AccountNotFound(NotFound):
    """There is no such account in the tenant of the request, or the credential is not for it."""

    code = "account-not-found"
    title = "Account not found"


class AccountSuspended(Forbidden):
    """The account is suspended: it can be read but not changed.

    Its API keys and the sessions of its wallets open nothing.
    """

    code = "account-suspended"
    title = "Account suspended"


class AccountKeyNotAllowed(Forbidden):
    """An account API key cannot do this: use a login token or a platform token."""

    code = "account-key-not-allowed"
    title = "Not allowed with an account key"


class AccountBound(Forbidden):
    """A wallet's session acts for the accounts that registered the wallet and opens no others."""

    code = "account-bound"
    title = "Bound to its accounts"


class AccountInUse(Conflict):
    """The account still holds gas: withdraw it and wait until it is settled, then delete it."""

    code = "account-in-use"
    title = "Account in use"


class WalletNotFound(NotFound):
    """The account has no such wallet."""

    code = "wallet-not-found"
    title = "Wallet not found"


class WalletExists(Conflict):
    """The account has this wallet already; its address and its script hash are the same wallet."""

    code = "wallet-exists"
    title = "Wallet exists"
