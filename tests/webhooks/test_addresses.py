"""The rule for addresses, by the registries of IANA."""

import pytest

from app.webhooks.addresses import is_of_this_machine, is_public

PUBLIC = ["8.8.8.8", "193.99.144.80", "2606:4700:4700::1111", "2a01:4f8::1", "64:ff9b::808:808"]

NOT_PUBLIC = {
    "this network": ["0.0.0.0", "0.1.2.3", "::"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd00::1"],
    "link-local": ["169.254.1.1", "fe80::1", "fe80::1%1", "fec0::1"],
    "metadata of clouds": [
        *("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd20:ce::254"),
        *("100.100.100.200", "192.0.0.192", "168.63.129.16"),
    ],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "reserved": [
        "192.0.0.9",
        "192.88.99.1",
        "198.18.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "100::1",
    ],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:10.0.0.1"],
    "IPv4-compatible": ["::127.0.0.1", "::a9fe:a9fe"],
    "IPv4-translated": ["::ffff:0:127.0.0.1", "::ffff:0:a9fe:a9fe"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::e000:1", "64:ff9b:1::808:808"],
    "6to4": ["2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:808:808::1"],
    "Teredo": ["2001:0:a9fe:a9fe::1", "2001::1"],
    "not allocated": ["4000::1", "5f00::1", "8000::1", "1::1"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_reached(address: str) -> None:
    """Of another machine in the Internet, also through a NAT64 translator."""
    assert is_public(address)
    assert not is_of_this_machine(address)


@pytest.mark.parametrize(
    "address", [each for addresses in NOT_PUBLIC.values() for each in addresses]
)
def test_every_other_address_is_refused(address: str) -> None:
    """Also where an IPv6 address only contains the IPv4 address."""
    assert not is_public(address)


def test_an_address_of_an_interface_is_of_this_machine() -> None:
    """A public address of this machine would be found in the same way."""
    assert is_of_this_machine("127.0.0.1")
    assert not is_of_this_machine("192.0.2.77")
    assert not is_of_this_machine("2001:db8::77")
