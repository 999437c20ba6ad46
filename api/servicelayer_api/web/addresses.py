"""Addresses of clients: how they are read, and what counts as one client.

Invariant: one client has one spelling. A port, brackets and a zone are taken off, an IPv4 address
that is mapped into IPv6 is the IPv4 address, and IPv6 is written in its shortest form. Whoever
counts by address (limits, locks, logs) counts by `site_of`: of IPv6 a whole /64 is one, since every
customer has at least that many addresses.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

type IPAddress = IPv4Address | IPv6Address

_SITE_BYTES = 8
_REMEMBERED = 8192
_LONGEST = 100


def parse_address(text: str) -> IPAddress | None:
    """Read an address as proxies write it: `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]`, `[::1]:5`.

    Returns:
        The address, IPv4 where it is mapped into IPv6; `None` for what is none.
    """
    if len(text) > _LONGEST:
        return None
    host = text.strip().strip('"')
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not _is_port(rest)):
            return None
    elif host.count(":") == 1:
        host, colon, port = host.partition(":")
        if not _is_port(colon + port):
            return None
    try:
        parsed = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed


def _is_port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isascii() and text[1:].isdigit()


@lru_cache(maxsize=_REMEMBERED)
def canonical(text: str) -> str:
    """Give an address in its one spelling; what is none, such as a socket's path, as it stands."""
    parsed = parse_address(text)
    return text if parsed is None else str(parsed)


@lru_cache(maxsize=_REMEMBERED)
def site_of(text: str) -> str:
    """Give what counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    parsed = parse_address(text)
    if parsed is None:
        return text
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    network = IPv6Address(parsed.packed[:_SITE_BYTES] + bytes(_SITE_BYTES))
    return f"{network}/64"
