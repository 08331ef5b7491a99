"""Nodes on a network in memory, for the tests of its links."""

import contextlib
from collections.abc import AsyncIterator

import trio
import trio.testing

from p2p.identity.ids import NodeId
from tests.transports.harness import (
    Node,
    Pair,
    bulk_bytes,
    nothing,
)
from transports.base import (
    Address,
    Handler,
    Incoming,
    Reply,
    TransportError,
)
from transports.limits import Limits
from transports.memory import Conditions, MemoryNetwork


class Village:
    """Nodes with names and addresses."""

    def __init__(self, links: MemoryNetwork) -> None:
        self._links = links
        self._made = 0

    @property
    def limits(self) -> Limits:
        return self._links.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._links.limits = limits

    def _next(self) -> tuple[NodeId, Address]:
        self._made += 1
        return NodeId(b"%016d" % self._made), Address(f"10.0.0.{self._made}", 8770)

    @contextlib.asynccontextmanager
    async def node(self) -> AsyncIterator[Node]:
        id_, address = self._next()
        transport = self._links.transport(id_, address)
        yield Node(id_, transport)
        await transport.aclose()

    def nowhere(self) -> Address:
        return self._next()[1]

    @contextlib.asynccontextmanager
    async def silence(self) -> AsyncIterator[Address]:
        id_, address = self._next()
        self._links.transport(id_, address)
        self._links.isolate(id_)
        yield address


calm = Conditions(latency_s=(0.0001, 0.001))


class Witness:
    """A handler that remembers what it was asked, and when."""

    def __init__(self, then: Handler = nothing) -> None:
        self._then = then
        self.bodies: list[bytes] = []
        self.times_s: list[float] = []

    async def handle(self, incoming: Incoming) -> Reply:
        self.times_s.append(trio.current_time())
        self.bodies.append(await incoming.read(bulk_bytes))
        return await self._then(incoming)


async def outcome(pair: Pair, body: bytes = b"", deadline_s: float = 5.0) -> str:
    """Ask, and tell how it ended."""
    try:
        async with pair.ask(body, deadline_s=deadline_s) as answer:
            await answer.read(bulk_bytes)
    except TransportError as error:
        return type(error).__name__
    return "answered"
