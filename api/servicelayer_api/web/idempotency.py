"""`Idempotency-Key`: a change that is asked for twice is made once and answered twice.

Invariant: the answer is kept in the transaction of the effect. So either both exist, and every
repetition gets the same bytes again, or neither does, and the repetition is carried out; there is
no moment between at which a crash could part them. A refusal undoes everything the request did and
keeps nothing: the same key may be sent again.

The key belongs to a caller in a tenant, and to one request: method, target and body. Requests
without a credential are passed on as if they had no key.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from servicelayer_api.errors import Conflict, Invalid, TooLarge, Unprocessable
from servicelayer_api.ids import parse_id
from servicelayer_api.web.gate import noted_caller
from servicelayer_api.web.reply_store import (
    Kept,
    Reply,
    ReplySeal,
    find_reply,
    insert_reply,
    lock_key,
)

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

    from servicelayer_api.db import Database
    from servicelayer_api.web.principal import Principal

METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
MAX_LENGTH: Final = 255

_HEADER: Final = b"idempotency-key"
_REPLAYED: Final = (b"idempotent-replayed", b"true")
_FIRST_ERROR: Final = 400
_ACCOUNT: Final = 2
_RETRY_SECONDS: Final = 1


class InFlight(Conflict):
    """A request with this Idempotency-Key is being carried out: ask again in a moment."""

    code = "idempotency-in-flight"
    title = "Request in flight"

    def __init__(self) -> None:
        """Refuse for a moment."""
        super().__init__(
            "a request with this Idempotency-Key is being carried out",
            headers={"Retry-After": str(_RETRY_SECONDS)},
        )


class KeyReused(Unprocessable):
    """The Idempotency-Key was used for another request: every request needs its own."""

    code = "idempotency-key-reused"
    title = "Idempotency key reused"


class _Undone(Exception):
    """Rolls the transaction of a refused request back."""


class _Captured:
    """An answer that is held back until the transaction is committed."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message["headers"])
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    def reply(self) -> Reply:
        return Reply(self.status, self.headers, bytes(self.body))

    def accepted(self) -> Reply:
        if self.status >= _FIRST_ERROR:
            raise _Undone
        return self.reply()


class Idempotency:
    """Stands inside the authentication and around the router."""

    def __init__(self, app: ASGIApp, database: Database, seal: ReplySeal, max_body: int) -> None:
        """Stand before `app`.

        Args:
            app: What carries requests out.
            database: Where answers are kept.
            seal: What they are kept under.
            max_body: Bytes of the largest body that is read.
        """
        self._app = app
        self._database = database
        self._seal = seal
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or answer it again.

        Raises:
            Invalid: The key is not 1 to 255 visible ASCII characters, or sent twice.
            InFlight: A request with the key is being carried out.
            KeyReused: The key was used for another request.
            TooLarge: The body is.
        """
        if scope["type"] != "http" or scope["method"] not in METHODS:
            await self._app(scope, receive, send)
            return
        sent = [value for name, value in scope["headers"] if name == _HEADER]
        caller = noted_caller(scope) if sent else None
        principal = caller.principal if caller is not None else None
        if principal is None or not _may_reach(principal, scope["path"]):
            await self._app(scope, receive, send)
            return
        key = _identity(principal, _checked(sent))
        body = await self._read(receive)
        fingerprints = self._seal.fingerprints(_digest(scope, body))
        reply, again = await self._carry_out(scope, _replay(body, receive), key, fingerprints)
        headers = [*reply.headers, _REPLAYED] if again else reply.headers
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body, "more_body": False})

    async def _carry_out(
        self, scope: Scope, receive: Receive, key: bytes, fingerprints: tuple[bytes, ...]
    ) -> tuple[Reply, bool]:
        """Give the answer, and whether it is an old one."""
        captured = _Captured()
        try:
            async with self._database.ambient() as connection:
                if not await lock_key(connection, key):
                    raise InFlight
                kept = await find_reply(connection, key)
                if kept is not None:
                    if kept.fingerprint not in fingerprints:
                        raise KeyReused("the key was used for another request")
                    return self._seal.open(kept, key), True
                await self._app(scope, receive, captured.take)
                reply = captured.accepted()
                sealed = self._seal.seal(reply, key, fingerprints[0])
                await insert_reply(connection, key, Kept(fingerprints[0], sealed))
        except _Undone:
            reply = captured.reply()
        return reply, False

    async def _read(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise Invalid("the body ended early")
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise TooLarge
            if not message.get("more_body", False):
                return bytes(body)


def _checked(sent: list[bytes]) -> bytes:
    key = sent[0].strip()
    visible = all(0x21 <= byte <= 0x7E for byte in key)  # noqa: PLR2004 - `!` to `~`
    if len(sent) > 1 or not 0 < len(key) <= MAX_LENGTH or not visible:
        raise Invalid(
            fields=[
                ("Idempotency-Key", f"must be one text of 1 to {MAX_LENGTH} visible ASCII letters")
            ]
        )
    return key


def _may_reach(principal: Principal, path: str) -> bool:
    """Tell whether the account in a path is still open to a caller; the route refuses it if not."""
    parts = path.split("/")
    if principal.bounds is None or len(parts) <= _ACCOUNT or parts[1] != "accounts":
        return True
    return parse_id(parts[_ACCOUNT]) in principal.bounds


def _identity(principal: Principal, key: bytes) -> bytes:
    """Name the key of this caller: nobody else's request can meet it.

    Role and scopes are part of the name, so that an answer is never given again to somebody who
    could not have asked for it. The accounts that a credential opens are not: they change while it
    lives, and a request that is sent again must meet its first answer (see `_may_reach`).
    """
    credential = principal.credential
    holder = (
        principal.tenant,
        credential.kind.value,
        # Names are shared: by all platform tokens, and by keys that were given the same one.
        credential.holder or credential.subject or credential.user,
        credential.role.value,
        None if credential.scopes is None else sorted(credential.scopes),
    )
    return hashlib.sha256(msgspec.msgpack.encode((holder, key))).digest()


def _digest(scope: Scope, body: bytes) -> bytes:
    details = cast("dict[str, Any]", scope)
    asked = (details["method"], details["path"], details["query_string"], _canonical(body))
    return hashlib.sha256(msgspec.msgpack.encode(asked)).digest()


def _canonical(body: bytes) -> bytes:
    """Take what means nothing off a JSON body: spaces, the order of members, the way of escaping.

    Numbers keep their digits, so that two amounts that differ beyond a float's precision stay two.
    """
    try:
        value = _READER.decode(body)
        return msgspec.json.encode(value, order="deterministic")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        return body


_READER: Final = msgspec.json.Decoder(float_hook=lambda digits: "\0" + digits)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read to somebody who has not."""
    given = False

    async def again() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
