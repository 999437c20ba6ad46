"""What the program says about itself: version, status of every module, and descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.system.routes import routes
from servicelayer_api.system.service import SystemService
from servicelayer_api.web.feature import Feature
from servicelayer_api.web.modules import Module

if TYPE_CHECKING:
    from servicelayer_api.web.feature import Core
    from servicelayer_api.web.store_module import Store

__all__ = ["build"]


def build(core: Core, store: Store) -> Feature:
    """Wire the feature.

    Args:
        core: What the program gives to every feature.
        store: Knows the version of the schema.
    """
    service = SystemService(core.settings, core.clock, core.modules, store)
    http = Module(
        name="http",
        domain="http",
        layer="infra",
        capabilities=("http-edge", "api-gateway"),
        depends_on=("store",),
    )
    return Feature(name="system", routes=routes, dependencies={"system": service}, modules=(http,))
