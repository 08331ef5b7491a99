"""A transport without a network: requests are calls. Links can be cut, and made slow."""

import contextlib
from collections.abc import AsyncIterator, Sequence

import trio

from p2p.identity.ids import NodeId
from tests.rig import pass_s
from transports.base import (
    Address,
    Answer,
    Body,
    DeadlineExceeded,
    Handler,
    Incoming,
    Interrupted,
    NotListening,
    Refused,
    closing_body,
)


class Net:
    """Who answers where, and which links do not work."""

    def __init__(self) -> None:
        self.handlers: dict[NodeId, dict[str, Handler]] = {}
        self.cut: set[NodeId] = set()
        self.silent: set[NodeId] = set()
        self.places: dict[Address, NodeId] = {}
        """Who is found where, at first contact."""
        self.refusing: set[Address] = set()
        self.cut_after_bytes: int | None = None
        """Answers break off after so many bytes."""
        self.requests: list[tuple[NodeId, NodeId, str]] = []

    def transport(self, me: NodeId) -> "DirectTransport":
        """Return a node's end of the network."""
        return DirectTransport(self, me)


class DirectTransport:
    """One node's end."""

    def __init__(self, net: Net, me: NodeId) -> None:
        self._net = net
        self._me = me

    @contextlib.asynccontextmanager
    async def request(
        self,
        to: NodeId,
        addresses: Sequence[Address],
        path: str,
        body: Body = b"",
        *,
        deadline_s: float,
    ) -> AsyncIterator[Answer]:
        """Call the handler of `to`."""
        assert isinstance(body, bytes)
        self._net.requests.append((self._me, to, path))
        if to in self._net.cut:
            raise NotListening("cut")
        if to in self._net.silent:
            await pass_s(deadline_s)
            raise DeadlineExceeded("silent")
        incoming = Incoming(path, self._me, _pieces(body), len(body))
        reply = await self._net.handlers[to][path](incoming)
        async with closing_body(reply.body):
            yield Answer(to, reply.status, _pieces(reply.body, self._net.cut_after_bytes))

    def introduce(
        self, address: Address, path: str, body: bytes = b"", *, deadline_s: float
    ) -> contextlib.AbstractAsyncContextManager[Answer]:
        """Call the handler of whoever is at `address`."""
        if address in self._net.refusing:
            raise Refused("the peer belongs to another mesh")
        if address not in self._net.places:
            raise NotListening(str(address))
        return self.request(self._net.places[address], [address], path, body, deadline_s=deadline_s)

    async def serve(
        self,
        handler: Handler,
        *,
        task_status: trio.TaskStatus[tuple[Address, ...]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Not needed: `Net.handlers` are called."""
        await trio.sleep_forever()

    async def aclose(self) -> None:
        """Nothing is open."""


class _pieces:  # noqa: N801 - reads as the function that it is
    """Hand out pieces one by one, and break off where told."""

    def __init__(self, body: Body, cut_after_bytes: int | None = None) -> None:
        self._whole = body if isinstance(body, bytes) else b""
        self._pieces = None if isinstance(body, bytes) else aiter(body)
        self._left = cut_after_bytes

    async def __call__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        piece, self._whole = self._whole, b""
        while not piece:
            if self._pieces is None:
                return b""
            try:
                piece = await anext(self._pieces)
            except StopAsyncIteration:
                return b""
        if self._left is not None:
            if self._left <= 0:
                raise Interrupted("cut")
            piece = piece[: self._left]
            self._left -= len(piece)
        return piece
