"""The gate in front of the router: who asks, from where, for which tenant.

Order: the facts of the request (`Caller`) are noted first, then the credential is checked, then the
    tenant is bound.
Nothing behind the gate runs for a path that is not public unless all three succeeded; `caller_of`
refuses a second time for routes that need a principal.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, cast

from servicelayer_api.errors import Unauthenticated
from servicelayer_api.web.answer_headers import answer_headers
from servicelayer_api.web.principal import Caller

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

    from servicelayer_api.web.auth import Authenticator
    from servicelayer_api.web.public import PublicPaths

_CALLER: Final = "servicelayer.caller"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CACHEABLE: Final = frozenset({"GET", "HEAD"})
# What is said to somebody in particular is nobody else's, not even his browser's next user's.
_NO_STORE: Final = (b"cache-control", b"no-store")


def note_caller(scope: HTTPScope) -> Caller:
    """The facts of a request; noted once, the same object for all that ask.

    The client's address and the request's id were settled by the edge.
    """
    found = noted_caller(scope)
    if found is not None:
        return found
    details = cast("dict[str, Any]", scope)
    peer = details.get("client")
    caller = Caller(
        method=scope["method"],
        path=scope["path"],
        request_id=str(details.get("request_id", "")),
        remote_addr=peer[0] if peer else "",
        user_agent=header(scope, b"user-agent"),
    )
    details[_CALLER] = caller
    return caller


def noted_caller(scope: Scope) -> Caller | None:
    """The facts of a request, if any layer noted them."""
    found = cast("dict[str, Any]", scope).get(_CALLER)
    return found if isinstance(found, Caller) else None


def caller_of(scope: HTTPScope) -> Caller:
    """The caller of the request a route serves, with the facts that only the router knows.

    Raises:
        Unauthenticated: the request did not pass the gate.
    """
    found = noted_caller(scope)
    if found is None:
        raise Unauthenticated
    if not found.route:
        note_route(scope, found)
    return found


def note_route(scope: HTTPScope, caller: Caller) -> None:
    """Note which route serves the request, what it asks of an account key, and the key of retries.

    The keys of retries are kept as digests: some clients make them out of things that are secret.
    """
    details = cast("dict[str, Any]", scope)
    caller.route = str(details.get("path_template") or "")
    handler = details.get("route_handler")
    if handler is not None:
        caller.scope = str(handler.opt.get("scope") or "")
    if caller.method not in _SAFE_METHODS and (key := header(scope, b"idempotency-key")):
        caller.idempotency = hashlib.sha256(key.encode("latin-1")).hexdigest()


def header(scope: HTTPScope, name: bytes) -> str:
    """All values of a header, joined by commas as HTTP allows; empty when it was not sent."""
    values = [value for key, value in scope["headers"] if key == name]
    return b",".join(values).decode("latin-1") if values else ""


class AuthenticationGate:
    """Lets a request through when its path is public or its credential valid."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, public: PublicPaths) -> None:
        """Stand before `app`; leave the public paths alone."""
        self._app = app
        self._authenticator = authenticator
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request.

        Raises:
            Unauthenticated: no valid credential.
            TenantMismatch: the credential belongs to another tenant.
        """
        if scope["type"] == "http":
            caller = note_caller(scope)
            private = caller.path not in self._public
            if private or caller.method not in _CACHEABLE:
                answer_headers(scope).append(_NO_STORE)
            if private:
                credential = await self._authenticator.authenticate(header(scope, b"authorization"))
                caller.principal = self._authenticator.bind(
                    credential, header(scope, b"x-tenant-id")
                )
                scope["user"] = caller.principal
                scope["auth"] = credential
        elif scope["type"] == "websocket":
            raise Unauthenticated
        await self._app(scope, receive, send)
