"""What counts as one address."""

import pytest

from app.http.security.network import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_a_customer_s_network_counts_as_one_address(address: str, network: str) -> None:
    """Whether requests or attempts to sign in are counted."""
    assert network_of(address) == network
