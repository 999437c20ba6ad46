"""Which IP addresses are public: the IANA special-purpose registries as tables. Pure.

Invariant: what is not known to be public is refused. Every IPv4 address inside an IPv6 address is
decoded and judged as well, so that no other spelling leads to a private network.

Sources, as of October 2025: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and
its updates), the IPv4 and IPv6 multicast registries, and the IPv6 address space registry, by which
only 2000::/3 is global unicast. Registry entries that are globally reachable (anycast of protocols,
AS112, AMT) are refused too, because none of them is a place where somebody's API lives. So are the
addresses outside of the registries at which clouds serve their own machines.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network

SPECIAL_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private use, RFC 1918
        "100.64.0.0/10",  # shared address space, RFC 6598
        "127.0.0.0/8",  # loopback, RFC 1122
        "169.254.0.0/16",  # link local and cloud metadata, RFC 3927
        "172.16.0.0/12",  # private use, RFC 1918
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
        "192.0.2.0/24",  # documentation (TEST-NET-1), RFC 5737
        "192.31.196.0/24",  # AS112, RFC 7535
        "192.52.193.0/24",  # AMT, RFC 7450
        "192.88.99.0/24",  # 6to4 relay anycast, RFC 7526
        "192.168.0.0/16",  # private use, RFC 1918
        "192.175.48.0/24",  # AS112, RFC 7534
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # documentation (TEST-NET-2), RFC 5737
        "203.0.113.0/24",  # documentation (TEST-NET-3), RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved and limited broadcast, RFC 1112
    )
)
# In no registry, and yet no public hosts: clouds serve their own machines alone at these addresses,
# and some hand out credentials there.
CLOUD_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "161.26.0.0/16",  # IBM Cloud, services of the platform
        "166.8.0.0/14",  # IBM Cloud, services of customers
        "168.63.129.16/32",  # Azure, the host's wire server, DNS and health probes
        "199.36.153.4/30",  # Google Cloud, restricted.googleapis.com
        "199.36.153.8/30",  # Google Cloud, private.googleapis.com
    )
)
SPECIAL_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "::/96",  # unspecified, loopback, IPv4-compatible, RFC 4291
        "::ffff:0:0/96",  # IPv4-mapped, RFC 4291
        "64:ff9b:1::/48",  # local-use translation, RFC 8215
        "100::/64",  # discard only, RFC 6666
        "100:0:0:1::/64",  # dummy prefix, RFC 9780
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarking, RFC 2928
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, RFC 3056
        "2620:4f:8000::/48",  # AS112, RFC 7534
        "3fff::/20",  # documentation, RFC 9637
        "5f00::/16",  # segment routing, RFC 9602
        "fc00::/7",  # unique local, RFC 4193
        "fe80::/10",  # link local, RFC 4291
        "fec0::/10",  # site local, RFC 3879
        "ff00::/8",  # multicast, RFC 4291
    )
)
GLOBAL_V6: Final = IPv6Network("2000::/3")

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_COMPATIBLE: Final = IPv6Network("::/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
_WORD: Final = 0xFFFFFFFF


def is_public(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Tell whether an address may be called.

    Args:
        address: Without a zone.
        allowed: Networks that are open although they are not public.

    Returns:
        Whether it is public or in an open network, and likewise each IPv4 address inside it: an
        open translation prefix does not open the private networks behind the translator.
    """
    networks = tuple(allowed)
    if not _plainly_public(address) and not contains(networks, address):
        return False
    return isinstance(address, IPv4Address) or all(
        is_public(inner, networks) for inner in embedded_v4(address)
    )


def contains(networks: Iterable[Network], address: Address) -> bool:
    """Tell whether an address lies in one of some networks."""
    return any(network.version == address.version and address in network for network in networks)


def embedded_v4(address: IPv6Address) -> Iterator[IPv4Address]:
    """Decode every IPv4 address that a translator or tunnel would take out of an IPv6 address.

    Forms: IPv4-mapped and -compatible (RFC 4291), NAT64 (RFC 6052: the well-known prefix, and in
    the local one of RFC 8215 each position that a prefix of 48, 56, 64 or 96 bits gives), 6to4 (RFC
    3056), Teredo with its server and its client (RFC 4380), ISATAP (RFC 5214).
    """
    value = int(address)
    if address in _MAPPED or address in _COMPATIBLE or address in _NAT64:
        yield IPv4Address(value & _WORD)
    elif address in _LOCAL_NAT64:
        yield from _local_nat64(value)
    elif address in _SIX_TO_FOUR:
        yield IPv4Address(value >> 80 & _WORD)
    elif address in _TEREDO:
        yield IPv4Address(value >> 64 & _WORD)
        yield IPv4Address(value & _WORD ^ _WORD)
    if value >> 32 & _WORD in _ISATAP:
        yield IPv4Address(value & _WORD)


def _local_nat64(value: int) -> Iterator[IPv4Address]:
    """Decode each layout; what begins with a zero octet is padding of another layout."""
    layouts = (
        # Bits 64 to 71 are skipped by the format, so the first two are in two pieces.
        (value >> 48 & 0xFFFF0000) | (value >> 40 & 0xFFFF),
        (value >> 40 & 0xFF000000) | (value >> 32 & 0xFFFFFF),
        value >> 24 & _WORD,
        value & _WORD,
    )
    return (IPv4Address(layout) for layout in layouts if layout >> 24)


def parse_network(text: str) -> Network | None:
    """Read a network in CIDR form, or a single address; `None` for anything else."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _plainly_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not contains(SPECIAL_V4, address) and not contains(CLOUD_V4, address)
    if address in _NAT64:
        return True
    return address in GLOBAL_V6 and not contains(SPECIAL_V6, address)
