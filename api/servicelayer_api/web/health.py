"""Probes for machines: terse, public, and without any work of their own.

Liveness says that this process answers. Readiness says that it can serve: what the modules'
background probe found a moment ago, and not while the program is stopping. The answer names no
inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from litestar import Request, Response, get
from litestar.di import NamedDependency

from servicelayer_api.errors import Unavailable
from servicelayer_api.web.lifecycle import Lifecycle
from servicelayer_api.web.problems import MEDIA_TYPE, problem

_PUBLIC: dict[str, Any] = {"opt": {"public": True}, "tags": ["probes"]}


@get("/livez", operation_id="livez", summary="Whether the process answers", **_PUBLIC)
async def livez() -> dict[str, str]:
    """Answer ok as long as the process can answer at all."""
    return {"status": "ok"}


@get("/readyz", operation_id="readyz", summary="Whether requests can be served", **_PUBLIC)
async def readyz(
    request: Request[Any, Any, Any], lifecycle: NamedDependency[Lifecycle]
) -> Response[dict[str, object]]:
    """Answer ok when every critical module is ready, and 503 with a reason otherwise."""
    return _readiness(request, lifecycle)


@get("/healthz", operation_id="healthz", summary="The same as /readyz", **_PUBLIC)
async def healthz(
    request: Request[Any, Any, Any], lifecycle: NamedDependency[Lifecycle]
) -> Response[dict[str, object]]:
    """Answer as `/readyz` does."""
    return _readiness(request, lifecycle)


def readiness(
    lifecycle: Lifecycle, path: str, request_id: str
) -> tuple[int, str, dict[str, object], dict[str, str]]:
    """Tell whether requests can be served: status, media type, body and headers of the answer."""
    reason = lifecycle.refusal()
    if reason is None:
        return 200, "application/json", {"status": "ok"}, {}
    error = Unavailable(reason)
    return (
        error.status,
        MEDIA_TYPE,
        problem(error, instance=path, request_id=request_id),
        error.headers,
    )


def _readiness(
    request: Request[Any, Any, Any], lifecycle: Lifecycle
) -> Response[dict[str, object]]:
    scope = cast("Mapping[str, Any]", request.scope)
    status, media_type, body, headers = readiness(
        lifecycle, scope["path"], scope.get("request_id", "")
    )
    return Response(body, status_code=status, media_type=media_type, headers=headers)


probe_routes = (livez, readyz, healthz)
