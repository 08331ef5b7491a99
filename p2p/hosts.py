"""What may stand where a host is named."""

import ipaddress
import re

host_chars_max = 253

_label = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_name = re.compile(rf"{_label}(\.{_label})*\.?")


def check_host(host: str) -> None:
    """Raise `ValueError` unless `host` is a name, or an IPv4 or IPv6 address without a zone."""
    if ":" in host:
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError(f"{host!r} is no IPv6 address") from None
        if address.scope_id is not None:
            raise ValueError(f"{host!r} has a zone, which means nothing elsewhere")
    elif len(host) > host_chars_max or not _name.fullmatch(host):
        raise ValueError(f"{host!r} is neither a host name nor an IP address")
