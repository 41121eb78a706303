"""Client networks: addresses that limits by address count as one caller."""

from functools import lru_cache
from ipaddress import IPv6Network, ip_address


@lru_cache(maxsize=1024)
def network_of(address: str) -> str:
    """The network of one client: an IPv4 address, or the /64 of an IPv6 address (one customer).

    A socket or a proxy that serves both versions may write an IPv4 address as ::ffff:192.0.2.1;
    all of those are in one /64.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped or IPv6Network((parsed, 64), strict=False))
