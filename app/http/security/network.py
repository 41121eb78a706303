"""Which addresses count as one caller's, where callers are counted by address."""

import ipaddress


def network_of(address: str) -> str:
    """What counts as one address: in IPv6 the 64 bits that a provider gives to one customer."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False))
