"""The mesh's transport: HTTP/1.1 over mutual TLS 1.3. httpx dials, h11 on trio serves.

Who the other side is, each end computes from its certificate before any application data.
"""

import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import trio

from p2p.identity import tls
from p2p.identity.certificates import PeerRefused, check_peer
from p2p.identity.ids import MeshId, NodeId
from transports.base import (
    Address,
    Answer,
    Body,
    Handler,
    Interrupted,
    Refused,
    closing_body,
)
from transports.dial import Dialler
from transports.faults import require_welcome
from transports.limits import Limits
from transports.listeners import bound_address
from transports.pools import AnswerStream, PeerPool, Pools, RequestStream
from transports.server import Admitted, Server
from transports.tls_stream import TlsStream
from transports.under_way import Progress, UnderWay

_unread_bytes_max = 64 * 1024
"""What is read of an answer that its reader left, to keep the connection."""


class HttpsTransport:
    """A node's `Transport`. The listeners are its own from now on; none if it only dials."""

    def __init__(
        self,
        mesh: MeshId,
        client_context: ssl.SSLContext,
        server_context: ssl.SSLContext,
        listeners: Sequence[trio.SocketListener] = (),
        limits: Limits | None = None,
    ) -> None:
        self._mesh = mesh
        self._server_context = server_context
        self._listeners = list(listeners)
        self._limits = limits or Limits()
        dialler = Dialler(mesh, client_context, head_start_s=self._limits.head_start_s)
        self._pools = Pools(dialler, self._limits)
        # Every request has one deadline, for all of it.
        self._client = httpx.AsyncClient(transport=self._pools, timeout=None)
        self._under_way = UnderWay()

    def request(
        self,
        to: NodeId,
        addresses: Sequence[Address],
        path: str,
        body: Body = b"",
        *,
        deadline_s: float,
    ) -> AbstractAsyncContextManager[Answer]:
        """As `Transport.request`. The connection is kept open and used again."""
        return self._exchange(self._pools.use(to), addresses, path, body, deadline_s)

    def introduce(
        self, address: Address, path: str, body: bytes = b"", *, deadline_s: float
    ) -> AbstractAsyncContextManager[Answer]:
        """As `Transport.introduce`."""
        return self._exchange(self._pools.introduce(), (address,), path, body, deadline_s)

    async def serve(
        self,
        handler: Handler,
        *,
        task_status: trio.TaskStatus[tuple[Address, ...]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """As `Transport.serve`; once, for the listeners are closed in the end.

        Meanwhile, connections to peers that are not used any more are closed.
        """
        server = Server(handler, self._admit, self._limits)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pools.close_unused)
            addresses = tuple(map(bound_address, self._listeners))
            nursery.start_soon(server.serve, self._listeners)
            task_status.started(addresses)

    async def aclose(self) -> None:
        """As `Transport.aclose`; the listeners are closed too."""
        self._under_way.close()  # some have no connection yet that could be closed
        await self._client.aclose()
        for listener in self._listeners:
            await listener.aclose()

    @contextlib.asynccontextmanager
    async def _exchange(
        self,
        pool_lent: AbstractAsyncContextManager[PeerPool],
        addresses: Sequence[Address],
        path: str,
        body: Body,
        deadline_s: float,
    ) -> AsyncIterator[Answer]:
        with self._under_way.request(addresses, path, deadline_s) as progress:
            async with closing_body(body), pool_lent as pool:
                pool.backend.addresses = addresses
                stream, answer = await self._send(pool, path, body, progress)
                try:
                    await require_welcome(answer)
                    yield answer
                    if answer.length_bytes is not None and answer.length_bytes <= _unread_bytes_max:
                        while await stream.receive():
                            pass
                finally:
                    await stream.aclose()

    async def _send(
        self, pool: PeerPool, path: str, body: Body, progress: Progress
    ) -> tuple[AnswerStream, Answer]:
        async def note(event: str, _info: dict[str, Any]) -> None:
            """Take note of what httpcore is about to do (its `trace` extension)."""
            if event == "connection.connect_tcp.started":
                progress.is_dialling = True
            elif event == "http11.send_request_headers.started":
                progress.is_dialling = False

        length = (
            ("content-length", str(len(body)))
            if isinstance(body, bytes)
            else ("transfer-encoding", "chunked")
        )
        request = httpx.Request(
            "POST",
            f"https://{pool.name}{path}",
            headers=[("host", pool.name), length],
            stream=RequestStream(body),
            extensions={"pool": pool, "trace": note},
        )
        response = await self._client.send(request, stream=True)
        stream: AnswerStream = response.extensions["stream"]
        assert pool.backend.node is not None
        length_bytes = response.headers.get("content-length")
        return stream, Answer(
            pool.backend.node,
            response.status_code,
            stream.receive,
            None if length_bytes is None else int(length_bytes),
        )

    async def _admit(self, socket: trio.SocketStream) -> Admitted:
        stream = TlsStream(socket, self._server_context, server_hostname=None)
        try:
            certificate = await stream.do_handshake()
        except (ssl.SSLError, trio.BrokenResourceError) as error:
            reason = tls.explain(error)
            if reason is None:
                raise Interrupted("left within the handshake") from error
            raise Refused(reason) from error
        try:
            return Admitted(stream, check_peer(certificate, self._mesh, None))
        except PeerRefused as error:
            return Admitted(stream, None, str(error))
