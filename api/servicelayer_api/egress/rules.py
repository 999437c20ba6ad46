"""What may be asked of whom: reading URLs, the open targets, headers and redirects. Pure.

Invariant: a URL has one reading. Whatever two programs might read differently (user info,
backslashes, numbers in other bases, control characters, host names with a dot at the end) is
refused instead of repaired. International names are mapped first and judged afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urljoin

import idna
import msgspec

from servicelayer_api.egress.addresses import Address, Network, contains, is_public, parse_network
from servicelayer_api.egress.errors import EgressFailed, EgressRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_URL: Final = 8192
LONGEST_HOST: Final = 253
LONGEST_LABEL: Final = 63
MOST_HEADERS: Final = 100
LARGEST_HEADERS: Final = 32 * 1024
HIGHEST_PORT: Final = 65535

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# RFC 3986 knows less; what is left out here is what parsers are known to disagree on.
_URL: Final = re.compile(r"(https?)://([^/?#]*)(/[^?#]*)?(\?[^#]*)?(#.*)?", re.IGNORECASE)
_UNSEEN: Final = re.compile(r"[\x00-\x20\x7f-\x9f]")
_VISIBLE: Final = re.compile(r"[!-\[\]-~]+")
_AUTHORITY: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]@%]+)(?::([0-9]{1,5}))?")
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# RFC 6761, 6762, 7686, 8375, 9476, and the name that ICANN reserved for private use. A name without
# a dot would be looked up in whatever domains this machine searches.
_LOCAL_NAMES: Final = frozenset({
    *("alt", "arpa", "example", "internal", "invalid", "local", "localhost"),
    *("localdomain", "onion", "test", "lan", "intranet", "private", "corp", "home", "svc"),
})  # fmt: skip
_OWN_HEADERS: Final = frozenset({
    *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"),
    *("te", "trailer", "expect", "accept-encoding", "proxy-authorization", "proxy-connection"),
})  # fmt: skip
_HARMLESS_HEADERS: Final = frozenset({"accept", "accept-language", "user-agent"})
_BODY_HEADERS: Final = frozenset({"content-type", "content-language"})


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request goes.

    Attributes:
        scheme: Of the URL.
        host: A name in ASCII and lower case, or an address without brackets.
        port: 1 to 65535.
        path: Path and query.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what credentials belong to."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


class Openings(msgspec.Struct, frozen=True, kw_only=True):
    """What may be called beyond the public rule.

    Attributes:
        networks: Whose addresses are open, on all ports.
        names: Host names that are open whatever they resolve to, on all ports.
        suffixes: Each with a dot in front; names below are open likewise.
        ports: Ports of public addresses that are open.
    """

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    ports: frozenset[int] = frozenset({80, 443})

    def names_host(self, host: str) -> bool:
        """Tell whether a host is open by its name."""
        return host in self.names or host.endswith(self.suffixes)

    def lets_through(self, host: str, port: int, address: Address) -> bool:
        """Tell whether a host's address may be connected to."""
        if self.names_host(host):
            return True
        known = port in self.ports or contains(self.networks, address)
        return known and is_public(address, self.networks)


def parse_openings(allow: Iterable[str], ports: Iterable[str]) -> Openings:
    """Read `EGRESS_ALLOW` and `EGRESS_PORTS`.

    Raises:
        ValueError: The message names the entry.
    """
    networks: list[Network] = []
    names: set[str] = set()
    suffixes: list[str] = []
    for entry in allow:
        network = parse_network(entry)
        if network is not None:
            networks.append(network)
            continue
        name = entry.lower()
        if not _is_name(name.removeprefix(".")):
            raise ValueError(f"{entry!r} is neither a network (CIDR) nor a host name")
        if name.startswith("."):
            suffixes.append(name)
        else:
            names.add(name)
    return Openings(
        networks=tuple(networks),
        names=frozenset(names),
        suffixes=tuple(suffixes),
        ports=frozenset(port for text in ports for port in _parse_ports(text)),
    )


def parse_url(url: str, openings: Openings) -> Target:
    """Read a URL, in the one way it can be read.

    Args:
        url: As a tenant or a redirect wrote it.
        openings: What may be called.

    Returns:
        Where the request goes; the fragment is left out.

    Raises:
        EgressRefused: It is malformed, ambiguous, or its host is never called.
    """
    if len(url) > LONGEST_URL:
        raise EgressRefused(f"a URL must not be longer than {LONGEST_URL} characters")
    if _UNSEEN.search(url) or "\\" in url:
        raise EgressRefused("the URL must not hold spaces, control characters or backslashes")
    match = _URL.fullmatch(url)
    if match is None:
        raise EgressRefused("the URL must begin with https:// or http://")
    scheme, authority, path, query, _ = match.groups()
    if "@" in authority:
        raise EgressRefused("the URL must not hold a user name or password")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise EgressRefused("the URL's host or port cannot be read")
    target_path = (path or "/") + (query or "")
    if not _VISIBLE.fullmatch(target_path):
        raise EgressRefused("the URL's path must be visible ASCII; write the rest as %XX")
    scheme = "https" if scheme.lower() == "https" else "http"
    host = parse_host(parts[1])
    _check_name(host, openings)
    return Target(
        scheme=scheme,
        host=host,
        port=_parse_port(parts[2], _DEFAULT_PORTS[scheme]),
        path=target_path,
    )


