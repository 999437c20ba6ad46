"""The egress guard: every outbound request of the product goes through one `Egress`.

Promise: a name is looked up once, all its addresses are judged by the IANA special-purpose
registries, and the connection goes to the address that was judged, with TLS verified against the
name. Redirects are judged again. What is private can be called only when the operator of the server
opened it (`EGRESS_ALLOW`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from servicelayer_api.egress.client import Answer, Egress
from servicelayer_api.egress.errors import EgressFailed, EgressRefused
from servicelayer_api.egress.rules import parse_openings
from servicelayer_api.settings import SettingsError
from servicelayer_api.web.feature import Feature
from servicelayer_api.web.modules import Module

if TYPE_CHECKING:
    from servicelayer_api.web.feature import Core

__all__ = ["Answer", "Egress", "EgressFailed", "EgressRefused", "build", "build_feature"]


def build(core: Core) -> Egress:
    """Make the client that features are given.

    Raises:
        SettingsError: `EGRESS_ALLOW`, `EGRESS_PORTS` or `EGRESS_CA_FILE` cannot be used.
    """
    settings = core.settings
    try:
        openings = parse_openings(settings.egress_allow, settings.egress_ports)
        return Egress(openings, core.metrics, ca_file=settings.egress_ca_file)
    except ValueError as exc:
        raise SettingsError(f"EGRESS_ALLOW and EGRESS_PORTS: {exc}") from None
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise SettingsError(f"EGRESS_CA_FILE cannot be read ({reason})") from None


def build_feature(egress: Egress) -> Feature:
    """Put the part together that closes the client's connections when the program stops."""
    return Feature(
        name="egress",
        modules=[Module(name="egress", domain="egress", layer="infra", stop=egress.close)],
    )
