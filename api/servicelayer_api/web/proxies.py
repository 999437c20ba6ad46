"""Who is calling: the address and scheme behind the proxies that are trusted, and no others.

Invariant: `X-Forwarded-*` is believed only when the peer itself is in `TRUSTED_PROXIES`; of several
addresses the rightmost that is not a trusted proxy counts, since everything left of it may be
invented.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

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
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._networks)

    def caller(self, peer: str, headers: Headers) -> tuple[str, str | None]:
        """Give the caller's address and, when a trusted proxy told it, the scheme he used."""
        if not self._networks or not self.trusts(peer):
            return peer, None
        hops: list[str] = []
        scheme: str | None = None
        for name, value in headers:
            if name == b"x-forwarded-for":
                hops += [hop.strip() for hop in value.decode("latin-1").split(",")]
            elif name == b"x-forwarded-proto":
                scheme = value.decode("latin-1").split(",")[-1].strip().lower()
        for hop in reversed(hops):
            if not _is_address(hop):
                break
            peer = hop
            if not self.trusts(hop):
                break
        return peer, scheme if scheme in {"http", "https"} else None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
