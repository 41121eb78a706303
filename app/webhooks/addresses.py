"""Which addresses webhooks may be sent to: those of other machines in the public Internet.

An endpoint's URL comes from a person, so without this rule the service could be made to call what
only its own network can reach (SSRF, CWE-918). The rule is for addresses, not for names:
app/webhooks/sender.py applies it to the address that it then connects to.

The ranges are those of the IANA special-purpose address registries. `ipaddress.is_global` knows
most of them, but takes multicast for global and, depending on the version of Python, more.
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that IANA allocates in IPv6. Outside it are, among others, IPv4-mapped and IPv4-compatible
addresses, NAT64 prefixes, unique local, link-local, site-local and multicast addresses."""

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are the IPv4 address that a translator connects to. In networks with
IPv6 only, every receiver with IPv4 only has such an address."""

_REFUSED = (
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv4Network("168.63.129.16/32"),  # the platform under each virtual machine in Azure
    IPv6Network("2001::/23"),  # IETF protocol assignments, Teredo among them
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4: contains an IPv4 address
    IPv6Network("3fff::/20"),  # documentation
)

_NEVER_ASSIGNED = {4: "192.0.2.1", 6: "2001:db8::1"}
"""An address for documentation by IP version, which no machine has."""


NOT_ALLOWED = (
    "of this machine, of a private network or reserved; only DAYBOOK_WEBHOOK_PRIVATE=on allows that"
)
"""The end of a sentence that refuses an address."""


def is_allowed(address: str) -> bool:
    """Whether webhooks may be sent to an address, as getaddrinfo returns it."""
    return is_public(address) and not is_of_this_machine(address)


def is_public(address: str) -> bool:
    """Whether an address is of one machine in the public Internet, by what the address says."""
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        if found in _NAT64:
            found = IPv4Address(int(found) & 0xFFFFFFFF)
        elif found not in _GLOBAL_UNICAST:
            return False
    if found.is_multicast or not found.is_global:
        return False
    return not any(found in network for network in _REFUSED)


def is_of_this_machine(address: str) -> bool:
    """Whether an interface of this machine has the address.

    Where the system lets any address be bound (net.ipv4.ip_nonlocal_bind), this cannot be told,
    and the result is False.
    """
    return _can_bind(address) and not _can_bind(_NEVER_ASSIGNED[ip_address(address).version])


def _can_bind(address: str) -> bool:
    family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True
