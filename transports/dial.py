"""Finds a node behind its addresses, and lets httpcore speak to that node alone."""

import errno
import os
import ssl
from collections.abc import Sequence
from typing import Any

import httpcore
import trio

from p2p.identity import tls
from p2p.identity.certificates import PeerRefused, check_peer
from p2p.identity.ids import MeshId, NodeId, mesh_name, node_name
from transports.base import Address, Interrupted, NotListening, Refused, TransportError, Unreachable
from transports.tls_stream import TlsStream

_no_route = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class _NoRoute(Unreachable):
    """This box cannot send to that address at all, which says nothing about the peer."""


class Dialler:
    """Makes connections to the nodes of one mesh."""

    def __init__(self, mesh: MeshId, context: ssl.SSLContext, *, head_start_s: float) -> None:
        self.context = context
        self._mesh = mesh
        self._head_start_s = head_start_s

    def name(self, node: NodeId | None) -> str:
        """Return the name that this node's certificate must bear; None is any node."""
        return mesh_name(self._mesh) if node is None else node_name(node, self._mesh)

    async def dial(
        self, addresses: Sequence[Address], expected: NodeId | None
    ) -> tuple[TlsStream, NodeId]:
        """Return a connection to `expected`, or to any node of the mesh, and who it is.

        Each address is tried in its turn, beside those before it that have not answered within
        `head_start_s` [RFC 8305]. The first behind which the right node has proved itself is
        taken. Raises `Unreachable`, `NotListening` or `Refused`.
        """
        found: list[tuple[TlsStream, NodeId]] = []
        failures: list[TransportError] = []

        async def attempt(address: Address, failed: trio.Event) -> None:
            try:
                found.append(await self._connect(address, expected))
                nursery.cancel_scope.cancel()
            except TransportError as error:
                failures.append(error)
                failed.set()

        chosen = None
        try:
            async with trio.open_nursery() as nursery:
                for address in addresses:
                    failed = trio.Event()
                    nursery.start_soon(attempt, address, failed)
                    with trio.move_on_after(self._head_start_s):
                        await failed.wait()
            chosen = found[0] if found else None
        finally:
            for each in found:
                if each is not chosen:
                    await trio.aclose_forcefully(each[0])
        if chosen is None:
            raise _summary(failures)
        return chosen

    async def _connect(self, address: Address, expected: NodeId | None) -> tuple[TlsStream, NodeId]:
        try:
            socket = await trio.open_tcp_stream(address.host, address.port)
        except OSError as error:
            raise _unconnected(address, error) from error
        stream = TlsStream(socket, self.context, server_hostname=self.name(expected))
        node = None
        try:
            node = check_peer(await stream.do_handshake(), self._mesh, expected)
        except PeerRefused as error:
            raise Refused(f"{address}: {error}") from error
        except (ssl.SSLError, trio.BrokenResourceError) as error:
            raise _unsecured(address, error) from error
        finally:
            if node is None:
                await trio.aclose_forcefully(stream)
        return stream, node


def _unconnected(address: Address, error: OSError) -> Unreachable:
    """Tell a box that refuses from one that is silent or cannot be reached from here."""
    group = error.__cause__
    causes = group.exceptions if isinstance(group, ExceptionGroup) else (error,)
    errnos = {each.errno for each in causes if isinstance(each, OSError)}
    kind = Unreachable
    if errnos <= _no_route:
        kind = _NoRoute
    elif errnos <= _no_route | {errno.ECONNREFUSED}:
        kind = NotListening
    reasons = {_reason(each) for each in causes}
    return kind(f"{address}: {', '.join(sorted(reasons))}")


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return str(error.args[-1]).lower()


def _unsecured(address: Address, error: Exception) -> TransportError:
    """Tell a refused identity, which is final, from a stranger or a connection that was lost."""
    refusal = tls.refusal(error)
    if refusal is None:
        return Unreachable(f"{address}: the connection was lost during the handshake")
    kind = Refused if refusal.is_about_identity else Unreachable
    return kind(f"{address}: {refusal.sentence}")


def _summary(failures: Sequence[TransportError]) -> TransportError:
    """Return what to say when every address has failed: the hope that is left, if any."""
    sentence = "; ".join(map(str, failures)) or "the node has no address"
    if failures and all(isinstance(each, Refused) for each in failures):
        return Refused(sentence)
    refused = any(isinstance(each, NotListening) for each in failures)
    if refused and all(isinstance(each, NotListening | _NoRoute) for each in failures):
        return NotListening(sentence)
    return Unreachable(sentence)


class DialBackend(httpcore.AsyncNetworkBackend):
    """Lets an httpcore pool reach one node, whatever name is in the URL."""

    def __init__(self, dialler: Dialler, expected: NodeId | None) -> None:
        self._dialler = dialler
        self._expected = expected
        self.addresses: Sequence[Address] = ()
        self.node: NodeId | None = expected
        """Who has answered."""

    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Return a connection on which TLS and the peer's identity are settled."""
        stream, self.node = await self._dialler.dial(self.addresses, self._expected)
        return DialledStream(stream)


class DialledStream(httpcore.AsyncNetworkStream):
    """A connection as httpcore uses it; the deadline is the request's, around everything."""

    def __init__(self, stream: TlsStream) -> None:
        self._stream = stream

    async def start_tls(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Do nothing: an address is right only if the right node is behind it, so TLS has run."""
        return self

    async def read(self, max_bytes: int, *_: Any, **__: Any) -> bytes:
        """Return what has come. Raises `Refused`, which TLS 1.3 tells only now, or `Interrupted`.

        No answer of ours ends with its connection, so the connection's end is never in order.
        """
        try:
            data = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            refusal = tls.refusal(error)
            if refusal is not None and refusal.is_about_identity:
                raise Refused(refusal.sentence) from error
            raise Interrupted("the connection broke before the answer was complete") from error
        if not data:
            raise Interrupted("the peer closed the connection before its answer was complete")
        return data

    async def write(self, buffer: bytes, *_: Any, **__: Any) -> None:
        """Send. A peer that refuses has perhaps said why: httpcore reads on after `WriteError`."""
        try:
            await self._stream.send_all(buffer)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore.WriteError from error

    async def aclose(self) -> None:
        """Close the connection, at once."""
        await trio.aclose_forcefully(self._stream)

    def get_extra_info(self, info: str) -> Any:
        """Tell httpcore whether an idle connection has been closed by the peer."""
        return self._stream.is_readable() if info == "is_readable" else None
