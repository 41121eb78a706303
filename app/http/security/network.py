"""Client networks: addresses that limits by address count as one caller."""

import ipaddress


def network_of(address: str) -> str:
    """The network of one client: an IPv4 address, or the /64 of an IPv6 address (one customer)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))