def parse_host(text: str) -> str:
    """Read a host: an address in its canonical form or a name.

    Returns:
        An address without brackets, or the name in ASCII and lower case.

    Raises:
        EgressRefused: It is neither.
    """
    if text.startswith("["):
        return _parse_v6(text[1:-1])
    name = text.lower()
    if not text.isascii():
        name = _to_ascii(text)
    if not _NUMBER.fullmatch(name.removesuffix(".").rpartition(".")[2]):
        if not _is_name(name):
            raise EgressRefused("the URL's host name is malformed")
        return name
    # The last label is a number, so that every parser takes the whole for an IPv4 address.
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        raise EgressRefused("a numeric host must be written as four decimal numbers") from None


def parse_address(host: str) -> Address | None:
    """Read a host that is an address; `None` for a name."""
    try:
        return IPv6Address(host) if ":" in host else IPv4Address(host)
    except AddressValueError:
        return None


def check_method(method: str) -> None:
    """Refuse methods that are no ordinary requests.

    Raises:
        EgressRefused: Such as CONNECT or TRACE.
    """
    if method not in METHODS:
        raise EgressRefused("the request's method is not one of " + ", ".join(sorted(METHODS)))


def check_headers(headers: Mapping[str, str]) -> None:
    """Check the headers that a caller wants to send; values are never repeated.

    Raises:
        EgressRefused: One is malformed, or governs the connection and so is not the caller's.
    """
    if len(headers) > MOST_HEADERS:
        raise EgressRefused(f"a request has at most {MOST_HEADERS} headers")
    size = 0
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise EgressRefused("a header's name holds a character that headers do not allow")
        if name.lower() in _OWN_HEADERS:
            raise EgressRefused(f"the header {name} cannot be set")
        if not _HEADER_VALUE.fullmatch(value):
            raise EgressRefused(f"the header {name} holds a character that headers do not allow")
        size += len(name) + len(value)
    if size > LARGEST_HEADERS:
        raise EgressRefused(f"a request's headers hold at most {LARGEST_HEADERS} characters")


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it goes to one server of a chain of redirects."""

    method: str
    target: Target
    headers: Mapping[str, str]
    content: bytes


def follow(hop: Hop, status: int, location: str, openings: Openings) -> Hop:
    """Make the request that a redirect asks for.

    Args:
        hop: The request that was answered.
        status: 301, 302, 303, 307 or 308.
        location: The answer's header.
        openings: What may be called.

    Returns:
        The next request. Another origin gets none of the caller's headers but harmless ones, since
        any of them may be a credential.

    Raises:
        EgressRefused: The new URL is not allowed, or is plain HTTP after HTTPS.
        EgressFailed: A body would go to another origin.
    """
    # The library would silently take control characters out of what it joins.
    if not _VISIBLE.fullmatch(location):
        raise EgressRefused("the redirect's URL cannot be read")
    try:
        url = urljoin(str(hop.target), location)
    except ValueError:
        raise EgressRefused("the redirect's URL cannot be read") from None
    target = parse_url(url, openings)
    if hop.target.scheme == "https" and target.scheme != "https":
        raise EgressRefused("a redirect from https to http is not followed")
    method, content, headers = hop.method, hop.content, dict(hop.headers)
    rewritten = (
        "GET" if status == 303 or (status in {301, 302} and method == "POST") else method  # noqa: PLR2004
    )
    if method == "HEAD":
        rewritten = "HEAD"
    if rewritten != method:
        method, content = rewritten, b""
        headers = {k: v for k, v in headers.items() if k.lower() not in _BODY_HEADERS}
    if target.origin != hop.target.origin:
        if content:
            raise EgressFailed("redirect")
        headers = {k: v for k, v in headers.items() if k.lower() in _HARMLESS_HEADERS}
    return Hop(method=method, target=target, headers=headers, content=content)


def _parse_v6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except AddressValueError:
        raise EgressRefused("the URL's IPv6 address is malformed") from None


def _to_ascii(text: str) -> str:
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError, ValueError):
        raise EgressRefused("the URL's international host name is malformed") from None


def _is_name(name: str) -> bool:
    labels = name.split(".")
    return len(name) <= LONGEST_HOST and all(
        len(label) <= LONGEST_LABEL and _LABEL.fullmatch(label) for label in labels
    )


def _check_name(host: str, openings: Openings) -> None:
    if parse_address(host) is not None or openings.names_host(host):
        return
    labels = host.split(".")
    endings = {".".join(labels[start:]) for start in range(len(labels))}
    if len(labels) == 1 or endings & _LOCAL_NAMES:
        raise EgressRefused(
            "the URL's host is a name of a private network; whoever runs this server opens it with "
            "EGRESS_ALLOW"
        )


def _parse_port(text: str | None, default: int) -> int:
    if text is None:
        return default
    port = int(text)
    if str(port) != text or not 1 <= port <= HIGHEST_PORT:
        raise EgressRefused("the URL's port must be a number from 1 to 65535")
    return port


def _parse_ports(text: str) -> range:
    first, _, last = text.partition("-")
    last = last or first
    if not (first.isdecimal() and last.isdecimal() and first.isascii() and last.isascii()):
        raise ValueError(f"{text!r} is neither a port nor a range of ports")
    found = range(int(first), int(last) + 1)
    if not found or found[0] < 1 or found[-1] > HIGHEST_PORT:
        raise ValueError(f"{text!r} is not within 1 to {HIGHEST_PORT}")
    return found
