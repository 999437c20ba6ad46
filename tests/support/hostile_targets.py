"""URLs and DNS answers that lead where no tenant may go, in every spelling that is known to work.

Each case is refused before anything is connected to. `HOST` stands for the host of a case that is
about what a name resolves to.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "api.oracle-prices.com"
PUBLIC = "93.184.215.14"
PUBLIC_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


@dataclass(frozen=True)
class Case:
    """A URL, and what its host's name resolves to."""

    url: str
    answers: tuple[str, ...] = ()
    about: str = ""

    def __str__(self) -> str:
        return f"{self.about}: {self.url!r} {' '.join(self.answers)}".strip(": ")


# Written apart from the program's tables, from the registries.
PRIVATE_V4 = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
    *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
    *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
)
PRIVATE_V6 = (
    *("::/128", "::1/128", "::ffff:0:0/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64"),
    *("2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:2::/48"),
    *("2001:3::/32", "2001:4:112::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28"),
    *("2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16"),
    *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "::/96", "4000::/3", "6000::/3"),
    *("8000::/3", "a000::/3", "c000::/3", "e000::/4", "1000::/4", "0400::/6", "0200::/7"),
)
METADATA = IPv4Address("169.254.169.254")
INNER = (
    *(IPv4Address(text) for text in ("127.0.0.1", "10.0.0.1", "172.16.5.4", "192.168.1.1")),
    *(IPv4Address(text) for text in ("100.100.100.200", "0.0.0.0", "224.0.0.1")),  # noqa: S104
    METADATA,
)

