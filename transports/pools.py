"""The connections that a node keeps open to its peers: one httpcore pool for each."""

import contextlib
from collections.abc import AsyncIterable, AsyncIterator

import httpcore
import httpx
import trio

from p2p.identity.ids import NodeId
from transports.base import BadAnswer, Body, Interrupted
from transports.dial import DialBackend, Dialler
from transports.limits import Limits

_piece_bytes = 256 * 1024
"""What is encrypted of a body at once."""
_farewell_s = 1.0


class PeerPool:
    """The connections to one node, or to whoever answers an introduction."""

    def __init__(self, dialler: Dialler, node: NodeId | None, limits: Limits) -> None:
        self.name = dialler.name(node)
        self.backend = DialBackend(dialler, node)
        self.connections = httpcore.AsyncConnectionPool(
            ssl_context=dialler.context,
            max_connections=limits.dialled_per_peer_max,
            keepalive_expiry=limits.dialled_idle_s,
            network_backend=self.backend,
        )
        # httpcore looks at all that wait whenever one is served, so they wait here.
        self.slots = trio.Semaphore(limits.dialled_per_peer_max)
        self.users = 0
        self.was_used = True
        self.retires_s = trio.current_time() + limits.connection_s


class Pools(httpx.AsyncBaseTransport):
    """What is beneath the httpx client: picks the pool that the request names."""

    def __init__(self, dialler: Dialler, limits: Limits) -> None:
        self._dialler = dialler
        self._limits = limits
        self._pools: dict[NodeId, PeerPool] = {}

    @contextlib.asynccontextmanager
    async def use(self, node: NodeId) -> AsyncIterator[PeerPool]:
        """Lend the pool of a node, once it has a connection to spare."""
        pool = await self._current(node)
        self._pools[node] = pool
        pool.users += 1
        pool.was_used = True
        try:
            await self._close_surplus()
            async with pool.slots:
                yield pool
        finally:
            pool.users -= 1
            if not pool.users and self._pools.get(node) is not pool:
                with trio.move_on_after(_farewell_s, shield=True):
                    await pool.connections.aclose()

    async def _current(self, node: NodeId) -> PeerPool:
        """Take out the pool of a node; one that is too old is left to those who still use it."""
        pool = self._pools.pop(node, None)
        if pool is not None and trio.current_time() >= pool.retires_s:
            if not pool.users:
                await pool.connections.aclose()
            pool = None
        return pool or PeerPool(self._dialler, node, self._limits)

    @contextlib.asynccontextmanager
    async def introduce(self) -> AsyncIterator[PeerPool]:
        """Lend a pool for one request to a node that is not known yet."""
        pool = PeerPool(self._dialler, None, self._limits)
        try:
            yield pool
        finally:
            await pool.connections.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose extension `pool` is a `PeerPool`.

        The response's extension `stream` is its `AnswerStream`. Raises `TransportError`, and
        whatever the request's body raises.
        """
        pool: PeerPool = request.extensions["pool"]
        url = request.url
        try:
            response = await pool.connections.handle_async_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        except httpcore.RemoteProtocolError as error:
            raise BadAnswer(f"the answer is malformed: {error}") from error
        stream = AnswerStream(response)
        return httpx.Response(
            response.status, headers=response.headers, stream=stream, extensions={"stream": stream}
        )

    async def close_unused(self) -> None:
        """Until cancelled, close what has not been used for once to twice `dialled_idle_s`."""
        while True:
            await trio.sleep(self._limits.dialled_idle_s)
            for node, pool in list(self._pools.items()):
                if not pool.users and not pool.was_used:
                    del self._pools[node]
                    await pool.connections.aclose()
                pool.was_used = pool.users > 0

    async def aclose(self) -> None:
        """Close every connection; one in use is left to its request, which must be cancelled.

        To httpcore a connection that is being made is none yet, so it would not be closed here.
        """
        while self._pools:
            _, pool = self._pools.popitem()
            if not pool.users:
                await pool.connections.aclose()

    async def _close_surplus(self) -> None:
        """Close what has gone unused for longest; pools in use are as many as requests."""
        unused = [node for node, pool in self._pools.items() if not pool.users]
        surplus = len(self._pools) - self._limits.dialled_peers_max
        for pool in [self._pools.pop(node) for node in unused[: max(0, surplus)]]:
            await pool.connections.aclose()


class RequestStream(httpx.AsyncByteStream):
    """A request's body; no generator, which httpcore would leave half-way when it fails."""

    def __init__(self, body: Body) -> None:
        self._pieces = aiter(body) if isinstance(body, AsyncIterable) else None
        self._whole = memoryview(body if isinstance(body, bytes) else b"")

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self if self._pieces is None else self._pieces

    async def __anext__(self) -> bytes:
        piece, self._whole = self._whole[:_piece_bytes], self._whole[_piece_bytes:]
        if not piece:
            raise StopAsyncIteration
        return bytes(piece)


class AnswerStream(httpx.AsyncByteStream):
    """An answer's body."""

    def __init__(self, response: httpcore.Response) -> None:
        assert isinstance(response.stream, AsyncIterable)
        self._response = response
        self._pieces = aiter(response.stream)
        self._connection: httpcore.AsyncNetworkStream = response.extensions["network_stream"]
        self._has_ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def receive(self) -> bytes:
        """Return the next piece, b"" at the end. Raises `Interrupted`, `Refused`, `BadAnswer`."""
        try:
            async for piece in self._pieces:
                if piece:
                    return piece
        except httpcore.RemoteProtocolError as error:
            raise BadAnswer(f"the answer is malformed: {error}") from error
        self._has_ended = True
        return b""

    async def aclose(self) -> None:
        """Give the connection back if the answer was read to its end, close it otherwise."""
        if not self._has_ended:
            await self._connection.aclose()
            # httpcore's generators must not be left half-way: they run into the closed connection.
            with contextlib.suppress(Interrupted, BadAnswer):
                while await self.receive():
                    pass
        await self._response.aclose()
