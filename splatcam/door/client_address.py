"""Where a client comes from, also behind proxies. Pure: no socket, no framework."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, MutableMapping
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IPV6_PREFIX = 64  # what one household or machine is given: within it addresses cost nothing
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")


def trusted_networks(setting: str, environment: Mapping[str, str]) -> tuple[Network, ...]:
    """Whose word on a client's address is taken. In a pod of Runpod all visitors come through its proxy."""
    named = [name.strip() for name in setting.split(",") if name.strip()]
    if not named and environment.get("RUNPOD_POD_ID"):
        named = list(PRIVATE)
    return tuple(ipaddress.ip_network(name, strict=False) for name in named)


def client_of(scope: MutableMapping[str, Any], trusted: tuple[Network, ...]) -> str | None:
    """The peer; of a chain of trusted proxies, the last hop that is none of them. None: not to be counted by address.

    Read from the right: what is left of the first untrusted hop anybody may have written.
    """
    peer = _parsed(scope["client"][0]) if scope.get("client") else None
    if peer is None:
        return None
    for hop in reversed(_forwarded_for(scope)):
        if not _is_in(peer, trusted):
            break
        before = _parsed(hop)
        if before is None:  # "unknown", or a proxy's own shorthand
            break
        peer = before
    return _counted_as(peer)


def _forwarded_for(scope: MutableMapping[str, Any]) -> list[str]:
    """Of all such headers, in their order."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"x-forwarded-for"]
    return [hop for hop in ",".join(values).split(",") if hop.strip()]


def _parsed(hop: str) -> Address | None:
    """`1.2.3.4`, `1.2.3.4:567`, `fe80::1%eth0`, `[::1]:567`."""
    name = hop.strip()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _counted_as(address: Address) -> str | None:
    """This machine is not counted: its tunnels and proxies bring many visitors."""
    if address.is_loopback:
        return None
    if address.version == 6:
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)
