"""Refusals and failures of outbound requests.

Invariant: a text names what the caller wrote and the class of the fault, never an address that a
name resolved to nor the text of a driver.
"""

from __future__ import annotations

from typing import Final, Literal

from servicelayer_api.errors import Invalid, ServiceError

type FailureKind = Literal["timeout", "connect", "tls", "too-large", "redirect", "protocol"]

_TEXTS: Final[dict[FailureKind, str]] = {
    "timeout": "the other server took too long",
    "connect": "the other server cannot be reached",
    "tls": "the other server's certificate cannot be verified",
    "too-large": "the other server's answer is too large",
    "redirect": "the other server redirects where the request may not follow",
    "protocol": "the other server's answer cannot be read",
}


class EgressRefused(Invalid):
    """The server does not call this address: it is not public, malformed, or not let through.

    Only public addresses on the usual ports are called; others are opened by the operator of this
    server (`EGRESS_ALLOW`, `EGRESS_PORTS`).
    """

    code = "egress-refused"
    title = "Address not allowed"


class EgressFailed(ServiceError):
    """A server that had to be called for this request did not give a usable answer."""

    code = "egress-failed"
    status = 502
    title = "Outbound request failed"

    def __init__(self, kind: FailureKind) -> None:
        """Tell the class of the failure; nothing else of it is shown."""
        super().__init__(_TEXTS[kind])
        self.kind: FailureKind = kind
