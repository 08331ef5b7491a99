"""The network in memory: nodes of one process, links that fail as they are told to.

For tests and for simulation. Every delay is trio's, every chance is drawn from the random generator
that was passed in, so that a run in virtual time depends on its seed alone.

What is modelled is what an agent can notice of a network: delay, loss, cuts, processes that die.
Bandwidth is not, nor are handshakes and acknowledgements: a request to a node that listens is one
on a connection that is open already, so that a link which fails leaves its caller in doubt
(`DeadlineExceeded`), and only what a message itself has to pass can stop it.
"""

import contextlib
import dataclasses
import errno
import logging
import math
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

import trio

from p2p.identity.ids import NodeId
from transports.base import (
    Address,
    Answer,
    Body,
    DeadlineExceeded,
    Handler,
    Incoming,
    NotListening,
    Refused,
    Reply,
    TransportError,
    Unreachable,
    closing_body,
)
from transports.faults import Fault, blame, line, require_welcome
from transports.limits import Limits
from transports.memory_exchange import Exchange, Gone
from transports.under_way import UnderWay

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Conditions:
    """How well the links between nodes work.

    `latency_s` is the least and the most that a message takes, drawn evenly for each request, each
    answer and each further piece of a body: so requests overtake each other, pieces do not.
    `loss` is the chance that a request, or an answer, never arrives. `duplication` is the chance
    that a request whose body is given as bytes arrives twice: the handler acts twice, and what it
    answers to the copy is dropped.
    """

    latency_s: tuple[float, float] = (0.001, 0.05)
    loss: float = 0.0
    duplication: float = 0.0

    def __post_init__(self) -> None:
        least_s, most_s = self.latency_s
        if not 0 <= least_s <= most_s:
            raise ValueError(f"latency_s {self.latency_s} is no range of seconds")
        for name in ("loss", "duplication"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} is not between 0 and 1")


@dataclasses.dataclass(slots=True)
class Traffic:
    """What the nodes have sent: requests and answers, and what became of them."""

    requests: int = 0
    answers: int = 0
    body_bytes: int = 0
    """Of both, as far as they were sent."""
    lost: int = 0
    """Requests and answers that did not arrive, and streams that broke off on their way."""
    duplicated: int = 0
    """Requests that were sent once and set out twice."""


class MemoryNetwork:
    """The links between nodes, and which node listens where."""

    def __init__(
        self,
        rng: random.Random,
        conditions: Conditions = Conditions(),
        *,
        limits: Limits | None = None,
    ) -> None:
        self.conditions = conditions
        """May be replaced at any time; holds for what is sent from then on."""
        self.limits = limits or Limits()
        self.traffic = Traffic()
        self._rng = rng
        self._nodes: dict[NodeId, MemoryTransport] = {}
        self._places: dict[Address, NodeId] = {}
        self._listening: dict[Address, _Service] = {}
        self._cuts: set[tuple[NodeId, NodeId]] = set()
        self._isolated: set[NodeId] = set()

    def transport(self, node: NodeId, *addresses: Address) -> "MemoryTransport":
        """Return a node's end, which listens at `addresses` while it serves.

        A node has one: what is left of its former one is crashed.
        """
        self.crash(node)
        self._places.update(dict.fromkeys(addresses, node))
        self._nodes[node] = MemoryTransport(self, node, addresses)
        return self._nodes[node]

    # Faults

    def cut(self, source: NodeId, target: NodeId) -> None:
        """Let nothing from `source` reach `target` any more, streams under way included.

        What is sent meanwhile is lost for good, and so is a stream that it belongs to.
        """
        self._cuts.add((source, target))

    def mend(self, source: NodeId, target: NodeId) -> None:
        """Undo `cut`."""
        self._cuts.discard((source, target))

    def isolate(self, node: NodeId) -> None:
        """Cut a node off from every other, both ways."""
        self._isolated.add(node)

    def heal(self) -> None:
        """Undo every `cut` and `isolate`."""
        self._cuts.clear()
        self._isolated.clear()

    def crash(self, node: NodeId) -> None:
        """End a node's transport as kill -9 does; `transport` gives it another life.

        Its addresses refuse connections. Its peers meet `Interrupted` in what was under way. Its
        own requests end with their deadlines, and its handlers are cancelled.
        """
        if node in self._nodes:
            self._nodes.pop(node).die()

    # What transports ask

    def reaches(self, source: NodeId, target: NodeId) -> bool:
        """Return whether the link from one node to another, this way, is whole."""
        if source == target:
            return True
        return (source, target) not in self._cuts and not {source, target} & self._isolated

    def draw_latency_s(self) -> float:
        """Return how long the next message takes."""
        return self._rng.uniform(*self.conditions.latency_s)

    def draw(self, chance: float) -> bool:
        """Return whether what has this chance happens now."""
        return self._rng.random() < chance

    def open(self, service: "_Service", addresses: Sequence[Address]) -> None:
        """Let a service listen."""
        self._listening.update(dict.fromkeys(addresses, service))

    def close(self, service: "_Service") -> None:
        """Let connections to where a service listened be refused."""
        self._listening = {k: v for k, v in self._listening.items() if v is not service}

    def find(self, address: Address) -> "tuple[_Service | None, NodeId | None]":
        """Return who serves at an address, and whose it is."""
        return self._listening.get(address), self._places.get(address)


