"""The egress guard's pure rules: which addresses are public, how URLs are read, what follows."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicelayer_api.app import build_core
from servicelayer_api.egress import EgressFailed, EgressRefused, build, parse_openings, rules
from servicelayer_api.egress.addresses import embedded_v4, is_public
from servicelayer_api.settings import Settings, SettingsError
from support.hostile_targets import INNER, PUBLIC, PUBLIC_V6, inside, private_addresses

OPEN = parse_openings((), ("80", "443"))


@pytest.mark.parametrize("address", list(dict.fromkeys(private_addresses())))
def test_an_address_of_the_special_registries_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::a83f:8110", "2002:a83f:8110::1"),
        *("161.26.0.10", "166.11.255.255", "199.36.153.4", "199.36.153.11"),
        *("169.254.169.254", "100.100.100.200", "fd00:ec2::254", "fe80::a9fe:a9fe"),
    ],
)
def test_where_a_cloud_serves_its_own_machines_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
        *("126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255"),
        *("172.32.0.0", "192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.1.1"),
        *("198.20.0.0", "198.51.101.0", "203.0.114.0", "223.255.255.255", "1.0.0.0", PUBLIC),
        *("2606:4700:4700::1111", "2001:4860:4860::8888", "2400:cb00::1", "2003::", "2620:0:2d0::"),
        *("168.63.129.15", "168.63.129.17", "161.25.255.255", "166.12.0.0", "199.36.153.12"),
        *("2001:200::", "3ffe::1", "2001:dc8::1", PUBLIC_V6),
    ],
)
def test_an_address_beside_the_special_networks_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_translated_public_address_is_public_where_the_prefix_is() -> None:
    assert is_public(IPv6Address("64:ff9b::808:808"))
    assert not is_public(IPv6Address("64:ff9b:1::808:808"))


def test_opening_a_translation_prefix_does_not_open_what_lies_behind_it() -> None:
    opened = parse_openings(("64:ff9b:1::/48",), ())
    assert is_public(IPv6Address("64:ff9b:1::808:808"), opened.networks)
    assert not is_public(IPv6Address("64:ff9b:1::a00:1"), opened.networks)
    assert not is_public(IPv6Address("64:ff9b:1:a00:0:100::"), opened.networks)


@pytest.mark.parametrize("inner", INNER[:4])
def test_every_form_of_an_embedded_address_is_decoded(inner: IPv4Address) -> None:
    for form, address in inside(inner):
        assert inner in list(embedded_v4(address)), form


@given(st.integers(0, 2**32 - 1))
def test_no_embedding_makes_an_address_more_public(value: int) -> None:
    plain = IPv4Address(value)
    for form, address in inside(plain):
        assert is_public(plain) or not is_public(address), form


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("https://a.com", ("https", "a.com", 443), "/"),
        ("HTTPS://A.COM:8443/x?y#z", ("https", "a.com", 8443), "/x?y"),
        ("http://a.com?q=1", ("http", "a.com", 80), "/?q=1"),
        ("https://b\u00fccher.de/", ("https", "xn--bcher-kva.de", 443), "/"),
        ("https://fa\u00df.de/", ("https", "xn--fa-hia.de", 443), "/"),
        ("https://8.8.8.8/", ("https", "8.8.8.8", 443), "/"),
        ("https://[2606:4700::0:1]:444/", ("https", "2606:4700::1", 444), "/"),
        ("https://_dns.a-b.com/%2e%2e/{x}|", ("https", "_dns.a-b.com", 443), "/%2e%2e/{x}|"),
        ("https://1.2.3.4.nip.io/", ("https", "1.2.3.4.nip.io", 443), "/"),
    ],
)
def test_a_good_url_is_read(url: str, origin: tuple[str, str, int], path: str) -> None:
    target = rules.parse_url(url, OPEN)
    assert (target.origin, target.path) == (origin, path)


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_url_is_read_or_refused_and_never_anything_else(host: str, path: str) -> None:
    try:
        target = rules.parse_url(f"https://{host}/{path}", OPEN)
    except EgressRefused:
        return
    assert rules.parse_url(str(target), OPEN) == target
    assert target.host.isascii()


def test_openings_by_name_network_and_port() -> None:
    openings = parse_openings(("10.1.0.0/16", "db.internal", ".corp", "::1"), ("443", "8000-8002"))
    private, other = IPv4Address("10.1.2.3"), IPv4Address("10.2.0.1")
    assert openings.lets_through("any.com", 22, private)
    assert not openings.lets_through("any.com", 443, other)
    assert openings.lets_through("db.internal", 5432, other)
    assert openings.lets_through("a.b.corp", 1, other)
    assert not openings.lets_through("corp", 443, other)
    assert openings.lets_through("any.com", 8001, IPv4Address("8.8.8.8"))
    assert not openings.lets_through("any.com", 8003, IPv4Address("8.8.8.8"))
    assert rules.parse_url("http://db.internal:5432/", openings).host == "db.internal"


@pytest.mark.parametrize(
    ("allow", "ports"),
    [
        (("10.0.0.0/33",), ()),
        (("exa mple",), ()),
        (("http://a.com",), ()),
        (("*.a.com",), ()),
        ((), ("0",)),
        ((), ("70000",)),
        ((), ("9-8",)),
        ((), ("http",)),
        ((), ("\u0664",)),
    ],
)
def test_openings_that_cannot_be_read_are_refused(
    allow: tuple[str, ...], ports: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="is n"):
        parse_openings(allow, ports)


def test_settings_that_cannot_be_used_stop_the_start() -> None:
    for bad in (
        Settings(egress_allow=("http://a.com",)),
        Settings(egress_ports=("0",)),
        Settings(egress_ca_file="/nowhere/ca.pem"),
    ):
        with pytest.raises(SettingsError, match="EGRESS_"):
            build(build_core(bad))


def _hop(method: str = "GET", url: str = "https://a.com/x", content: bytes = b"") -> rules.Hop:
    return rules.Hop(
        method=method,
        target=rules.parse_url(url, OPEN),
        headers={"Authorization": "s", "X-Api-Key": "s", "Accept": "a", "Content-Type": "t"},
        content=content,
    )


def test_a_redirect_on_the_same_origin_keeps_the_credentials() -> None:
    hop = rules.follow(_hop(), 302, "../y?z", OPEN)
    assert (hop.target.path, hop.headers["X-Api-Key"]) == ("/y?z", "s")


@pytest.mark.parametrize(
    "location", ["https://b.com/", "//b.com/", "https://a.com:8443/", "https://sub.a.com/"]
)
def test_a_redirect_to_another_origin_carries_no_credentials(location: str) -> None:
    assert dict(rules.follow(_hop(), 302, location, OPEN).headers) == {"Accept": "a"}


@pytest.mark.parametrize(
    ("method", "status", "after"),
    [
        *(("POST", 301, "GET"), ("POST", 302, "GET"), ("POST", 303, "GET"), ("PUT", 303, "GET")),
        *(("POST", 307, "POST"), ("PUT", 302, "PUT"), ("HEAD", 303, "HEAD"), ("GET", 308, "GET")),
    ],
)
def test_a_redirect_changes_the_method_as_http_says(method: str, status: int, after: str) -> None:
    hop = rules.follow(_hop(method, content=b"b"), status, "/y", OPEN)
    assert (hop.method, hop.content) == (after, b"b" if after == method else b"")
    assert ("Content-Type" in hop.headers) == (after == method)


def test_a_body_is_not_sent_on_to_another_origin() -> None:
    with pytest.raises(EgressFailed) as caught:
        rules.follow(_hop("POST", content=b"b"), 307, "https://b.com/", OPEN)
    assert caught.value.kind == "redirect"


@pytest.mark.parametrize(
    "location",
    [
        *("http://a.com/", "file:///etc/passwd", "https://127.1/", "https://user@a.com/", "//\\b"),
        *("https://a.com/\tx", "https://lo\tcalhost/", "", "https://[::1", "https://localhost/"),
    ],
)
def test_a_redirect_is_judged_like_a_url(location: str) -> None:
    with pytest.raises(EgressRefused):
        rules.follow(_hop(), 302, location, OPEN)


@pytest.mark.parametrize(
    "headers",
    [
        *({"Host": "b.com"}, {"content-length": "1"}, {"Transfer-Encoding": "chunked"}),
        *({"Connection": "x"}, {"Proxy-Authorization": "x"}, {"Accept-Encoding": "gzip"}),
        *({"A": "x\r\nB: y"}, {"A\r\nB": "y"}, {"A B": "y"}, {"": "y"}, {"A:": "y"}, {"A": "\0"}),
        *({"A": "\u20ac"}, {f"H{n}": "" for n in range(101)}, {"A": "x" * 40_000}),
    ],
)
def test_headers_that_govern_the_connection_or_break_it_are_refused(
    headers: dict[str, str],
) -> None:
    with pytest.raises(EgressRefused) as caught:
        rules.check_headers(headers)
    assert "x\r" not in caught.value.detail


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "BREW", "get", "", "GET /\r\n"])
def test_methods_that_are_no_ordinary_requests_are_refused(method: str) -> None:
    with pytest.raises(EgressRefused):
        rules.check_method(method)
