"""Sockets that listen: on the mesh's port, and at a path for the operator."""

import contextlib
import errno
import os
import pathlib
import socket
import stat
from collections.abc import AsyncIterator

import trio

from transports.base import Address

_backlog = 512


async def open_tcp(address: Address) -> list[trio.SocketListener]:
    """Listen at `address`: `::` for IPv6 and IPv4 at once, a name for every address it has.

    Port 0 takes a free one, the same for all. Raises `OSError`, with `errno.EADDRINUSE` where the
    port is taken.
    """
    with contextlib.ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, host in await _hosts(address.host):
            port = sockets[0].getsockname()[1] if sockets else address.port
            sockets.append(_listening(family, host, port))
            opened.callback(sockets[-1].close)
        opened.pop_all()
    return [trio.SocketListener(trio.socket.from_stdlib_socket(each)) for each in sockets]


def bound_address(listener: trio.SocketListener) -> Address:
    """Return where a TCP listener listens, with its real port."""
    host, port = listener.socket.getsockname()[:2]
    return Address(host, port)


@contextlib.asynccontextmanager
async def open_unix(path: pathlib.Path) -> AsyncIterator[trio.SocketListener]:
    """Listen at `path`, for this user alone (mode 0600), and remove the socket in the end.

    A socket whose process has died is replaced. Raises `OSError`: `errno.EADDRINUSE` where
    a process listens, or something that is no socket is in the way.
    """
    if not await _is_free(path):
        raise OSError(errno.EADDRINUSE, f"{path} is in use")
    listening = _listening_unix(path)
    try:
        yield trio.SocketListener(trio.socket.from_stdlib_socket(listening))
    finally:
        listening.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


async def _hosts(host: str) -> list[tuple[int, str]]:
    """Return the families and numeric addresses that `host` stands for."""
    if host == "::" and not socket.has_dualstack_ipv6():
        host = "0.0.0.0"
    found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, str(place[0])) for family, _, _, _, place in found))


def _listening(family: int, host: str, port: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A restarted agent must not wait for its last connections to time out.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        opened.bind((host, port))
        opened.listen(_backlog)
    except OSError:
        opened.close()
        raise
    return opened


def _listening_unix(path: pathlib.Path) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        opened.bind(os.fspath(path))
        # Nobody can connect before `listen`, so the mode is right from the first moment.
        path.chmod(0o600)
        opened.listen(_backlog)
    except OSError:
        opened.close()
        raise
    return opened


async def _is_free(path: pathlib.Path) -> bool:
    """Whether nothing is there, or a socket on which nobody listens."""
    try:
        stream = await trio.open_unix_socket(os.fspath(path))
    except FileNotFoundError:
        return True
    except ConnectionRefusedError:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    await stream.aclose()
    return False
