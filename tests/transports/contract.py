"""What every transport must do: subclass `TransportContract` beside a fixture `network`.

Nothing here knows what carries the bytes. Where a test must wait, it waits for what it is about.
"""

import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import pytest
import trio

from p2p.codec import CodecError
from p2p.identity.ids import NodeId
from transports.base import (
    Address,
    Answer,
    DeadlineExceeded,
    Handler,
    Incoming,
    Interrupted,
    NotListening,
    Refused,
    Reply,
    TooLarge,
    Transport,
    Unreachable,
)

pytestmark = pytest.mark.anyio

long_s = 30.0
"""A deadline that is not meant to be met."""
short_s = 0.2
"""One that is."""

piece = bytes(64 * 1024)
bulk_pieces = 512
"""32 MiB: more than sockets, pipes and libraries keep on their way, all together."""
under_way_bytes_max = 16 * 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A node that can be reached once its transport serves."""

    id: NodeId
    transport: Transport


class Network(Protocol):
    """What an implementation brings to its tests."""

    def node(self) -> contextlib.AbstractAsyncContextManager[Node]:
        """Open a node of the one mesh; closes its transport in the end."""

    def nowhere(self) -> contextlib.AbstractAsyncContextManager[Address]:
        """Return an address at which connections are refused."""

    def void(self) -> contextlib.AbstractAsyncContextManager[Address]:
        """Return an address at which nothing ever answers."""


async def no_answer(_: Incoming) -> Reply:
    return Reply(status=204)


async def echo(incoming: Incoming) -> Reply:
    return Reply(body=await incoming.read(), content_type="text/plain")


class Server:
    """A node that serves; `stop` ends its `serve`, and no sooner returns."""

    def __init__(self, node: Node, addresses: Sequence[Address], nursery: trio.Nursery) -> None:
        self.id = node.id
        self.addresses = addresses
        self._nursery = nursery
        self.stopped = trio.Event()

    async def stop(self) -> None:
        self._nursery.cancel_scope.cancel()
        with trio.fail_after(long_s):
            await self.stopped.wait()


@contextlib.asynccontextmanager
async def serving(network: Network, handler: Handler) -> AsyncIterator[Server]:
    """Run a node whose requests `handler` answers."""
    async with network.node() as node, trio.open_nursery() as outer:
        nursery_open = trio.Event()
        servers: list[Server] = []

        async def serve() -> None:
            async with trio.open_nursery() as nursery:
                addresses = await nursery.start(node.transport.serve, handler)
                servers.append(Server(node, addresses, nursery))
                nursery_open.set()
            servers[0].stopped.set()

        outer.start_soon(serve)
        await nursery_open.wait()
        yield servers[0]
        await servers[0].stop()


class Talk:
    """A caller and a server, and the one request between them that most tests need."""

    def __init__(self, caller: Node, server: Server) -> None:
        self.caller = caller
        self.server = server

    def ask(
        self, path: str = "/v1/test", body: object = b"", deadline_s: float = long_s
    ) -> contextlib.AbstractAsyncContextManager[Answer]: ...
