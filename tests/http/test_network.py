"""Client networks: which addresses count as one."""

import pytest

from app.http.security.network import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_an_ipv6_network_of_64_bits_counts_as_one_address(address: str, network: str) -> None:
    """An IPv4 address counts by itself, an IPv6 address by its /64."""
    assert network_of(address) == network
