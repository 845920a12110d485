"""Which addresses may be connected to: by default only those that anybody on the internet could reach.

A list of URLs comes from strangers. Without this rule it could aim at the machine itself, at its
network, or at a cloud's metadata service. The rule is applied to every resolved address at every
connection, so that neither a redirect nor a name that changes its address gets round it.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Network = IPv4Network | IPv6Network

# The registries of special-purpose addresses (RFC 6890 with its updates), what the standard library
# does not count as private, and what clouds use for their metadata.
_BLOCKED_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_BLOCKED_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "::/128",
        "::1/128",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)

_IPV4_COMPATIBLE: Final = IPv6Network("::/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_ISATAP: Final = (0x00005EFE, 0x02005EFE)


def is_public(address: str) -> bool:
    """Whether the IP address `address`, perhaps with a zone, is one that the whole internet reaches.

    IPv4 addresses inside IPv6 ones (mapped, compatible, 6to4, NAT64, ISATAP; Teredo is blocked as a
    whole) count as themselves.
    """
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv4Address):
        return _is_public_v4(parsed)
    if any(parsed in network for network in _BLOCKED_V6):
        return False
    return all(_is_public_v4(inner) for inner in _embedded(parsed))


def _is_public_v4(address: IPv4Address) -> bool:
    return not any(address in network for network in _BLOCKED_V4)


def _embedded(address: IPv6Address) -> list[IPv4Address]:
    inner = [found for found in (address.ipv4_mapped, address.sixtofour) if found is not None]
    number = int(address)
    if address in _IPV4_COMPATIBLE or address in _NAT64 or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        inner.append(IPv4Address(number & 0xFFFFFFFF))
    return inner


def is_allowed(address: str, allowed: Sequence[Network]) -> bool:
    """Whether `address` is public or within one of the networks that the user allowed."""
    if is_public(address):
        return True
    parsed = ip_address(address.partition("%")[0])
    return any(parsed in network for network in allowed if network.version == parsed.version)
