"""Who is calling: the address and scheme behind the proxies that are trusted, and no others.

Invariant: `X-Forwarded-*` is believed only when the peer itself is in `TRUSTED_PROXIES`; of several
addresses the rightmost that is not a trusted proxy counts, since everything left of it may be
invented. Addresses are read, and given, as `addresses` has them.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_network
from typing import TYPE_CHECKING

from servicelayer_api.web.addresses import canonical, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterable

type Headers = Iterable[tuple[bytes, bytes]]


class TrustedProxies:
    """The networks whose word is taken."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Read networks in CIDR form."""
        self._networks = tuple(ip_network(network, strict=False) for network in networks)
        self._trusts = lru_cache(maxsize=4096)(self._look_up)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, address: str) -> bool:
        """Tell whether an address belongs to a trusted proxy."""
        return self._trusts(address)

    def _look_up(self, address: str) -> bool:
        parsed = parse_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def caller(self, peer: str, headers: Headers) -> tuple[str, str | None]:
        """Give the caller's address and, when a trusted proxy told it, the scheme he used."""
        peer = canonical(peer)
        if not self._networks or not self.trusts(peer):
            return peer, None
        hops: list[str] = []
        scheme: str | None = None
        for name, value in headers:
            if name == b"x-forwarded-for":
                hops += value.decode("latin-1").split(",")
            elif name == b"x-forwarded-proto":
                scheme = value.decode("latin-1").split(",")[-1].strip().lower()
        for hop in reversed(hops):
            if parse_address(hop) is None:
                break
            peer = canonical(hop)
            if not self.trusts(peer):
                break
        return peer, scheme if scheme in {"http", "https"} else None
