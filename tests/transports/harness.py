"""A network of two nodes, whatever carries the bytes between them."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import trio

from p2p.identity.ids import NodeId
from transports.base import Address, Answer, Body, Handler, Incoming, Reply, Transport
from transports.limits import Limits

long_s = 30.0
"""A deadline that no test is meant to meet, however slow the machine."""
short_s = 0.5
"""A deadline that a test is meant to meet, once what comes before it is done."""

patient = Limits(
    grace_s=0.1,
    handshake_s=1e6,
    first_byte_s=1e6,
    head_s=1e6,
    stall_s=1e6,
    request_s=1e6,
    idle_s=1e6,
    connection_s=1e6,
    linger_s=1e6,
)
"""Of these, only the moment that requests under way get when a server stops ever passes."""

piece = bytes(64 * 1024)
bulk_pieces = 512
bulk_bytes = bulk_pieces * len(piece)
under_way_bytes_max = bulk_bytes // 2
"""What sockets, pipes and libraries may hold, all together, of a body that nobody takes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A node; others reach it once its transport serves."""

    id: NodeId
    transport: Transport


class Network(Protocol):
    """What an implementation brings to its tests. Its nodes are of one mesh."""

    limits: Limits
    """Those of every node that is opened from now on."""

    def node(self) -> contextlib.AbstractAsyncContextManager[Node]:
        """Open a node, and close its transport in the end."""

    def nowhere(self) -> Address:
        """Return an address at which connections are refused."""

    def silence(self) -> contextlib.AbstractAsyncContextManager[Address]:
        """Return an address at which nobody ever says anything."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """A caller, and a node that serves."""

    caller: Node
    server: Node
    addresses: Sequence[Address]

    def ask(
        self, body: Body = b"", *, path: str = "/v1/test", deadline_s: float = long_s
    ) -> contextlib.AbstractAsyncContextManager[Answer]:
        """Let the caller send a request to the server."""
        return self.caller.transport.request(
            self.server.id, self.addresses, path, body, deadline_s=deadline_s
        )

    async def assert_usable(self) -> None:
        """Assert that a plain request goes through."""
        async with self.ask(path="/v1/usable") as answer:
            await answer.read()


class Service:
    """A pair whose server can be stopped."""

    def __init__(self, pair: Pair, serving: trio.CancelScope, stopped: trio.Event) -> None:
        self.pair = pair
        self.stopped = stopped
        self.stop = serving.cancel


@contextlib.asynccontextmanager
async def served(network: Network, handler: Handler) -> AsyncIterator[Service]:
    """Run a server that can be stopped; `handler` answers all but `Pair.assert_usable`."""
    serving = trio.CancelScope()
    stopped = trio.Event()

    async def handle(incoming: Incoming) -> Reply:
        return Reply() if incoming.path == "/v1/usable" else await handler(incoming)

    async def serve(server: Node, *, task_status: trio.TaskStatus[tuple[Address, ...]]) -> None:
        with serving:
            await server.transport.serve(handle, task_status=task_status)
        stopped.set()

    with trio.fail_after(long_s):
        async with (
            network.node() as caller,
            network.node() as server,
            trio.open_nursery() as nursery,
        ):
            addresses = await nursery.start(serve, server)
            yield Service(Pair(caller, server, addresses), serving, stopped)
            serving.cancel()


@contextlib.asynccontextmanager
async def paired(network: Network, handler: Handler) -> AsyncIterator[Pair]:
    """Run a server to the end of the test."""
    async with served(network, handler) as service:
        yield service.pair


async def nothing(_: Incoming) -> Reply:
    return Reply()


async def for_ever(_: Incoming) -> Reply:
    await trio.sleep_forever()
    raise AssertionError


class Source:
    """A body in pieces, which knows how much of it was taken, and when it was closed."""

    def __init__(self, pieces: int = bulk_pieces) -> None:
        self._pieces = pieces
        self.taken_bytes = 0
        self.closed = trio.Event()

    async def body(self) -> AsyncIterator[bytes]:
        try:
            for _ in range(self._pieces):
                self.taken_bytes += len(piece)
                yield piece
        finally:
            self.closed.set()
