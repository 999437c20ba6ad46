"""`/system/*`: what the program says about itself."""

from __future__ import annotations

import html
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from servicelayer_api.system.models import Descriptor, Status
from servicelayer_api.system.service import SystemService
from servicelayer_api.web.gate import caller_of


@get(
    "/system/version",
    operation_id="getVersion",
    summary="Which build answers",
    tags=["system"],
    opt={"public": True},
)
async def version(system: NamedDependency[SystemService]) -> dict[str, str]:
    """Give the version, the commit and the time of the build."""
    return system.version()


@get(
    "/system/status",
    operation_id="getStatus",
    summary="Status of every module",
    tags=["system"],
)
async def status(request: Request[Any, Any, Any], system: NamedDependency[SystemService]) -> Status:
    """Give the state of all modules, as the background probe last saw it.

    Why one is not ready is told to the platform only: it names hosts and users of the inside.
    """
    return system.status(caller_of(request.scope).require_principal())


@get(
    "/system/descriptors",
    operation_id="listDescriptors",
    summary="What the modules are for",
    tags=["system"],
)
async def descriptors(system: NamedDependency[SystemService]) -> list[Descriptor]:
    """List the modules with their capabilities, by layer and name."""
    return system.descriptors()


@get(
    "/system/descriptors.html",
    operation_id="showDescriptors",
    summary="What the modules are for, as a page",
    tags=["system"],
    media_type="text/html",
)
async def descriptors_page(system: NamedDependency[SystemService]) -> Response[str]:
    """Give the list of descriptors as a page for people."""
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{html.escape(cell)}</td>"
            for cell in (d.name, d.domain, d.layer, ", ".join(d.capabilities))
        )
        + "</tr>"
        for d in system.descriptors()
    )
    return Response(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Modules</title>"
        "<h1>Registered Services</h1>"
        "<table><thead><tr><th>Name<th>Domain<th>Layer<th>Capabilities</thead>"
        f"<tbody>{rows}</tbody></table></html>",
        media_type="text/html",
    )


routes = (version, status, descriptors, descriptors_page)
