"""Watches every answer and closes the audit log's books of the request.

It stands outside the authentication, so that refusals by it are noted too, and knows the principal
all the same: the gate inside writes it into the same `Caller`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.errors import ServiceError
from servicelayer_api.web.gate import note_caller, note_route

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

    from servicelayer_api.audit.service import AuditLog


class AuditTrail:
    """Tells the audit log how each request ended."""

    def __init__(self, app: ASGIApp, audit: AuditLog) -> None:
        """Stand before `app`."""
        self._app = app
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caller = note_caller(scope)
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ServiceError as exc:
            status = exc.status
            raise
        finally:
            note_route(scope, caller)
            self._audit.settle(caller, status)
