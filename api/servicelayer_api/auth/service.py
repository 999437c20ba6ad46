"""Use cases of logging in: by password, by wallet.

Invariants: an attempt is counted before its password is looked at, in the database all replicas
share. What one address does to a name locks that pair out and nobody else; what many do delays, and
refuses no right password. A challenge is used up in the transaction that makes its token's audit
entry, so it opens one session at most, whichever replica answers. Asking for one keeps nothing.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from servicelayer_api.auth import rules, store
from servicelayer_api.auth.challenges import Challenges, oldest_slot
from servicelayer_api.auth.errors import (
    InvalidCredentials,
    LoginNotConfigured,
    TooManyLogins,
    WalletLoginOff,
    WalletLoginRefused,
)
from servicelayer_api.auth.models import Session
from servicelayer_api.crypto import neo
from servicelayer_api.crypto.tokens import Claims
from servicelayer_api.ids import new_id
from servicelayer_api.web.addresses import site_of
from servicelayer_api.web.auth import wallet_credential
from servicelayer_api.web.keys import derive_keys
from servicelayer_api.web.principal import Principal
from servicelayer_api.web.users import fold_name, living_grants

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime
    from typing import Literal

    from servicelayer_api.accounts import Accounts
    from servicelayer_api.audit import AuditLog
    from servicelayer_api.auth.models import Challenge, WalletLoginRequest
    from servicelayer_api.auth.passwords import Passwords
    from servicelayer_api.clock import Clock
    from servicelayer_api.crypto.tokens import TokenSigner
    from servicelayer_api.db import Connection, Database
    from servicelayer_api.settings import Settings
    from servicelayer_api.web.principal import Caller, Credential
    from servicelayer_api.web.users import User


class _Opened(msgspec.Struct, frozen=True):
    session: Session
    claims: Claims
    at: float


class Logins:
    """What the routes of `/auth` call."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        settings: Settings,
        signer: TokenSigner | None,
        passwords: Passwords,
        people: Mapping[str, str | None],
        accounts: Accounts,
        audit: AuditLog,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Keep attempts and used challenges in this database.

        Args:
            database: shared by all replicas.
            clock: the present.
            settings: life of tokens, limits, who may log in with a wallet and where.
            signer: of tokens; without one nobody can log in.
            passwords: of the users of the configuration.
            people: the tenant of each user; what they registered ends with them.
            accounts: know which wallets are registered.
            audit: gets an entry for each login.
            pause: waits for so many seconds.
        """
        self._database = database
        self._clock = clock
        self._lifetime = timedelta(seconds=settings.auth_token_ttl)
        self._lockout = timedelta(seconds=settings.auth_lockout)
        self._max_failures = settings.auth_max_failures
        self._public_url = settings.public_url
        self._challenges = Challenges(derive_keys(settings, "wallet-challenges/1")[0])
        self._wallets_may = settings.wallet_login == "registered"
        self._signer = signer
        self._passwords = passwords
        self._people = people
        self._accounts = accounts
        self._audit = audit
        self._pause = pause
        self._recent: dict[str, _Opened] = {}

    async def log_in(self, caller: Caller, username: str, password: str) -> Session:
        """Log in with a password.

        Who logs in again within half a minute is given the same token again, as the wire contract
        shows it.

        Raises:
            LoginNotConfigured: no users or no secret.
            TooManyLogins: too many attempts at this name from this address.
            InvalidCredentials: wrong name or password.
        """
        if self._signer is None or not self._passwords:
            raise LoginNotConfigured("logins by password are not configured")
        name = fold_name(username)
        pair = rules.pair_subject(name, site_of(caller.remote_addr))
        anywhere = rules.name_subject(name)
        caller.subject = self._passwords.known_name(name)
        turns = self._passwords.turns
        with turns.place(caller.remote_addr):
            delay = await self._count_attempt(pair, anywhere)
        # Before the password is looked at, so that the time tells nothing of it, and outside the
        # queue, so that nobody waits behind it.
        await self._pause(delay)
        with turns.place(caller.remote_addr) as site:
            user = await self._passwords.check(name, password, site)
        if user is None:
            raise InvalidCredentials("invalid credentials")
        async with self._database.transaction() as connection:
            await store.forgive_attempts(connection, pair, anywhere)
            return await self._open_password_session(connection, caller, self._signer, user)

    async def challenge(self, host: str, wallet: str) -> Challenge:
        """Give a wallet something to sign.

        The answer is the same whether the wallet is registered or not, and even if the text is no
        wallet; only for a registered one it can lead to a session.

        Args:
            host: of the request.
            wallet: address or script hash.

        Raises:
            WalletLoginOff: wallets may not log in.
            LoginNotConfigured: no secret.
            Invalid: empty or far too long.
        """
        self._check_wallets_may()
        text = rules.check_wallet_text(wallet)
        place = rules.find_place(self._public_url, host)
        now, script_hash = self._clock.now(), rules.find_script_hash(text)
        # What is no wallet is counted as well, so that the time tells nothing.
        kept_as = text if script_hash is None else neo.hash_to_text(script_hash)
        address = "unknown" if script_hash is None else neo.hash_to_address(script_hash)
        async with self._database.connection() as connection:
            used = await store.count_used(connection, kept_as, oldest_slot(now))
        return self._challenges.give(kept_as, address, place, now, used)

    async def log_in_with_wallet(
        self, caller: Caller, host: str, request: WalletLoginRequest, tenant: str
    ) -> Session:
        """Log in with a signed challenge.

        Args:
            caller: who asks.
            host: of the request.
            request: the proof.
            tenant: value of `X-Tenant-ID`, empty when it was not sent.

        Raises:
            WalletLoginOff: wallets may not log in.
            LoginNotConfigured: no secret.
            WalletLoginRefused: the proof does not hold, or its challenge was used or is too old.
            TenantRequired: the wallet is registered in several tenants and none is named.
            TenantMismatch: it is not registered in the tenant that is named.
        """
        signer = self._check_wallets_may()
        place = rules.find_place(self._public_url, host)
        wallet, public_key, signature = rules.read_proof(request)
        kept_as, now = neo.hash_to_text(wallet), self._clock.now()
        caller.subject = neo.hash_to_address(wallet)
        async with self._database.transaction() as connection:
            used = await store.count_used(connection, kept_as, oldest_slot(now))
            present = self._challenges.give(kept_as, caller.subject, place, now, used)
            signed = rules.find_signed(
                self._challenges.list_open(kept_as, caller.subject, place, now, used),
                present,
                request,
                public_key,
                signature,
            )
            tenants = await self._accounts.wallets.list_tenants(connection, kept_as)
            chosen = rules.choose_tenant(tenants, tenant)
            found, registered = await self._accounts.wallets.list_grants(
                connection, kept_as, chosen
            )
            grants = living_grants(self._people, tuple(found), chosen)
            if not grants:
                raise WalletLoginRefused("whoever registered the wallet is no user any more")
            if not await store.use_challenge(
                connection, kept_as, signed.slot, signed.generation, signed.challenge.expires_at
            ):
                raise WalletLoginRefused("the challenge was used already")
            credential = wallet_credential(neo.hash_to_address(wallet), chosen, grants)
            opened = self._sign(signer, credential, method="wallet", registered=registered)
            await self._note(connection, caller, credential, opened)
            return opened.session

    async def delete_expired(self) -> None:
        """Delete attempts and used challenges whose time is over."""
        async with self._database.connection() as connection:
            await store.delete_expired(connection, self._clock.now(), rules.MOST_SUBJECTS)

    def _check_wallets_may(self) -> TokenSigner:
        if not self._wallets_may:
            raise WalletLoginOff("wallets may not log in here")
        if self._signer is None:
            raise LoginNotConfigured("logins are not configured")
        return self._signer

    async def _count_attempt(self, pair: bytes, anywhere: bytes) -> float:
        """Count an attempt; gives the seconds for which it is to be held back."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            (here, ends), (everywhere, _) = await store.count_attempts(
                connection, [pair, anywhere], now, now + self._lockout
            )
        wait = rules.seconds_to_wait(here, self._max_failures, ends, now)
        if wait is not None:
            raise TooManyLogins("too many failed logins with this name", retry_after=wait)
        return rules.delay_of(everywhere, self._max_failures)

    async def _open_password_session(
        self, connection: Connection, caller: Caller, signer: TokenSigner, user: User
    ) -> Session:
        credential = user.credential
        opened = self._recent.get(user.name)
        if (
            opened is None
            or self._clock.monotonic() - opened.at > rules.SAME_SESSION_SECONDS
            or opened.session.expires_at <= self._clock.now()
        ):
            opened = self._sign(signer, credential, method="password", fingerprint=user.fingerprint)
        await self._note(connection, caller, credential, opened)
        self._recent[user.name] = opened
        return opened.session

    def _sign(
        self,
        signer: TokenSigner,
        credential: Credential,
        *,
        method: Literal["password", "wallet"],
        fingerprint: str | None = None,
        registered: datetime | None = None,
    ) -> _Opened:
        now = self._clock.now().replace(microsecond=0)
        expires = (now + self._lifetime).replace(microsecond=0)
        claims = Claims(
            sub=credential.user,
            role=credential.role,
            method=method,
            jti=str(new_id()),
            iat=int(now.timestamp()),
            exp=int(expires.timestamp()),
            tenant=credential.tenant,
            fingerprint=fingerprint,
            registered=None if registered is None else rules.microseconds(registered),
        )
        session = Session(
            token=signer.sign(claims),
            expires_at=expires,
            role=credential.role,
            tenant=credential.tenant or "",
        )
        return _Opened(session, claims, self._clock.monotonic())

    async def _note(
        self, connection: Connection, caller: Caller, credential: Credential, opened: _Opened
    ) -> None:
        caller.principal = Principal(credential=credential, tenant=credential.tenant)
        await self._audit.record(
            connection,
            caller,
            action=f"login.{opened.claims.method}",
            status=200,
            resource_id=opened.claims.jti,
        )