class _Link:
    """The way of one exchange's messages from one node to another, one of its two."""

    def __init__(
        self, network: MemoryNetwork, source: "MemoryTransport", target: "MemoryTransport"
    ) -> None:
        self.is_lost = False
        self._network = network
        self._source = source
        self._target = target

    def carries(self) -> bool:
        """As `Link.carries`."""
        if self.is_lost or self._source.is_dead or self._target.is_dead:
            return False
        return self._network.reaches(self._source.node, self._target.node)

    async def travel(self, body_bytes: int, *, is_head: bool = False) -> bool:
        """As `Link.travel`. What is lost is lost for good, and the rest of its stream with it."""
        network = self._network
        network.traffic.body_bytes += body_bytes
        is_lost = is_head and network.draw(network.conditions.loss)
        sets_out = self.carries() and not is_lost
        await trio.sleep(network.draw_latency_s())
        if sets_out and self.carries():
            return True
        network.traffic.lost += not self.is_lost
        self.is_lost = True
        return False


class _Service:
    """Answers what comes to a node, for one `serve`."""

    def __init__(
        self,
        network: MemoryNetwork,
        end: "MemoryTransport",
        handler: Handler,
        nursery: trio.Nursery,
    ) -> None:
        self.end = end
        self._network = network
        self._handler = handler
        self._nursery = nursery
        self._under_way: dict[Exchange, trio.CancelScope] = {}
        self._is_closing = False
        self._all_answered = trio.Event()

    def accept(self, exchange: Exchange) -> None:
        """Let a request come in."""
        # Shielded, so that it is not cancelled with us, but when its moment is over.
        self._under_way[exchange] = trio.CancelScope(shield=True)
        self._nursery.start_soon(self._attend, exchange)

    async def close(self) -> None:
        """Serve nothing more; what is under way gets `Limits.grace_s`."""
        self._network.close(self)
        self._is_closing = True
        if self._under_way:
            with trio.move_on_after(self._network.limits.grace_s, shield=True):
                await self._all_answered.wait()
        for scope in self._under_way.values():
            scope.cancel()

    def die(self) -> None:
        """End at once, and let the callers know."""
        self._network.close(self)
        for exchange, scope in self._under_way.items():
            exchange.server_leaves()
            scope.cancel()

    async def _attend(self, exchange: Exchange) -> None:
        try:
            with self._under_way[exchange]:
                if not await exchange.request.begin(exchange.body):
                    # Nobody knows here that somebody has asked.
                    exchange.answer.link.is_lost = True
                elif not self._is_closing:
                    await self._answer(exchange)
        finally:
            exchange.server_leaves()
            del self._under_way[exchange]
            if self._is_closing and not self._under_way:
                self._all_answered.set()

    async def _answer(self, exchange: Exchange) -> None:
        request_s = self._network.limits.request_s
        incoming = self._incoming(exchange)
        try:
            with trio.move_on_after(request_s) as scope:
                await self._reply(exchange, await self._handler(incoming))
            if scope.cancelled_caught:
                logger.warning("%s took more than %s s", exchange.path, request_s)
                raise Fault(503, f"the request took longer than {request_s} s")
        except Exception as error:
            # Whatever a handler raises must end its own request alone.
            reply = blame(error, incoming)
            if reply is None:
                logger.exception("a handler failed: %s", exchange.path)
                reply = line(500, "internal error")
            await self._reply(exchange, reply)

    async def _reply(self, exchange: Exchange, reply: Reply) -> None:
        """Send an answer, unless one has begun."""
        async with closing_body(reply.body):
            if exchange.reply is not None:
                return
            exchange.reply = reply
            self._network.traffic.answers += 1
            await exchange.answer.begin(reply.body)
            with contextlib.suppress(Gone):
                await exchange.answer.send(reply.body, self._network.limits.stall_s)

    def _incoming(self, exchange: Exchange) -> Incoming:
        stall_s = self._network.limits.stall_s

        async def receive() -> bytes:
            with trio.move_on_after(stall_s):
                return await exchange.request.receive()
            raise DeadlineExceeded(f"nothing more of the body came in {stall_s} s")

        length_bytes = len(exchange.body) if isinstance(exchange.body, bytes) else None
        return Incoming(exchange.path, exchange.peer, receive, length_bytes)


