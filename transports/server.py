"""A server of HTTP/1.1 for people one does not know: every connection is admitted and limited.

It listens for peers (`transports.https` admits them) and, on a Unix socket, for the operator.
"""

import collections
import dataclasses
import functools
import logging
import pathlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import trio

from p2p.identity.ids import NodeId
from transports.base import Address, Handler, Refused, TransportError
from transports.http1 import Closing, Connection, linger
from transports.limits import Limits
from transports.listeners import open_unix

logger = logging.getLogger(__name__)

operator_request_s = 3600.0
"""What an answer to the operator may take, such as one that tells how long work goes on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Admitted:
    """A connection on which requests may come."""

    stream: trio.abc.HalfCloseableStream
    peer: NodeId | None
    refusal: str = ""
    """If given, every request is answered with this sentence and status 403."""


Admit: TypeAlias = Callable[[trio.SocketStream], Awaitable[Admitted]]
"""Finds out who is there. Raises `TransportError` to close the connection without a word."""


async def admit_operator(socket: trio.SocketStream) -> Admitted:
    """Admit whoever could open the socket: its mode has judged already."""
    return Admitted(socket, None)


async def serve_unix(
    path: pathlib.Path,
    handler: Handler,
    limits: Limits | None = None,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Let `handler` answer the operator at the Unix socket `path` until cancelled.

    Raises `OSError` if `path` is in use; the socket of a dead process is replaced.
    """
    async with open_unix(path) as listener:
        operator_limits = limits or Limits(request_s=operator_request_s)
        server = Server(handler, admit_operator, operator_limits)
        await server.serve([listener], task_status=task_status)


class Server:
    """Serves what comes from some listeners, for one `serve`."""

    def __init__(self, handler: Handler, admit: Admit, limits: Limits) -> None:
        self._handler = handler
        self._admit = admit
        self._limits = limits
        self._closing = Closing()
        self._shelter = trio.CancelScope(shield=True)
        self._ended = trio.Event()
        self._greetings: dict[trio.CancelScope, None] = {}
        self._peers: collections.Counter[NodeId | None] = collections.Counter()

    async def serve(
        self,
        listeners: Sequence[trio.SocketListener],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled, and close the listeners.

        Then what waits is cut off at once; requests under way get `Limits.grace_s` to finish and
        are cancelled. Nothing that a peer does can hold this up.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._close_when_cancelled)
            try:
                with self._shelter:
                    async with trio.open_nursery() as connections:
                        accept = functools.partial(
                            trio.serve_listeners, handler_nursery=connections
                        )
                        for listener in listeners:
                            nursery.start_soon(accept, self._serve_connection, [listener])
                        task_status.started()
                        await self._closing.begun.wait()
            finally:
                self._ended.set()

    async def _close_when_cancelled(self) -> None:
        """Give connections their moment; the shelter keeps them from being cancelled with us."""
        try:
            await trio.sleep_forever()
        finally:
            self._closing.begin()
            with trio.move_on_after(self._limits.grace_s, shield=True):
                await self._ended.wait()
            self._shelter.cancel()

    async def _serve_connection(self, socket: trio.SocketStream) -> None:
        limits = self._limits
        if self._peers.total() >= limits.connections_max + limits.handshakes_max:
            return
        try:
            admitted = await self._greet(socket)
            if admitted is not None:
                await self._serve_admitted(admitted)
        except Exception:
            # Whatever breaks in one connection must end it alone.
            logger.exception("a connection failed: %s", _remote(socket))

    async def _serve_admitted(self, admitted: Admitted) -> None:
        peer = admitted.peer
        connection = Connection(admitted.stream, peer, self._limits, self._closing)
        self._peers[peer] += 1
        try:
            if admitted.refusal:
                await connection.refuse(403, admitted.refusal)
            elif self._peers.total() > self._limits.connections_max:
                await connection.refuse(503, "too many connections")
            elif peer and self._peers[peer] > self._limits.connections_per_peer_max:
                await connection.refuse(503, "too many connections from this node")
            else:
                await connection.run(self._handler)
        finally:
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]

    async def _greet(self, socket: trio.SocketStream) -> Admitted | None:
        """Find out who is there; None if nobody who may stay.

        A flood of strangers drops its own oldest connections: a member needs only a moment.
        """
        if len(self._greetings) >= self._limits.handshakes_max:
            next(iter(self._greetings)).cancel()
        with self._closing.waiting() as scope:
            self._greetings[scope] = None
            try:
                with trio.move_on_after(self._limits.handshake_s):
                    return await self._admit(socket)
            except Refused as error:
                logger.info("refused %s: %s", _remote(socket), error)
                await linger(socket, self._limits)
            except TransportError as error:
                logger.debug("lost %s: %s", _remote(socket), error)
            finally:
                del self._greetings[scope]
        return None


def _remote(socket: trio.SocketStream) -> str:
    try:
        place = socket.socket.getpeername()
    except OSError:
        return "a peer that has left"
    return str(Address(*place[:2])) if isinstance(place, tuple) else "the operator"
