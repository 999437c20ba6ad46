"""How clients' addresses are read, and what counts as one client."""

from __future__ import annotations

import pytest

from servicelayer_api.web.addresses import canonical, parse_address, site_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.5.5.1", "5.5.5.1"),
        ("5.5.5.1:1000", "5.5.5.1"),
        (" 5.5.5.1 ", "5.5.5.1"),
        ("::ffff:6.6.6.6", "6.6.6.6"),
        ("[::ffff:6.6.6.6]:80", "6.6.6.6"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_has_one_spelling(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    "text", ["", "unknown", "5.5.5", "5.5.5.1:", "5.5.5.1:x", "[::1", "[::1]x", "::1]:5", "a" * 200]
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8::1", False),
        ("6.6.6.6", "::ffff:6.6.6.6", True),
        ("6.6.6.6", "6.6.6.7", False),
        ("6.6.6.6:1", "6.6.6.6:2", True),
    ],
)
def test_a_client_is_an_address_or_a_network_of_ipv6(one: str, other: str, *, same: bool) -> None:
    assert (site_of(one) == site_of(other)) is same