class MemoryTransport:
    """A node's `Transport`, for one life of it. Made by `MemoryNetwork.transport`."""

    def __init__(self, network: MemoryNetwork, node: NodeId, addresses: Sequence[Address]) -> None:
        self.node = node
        self.addresses = tuple(addresses)
        self.is_dead = False
        self._network = network
        self._service: _Service | None = None
        self._under_way = UnderWay()
        self._exchanges: list[Exchange] = []

    def request(
        self,
        to: NodeId,
        addresses: Sequence[Address],
        path: str,
        body: Body = b"",
        *,
        deadline_s: float,
    ) -> AbstractAsyncContextManager[Answer]:
        """As `Transport.request`."""
        return self._exchange(to, addresses, path, body, deadline_s)

    def introduce(
        self, address: Address, path: str, body: bytes = b"", *, deadline_s: float
    ) -> AbstractAsyncContextManager[Answer]:
        """As `Transport.introduce`."""
        return self._exchange(None, (address,), path, body, deadline_s)

    async def serve(
        self,
        handler: Handler,
        *,
        task_status: trio.TaskStatus[tuple[Address, ...]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """As `Transport.serve`. Raises `OSError` if an address is in use."""
        await self._live()
        for address in self.addresses:
            if self._network.find(address)[0] is not None:
                raise OSError(errno.EADDRINUSE, f"{address} is in use")
        async with trio.open_nursery() as nursery:
            service = self._service = _Service(self._network, self, handler, nursery)
            self._network.open(service, self.addresses)
            try:
                task_status.started(self.addresses)
                await trio.sleep_forever()
            finally:
                await service.close()

    async def aclose(self) -> None:
        """As `Transport.aclose`."""
        self._under_way.close()
        await trio.lowlevel.checkpoint()

    def die(self) -> None:
        """End as a killed process does (`MemoryNetwork.crash`): the peers notice, we do not."""
        for exchange in self._exchanges:
            exchange.caller_leaves()
        if self._service is not None:
            self._service.die()
        self.is_dead = True

    @contextlib.asynccontextmanager
    async def _exchange(
        self,
        to: NodeId | None,
        addresses: Sequence[Address],
        path: str,
        body: Body,
        deadline_s: float,
    ) -> AsyncIterator[Answer]:
        with self._under_way.request(addresses, path, deadline_s) as progress:
            async with closing_body(body):
                progress.is_dialling = True
                await self._live()
                service = await self._find(to, addresses)
                progress.is_dialling = False
                exchange = self._exchange_with(service.end, path, body)
                self._exchanges.append(exchange)
                try:
                    answer = await self._send(service, exchange)
                    await require_welcome(answer)
                    yield answer
                finally:
                    self._exchanges.remove(exchange)
                    exchange.caller_leaves()

    async def _find(self, to: NodeId | None, addresses: Sequence[Address]) -> _Service:
        """Return who is asked for. Raises `Unreachable`, `NotListening` or `Refused`.

        Waits for ever if an address keeps silent and none leads to the right node.
        """
        failures: list[TransportError] = []
        is_silent = False
        for address in addresses:
            service, owner = self._network.find(address)
            if service is not None and to in (None, service.end.node):
                return service
            if owner is not None and not self._hears(owner):
                is_silent = True
                await trio.sleep(self._network.limits.head_start_s)
                continue
            await trio.sleep(self._network.draw_latency_s() + self._network.draw_latency_s())
            if service is None:
                failures.append(NotListening(f"{address}: connection refused"))
            else:
                failures.append(Refused(f"{address}: the peer is node {service.end.node.hex()}"))
        if is_silent:
            await trio.sleep_forever()
        kinds = {type(failure) for failure in failures}
        kind = kinds.pop() if len(kinds) == 1 else Unreachable
        raise kind("; ".join(map(str, failures)) or "the node has no address")

    def _hears(self, owner: NodeId) -> bool:
        """Whether a connection to a node can be refused: that takes a way there and back."""
        there_and_back = ((self.node, owner), (owner, self.node))
        return all(self._network.reaches(*way) for way in there_and_back)

    async def _live(self) -> None:
        """Go no further once we are dead, as long as our tasks have not been cancelled."""
        if self.is_dead:
            await trio.sleep_forever()

    async def _send(self, service: _Service, exchange: Exchange) -> Answer:
        """Send a request and return its answer once that begins."""
        self._network.traffic.requests += 1
        service.accept(exchange)
        if self._network.draw(self._network.conditions.duplication):
            self._duplicate(service, exchange)
        with contextlib.suppress(Gone):
            await exchange.request.send(exchange.body, math.inf)
        await exchange.answer.begun()
        reply = exchange.reply
        assert reply is not None
        length_bytes = len(reply.body) if isinstance(reply.body, bytes) else None
        return Answer(service.end.node, reply.status, exchange.answer.receive, length_bytes)

    def _exchange_with(self, server: "MemoryTransport", path: str, body: Body) -> Exchange:
        there, back = (_Link(self._network, *ends) for ends in ((self, server), (server, self)))
        return Exchange(self.node, path, body, there, back)

    def _duplicate(self, service: _Service, exchange: Exchange) -> None:
        if isinstance(exchange.body, bytes):
            copy = self._exchange_with(service.end, exchange.path, exchange.body)
            copy.answer.leave()
            self._network.traffic.duplicated += 1
            service.accept(copy)
