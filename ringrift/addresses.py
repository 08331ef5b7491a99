"""Where this box can be reached, as far as it can tell by itself."""

import ipaddress
import socket
from collections.abc import Iterable, Sequence

from transports.base import Address

addresses_max = 4

# Addresses reserved for documentation: nothing is sent there, but the kernel says from where.
_outside = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def own_addresses(advertised: Sequence[Address], bound: Iterable[Address]) -> tuple[Address, ...]:
    """Return where others should dial this box: what the user said, else what can be found out.

    An advertised address without a port (port 0) gets that of the first socket. A socket bound to
    every address stands for those from which this box would reach the world, or for loopback if
    there are none. Does not touch the network.
    """
    listening = tuple(bound)
    if advertised:
        port = listening[0].port if listening else 0
        return tuple(Address(each.host, each.port or port) for each in advertised)
    found: dict[Address, None] = {}
    for address in listening:
        if _is_unspecified(address.host):
            found.update((Address(host, address.port), None) for host in _local_hosts())
        else:
            found[address] = None
    return tuple(found)[:addresses_max]


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _local_hosts() -> list[str]:
    hosts = []
    for family, outside in _outside:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((outside, 9))
                hosts.append(probe.getsockname()[0])
        except OSError:
            continue  # this box has no route of that family
    return hosts or ["127.0.0.1"]
