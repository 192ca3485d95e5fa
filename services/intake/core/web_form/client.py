"""Whose post it is, as far as addresses tell: X-Forwarded-For counts only from proxies that are ours.

Anybody can write that header. It is read from its right end, where our own proxies wrote, up to the first
address that is none of theirs. Of IPv6 a household has a whole /64, so that is what counts as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

HOPS_MAX: Final = 20
"""Proxies in a row; further ones are made up."""
UNKNOWN: Final = "unknown"
_HOUSEHOLD_BITS: Final = 64

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]


def client_of(peer: str | None, forwarded: Sequence[str], trusted: Networks) -> str:
    """Return who sent a request that came from `peer`: an IPv4 address, a /64 of IPv6, or UNKNOWN.

    `forwarded` are the values of X-Forwarded-For, in order; `trusted` the networks of our own proxies.
    """
    found = _address(peer or "")
    hops = [hop.strip() for value in forwarded for hop in value.split(",")][-HOPS_MAX:]
    while found is not None and hops and any(found in network for network in trusted):
        found = _address(hops.pop()) or found
    return UNKNOWN if found is None else _household(found)


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _household(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, _HOUSEHOLD_BITS), strict=False))
