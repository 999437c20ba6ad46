"""Stands behind the authentication and holds tenants to their quota of requests.

Requests under `/admin` are free, so that an admin can always lift a quota.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servicelayer_api.web.gate import note_caller

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

    from servicelayer_api.admin.requests import RequestQuota

_FREE: Final = "/admin/"


class RequestQuotaGate:
    """Counts each request of a tenant that has a quota."""

    def __init__(self, app: ASGIApp, requests: RequestQuota) -> None:
        """Stand before `app`."""
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on.

        Raises:
            RequestQuotaExceeded: its tenant has used up its requests.
        """
        if scope["type"] == "http":
            principal = note_caller(scope).principal
            tenant = principal.tenant if principal else None
            if tenant is not None and not scope["path"].startswith(_FREE):
                await self._requests.take(tenant)
        await self._app(scope, receive, send)
