"""Client networks: addresses that limits by address count as one caller."""

from ipaddress import IPv6Network, ip_address


def network_of(address: str) -> str:
    """The network of one client: an IPv4 address, or the /64 of an IPv6 address (one customer)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(IPv6Network((parsed, 64), strict=False))