SPELLINGS = (
    # Numbers in other bases, with fewer parts, with leading zeros, beyond their range.
    *("127.1", "127.0.1", "0177.0.0.1", "0177.1", "0x7f.1", "0x7f.0.0.1", "0x7f000001", "0X7F.1"),
    *("2130706433", "017700000001", "127.0.0.01", "127.000.000.001", "0127.0.0.1", "127.0.0.256"),
    *("127.0.0.0x1", "0x7f.0x0.0x0.0x1", "0", "0x0", "00", "1", "0x", "10.0x1", "169.254.43518"),
    *("0251.0376.0251.0376", "0xa9fea9fe", "2852039166", "0xa9.0xfe.0xa9.0xfe", "425.510.425.510"),
    *("4294967296", "99999999999", "127.0.0.1.", "127.0.0.1..", "127..0.1", "1.2.3.4.5", ".1"),
    *("a.0x7f", "www.127.0.0.1", "0x100000000", "127.0.0.-1", "+127.0.0.1", "127.0.0.1%00"),
    # The same in other scripts, which mapping turns into digits and dots.
    *("\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "127\uff0e0\uff0e0\uff0e1"),
    *("\uff11\uff12\uff17.0.0.1", "127.0.0\u00ad.1", "\u0661\u0662\u0667.0.0.1", "127.0.0.\u00b9"),
    *("0\uff587f.1", "\U0001d7cf\U0001d7d0\U0001d7d5.0.0.1"),
    # Local names, plain and disguised.
    *(
        "localhost",
        "LOCALHOST",
        "localhost.",
        "foo.localhost",
        "localhost.localdomain",
        "loc\u00adalhost",
    ),
    *("\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3", "\uff4cocalhost", "localho\u017ft"),
    *("metadata", "metadata.google.internal", "kubernetes", "kubernetes.default.svc", "postgres"),
    *("kubernetes.default.svc.cluster.local", "printer.local", "router.lan", "db.corp", "x.test"),
    *("nas.home.arpa", "1.0.0.127.in-addr.arpa", "hidden.onion", "x.example", "x.invalid", "x.alt"),
    *("intranet", "wiki.intranet", "db.private", "db.home"),
    # No names at all.
    *("", ".", "..", "a..b.com", "-a.com", "a-.com", "a.-b.com", "exa mple.com", "a,b.com", "*"),
    *("*.com", "a" * 64 + ".com", "a." * 130 + "com", "xn--\u00e4.com", "a\u2028b.com"),
    *("a\u200d.com", "[", "]", "[]", "[::1", "::1]", "::1", "[::1]]", "[[::1]]", "[v1.fe80]"),
    *("[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1%25lo]", "[127.0.0.1]", "[::127.0.0.1.]"),
    *("[:::1]", "[1::2::3]", "[12345::]", "[::g]", "[::ffff:0x7f.1]", "[::ffff:127.1]"),
    *("%6c%6f%63%61%6c%68%6f%73%74", "127%2e0%2e0%2e1", "a%00.com", "a.com%0d%0aHost:b"),
)
URLS = (
    *("", " ", "not a url", "//a.com/", "/etc/passwd", "a.com", "a.com/x", "https:", "https:/"),
    *("https://", "https:///x", "https:a.com", "https:/a.com", "https:\\\\a.com", "http:/\\a.com"),
    *("file:///etc/passwd", "ftp://a.com/", "gopher://a.com:70/_x", "dict://a.com:11211/stat"),
    *("ldap://a.com/", "unix:///run/x.sock", "jar:https://a.com!/", "data:text/plain,x"),
    *("javascript:alert(1)", "ws://a.com/", "httpss://a.com/", "xhttps://a.com/", "view-source:x"),
    *(
        "https://user@a.com/",
        "https://user:pw@a.com/",
        "https://a.com@127.0.0.1/",
        "https://@a.com/",
    ),
    *("https://127.0.0.1:80@a.com/", "https://a.com:443@b.com/", "https://a.com%40b.com/"),
    *("https://a.com\\@127.0.0.1/", "https://a.com\\.b.com/", "https://127.0.0.1\\a.com/"),
    *("https://a.com/x\\y", "https://a.com/?q=\\", "https://a.com#@127.0.0.1\\"),
    *(
        "https://a.com/\r\nHost: b.com",
        "https://a.com/x\ny",
        "https://a.com/x\ty",
        "https://a.com/ x",
    ),
    *(
        "https://a.com/\0",
        "https://a.com/\x7f",
        "\nhttps://a.com/",
        "https://a.com/\n",
        " https://a.com",
    ),
    *("ht\ttps://a.com/", "https://a\t.com/", "https://a.com/?x=\x01", "https://a.com/\x85"),
    *("https://a.com/\u00e9", "https://a.com/\ud800", "https://a.com/?q=\u2028"),
    *("https://a.com:0/", "https://a.com:65536/", "https://a.com:99999/", "https://a.com:-1/"),
    *(
        "https://a.com:+443/",
        "https://a.com:0443/",
        "https://a.com:4 43/",
        "https://a.com:443:443/",
    ),
    *(
        "https://a.com:/",
        "https://a.com:443a/",
        "https://a.com:\uff14\uff14\uff13/",
        "https://a.com:0x1bb/",
    ),
    "https://a.com/" + "x" * 9000,
)
BAD_PORTS = (22, 25, 53, 110, 143, 445, 3306, 5432, 6379, 8500, 9200, 10250, 11211, 27017)


def inside(inner: IPv4Address) -> Iterator[tuple[str, IPv6Address]]:
    """Put an IPv4 address into every IPv6 form that something on the way would take out again."""
    value = int(inner)
    yield "mapped", IPv6Address(0xFFFF << 32 | value)
    yield "compatible", IPv6Address(value)
    yield "nat64", IPv6Address((0x64FF9B << 96) | value)
    local = IPv6Address("64:ff9b:1::")
    yield "local nat64 /96", IPv6Address(int(local) | value)
    yield "local nat64 /48", IPv6Address(int(local) | (value >> 16) << 64 | (value & 0xFFFF) << 40)
    yield "6to4", IPv6Address(0x2002 << 112 | value << 80)
    teredo = int(IPv6Address("2001::"))
    yield "teredo client", IPv6Address(teredo | int(IPv4Address(PUBLIC)) << 64 | value ^ 0xFFFFFFFF)
    yield "teredo server", IPv6Address(teredo | value << 64)
    site = int(IPv6Address("2606:2800:21f:cb07::"))
    yield "isatap", IPv6Address(site | 0x5EFE << 32 | value)
    yield "isatap, global bit", IPv6Address(site | 0x02005EFE << 32 | value)


def _edges(network: IPv4Network | IPv6Network) -> list[str]:
    middle = network.network_address + network.num_addresses // 2
    return list(dict.fromkeys(str(a) for a in (network[0], middle, network[-1])))


def private_addresses() -> Iterator[str]:
    """The first, a middle and the last address of every network that is not public."""
    for text in PRIVATE_V4:
        yield from _edges(IPv4Network(text))
    for text in PRIVATE_V6:
        yield from _edges(IPv6Network(text))
    for inner in INNER:
        for _, address in inside(inner):
            yield str(address)


def cases() -> Iterator[Case]:
    """Every case once."""
    for address in private_addresses():
        host = f"[{address}]" if ":" in address else address
        yield Case(f"http://{host}/", about="address")
        yield Case(f"https://{HOST}/", (address,), "name")
    for spelling in SPELLINGS:
        yield Case(f"http://{spelling}/", (PUBLIC,), "spelling")
    for url in URLS:
        yield Case(url, (PUBLIC,), "URL")
    for port in BAD_PORTS:
        yield Case(f"https://{HOST}:{port}/", (PUBLIC,), "port")
    for inner in INNER:
        yield Case(f"https://{HOST}/", (PUBLIC, str(inner)), "mixed, private last")
        yield Case(f"https://{HOST}/", (str(inner), PUBLIC), "mixed, private first")
        yield Case(f"https://{HOST}/", (PUBLIC, PUBLIC_V6, f"::ffff:{inner}"), "mixed, hidden")
    yield Case(f"https://{HOST}/", (), "no answer")
    yield Case(f"https://{HOST}/", ("fe80::1%eth0",), "zone")
    yield Case(f"https://{HOST}/", ("not an address",), "nonsense")
    yield Case(f"https://{HOST}/", tuple(f"93.184.216.{n}" for n in range(65)), "too many")
