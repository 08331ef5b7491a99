"""One exchange with one peer: drives the reconcile machine over the transport."""

import contextlib
import math
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)

import trio

from managers.sync_planner.bulk import framed, frames_in, held_in_batches
from mixins.clock import Clock
from mixins.store_access import StoreAccess
from p2p.codec import MalformedMessage
from p2p.envelope import RecordId
from p2p.identity.ids import NodeId
from p2p.reconcile import Ask, Done, Initiator, Outcome, Push, push_bytes_max, push_records_max
from transports.base import Address, BadAnswer, DeadlineExceeded, Transport

path_exchange = "/v1/exchange"
path_records = "/v1/records"

push_deadline_s = 60.0
answer_s_max = 60.0
"""From a request's first byte to its answer's head; from then on, `bulk.stall_s_max` applies."""

exchange_deadline_s = 900.0
"""For a whole exchange; the next one goes on from there."""


class PeerLink:
    """What can be asked of one peer about records. All raise `TransportError` or `CodecError`."""

    def __init__(
        self, transport: Transport, clock: Clock, peer: NodeId, addresses: Sequence[Address]
    ) -> None:
        self.peer = peer
        self._transport = transport
        self._clock = clock
        self._addresses = tuple(addresses)

    async def push(self, records: Iterable[bytes]) -> bytes:
        """Send records, as many as one push may hold, and return the peer's receipt."""
        async with self._transport.request(
            self.peer, self._addresses, path_records, framed(records), deadline_s=push_deadline_s
        ) as answer:
            await answer.require_ok()
            return await answer.read()

    @contextlib.asynccontextmanager
    async def ask(self, request: bytes) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        """Send a request of the reconcile machine; the answer and its records come in batches."""
        with trio.CancelScope(deadline=self._clock.monotonic_s() + answer_s_max) as scope:
            async with self._transport.request(
                self.peer, self._addresses, path_exchange, request, deadline_s=exchange_deadline_s
            ) as answer:
                await answer.require_ok()
                scope.deadline = math.inf
                async with contextlib.aclosing(frames_in(answer, self._clock)) as batches:
                    yield batches
        if scope.cancelled_caught:
            raise DeadlineExceeded(f"no answer within {answer_s_max:.0f} s")


class Exchange:
    """Compares our store with a peer's and moves what either lacks."""

    def __init__(
        self,
        machine: Initiator,
        link: PeerLink,
        store: StoreAccess,
        *,
        take: Callable[[bytes, list[bytes]], Awaitable[object]],
        given: Callable[[bytes, Collection[RecordId]], Awaitable[None]],
    ) -> None:
        """`take` commits what the peer sent; `given` notes what the peer has committed.

        Both are told the id of the peer's store.
        """
        self._machine = machine
        self._link = link
        self._store = store
        self._take = take
        self._given = given
        self.record_bytes = 0
        """Size of the records that came, and of those that the peer receipted or refused."""

    async def run(self) -> Outcome:
        """Run to the end. If it raises (as `PeerLink`), what was committed by then stays."""
        with trio.move_on_after(exchange_deadline_s):
            return await self._run()
        raise DeadlineExceeded(f"the exchange has no end after {exchange_deadline_s:.0f} s")

    async def _run(self) -> Outcome:
        while True:
            step = await self._store.read(lambda _: self._machine.next())
            match step:
                case Done(outcome):
                    return outcome
                case Ask(request):
                    await self._ask(request)
                case Push(ids):
                    await self._push(ids)

    async def _ask(self, request: bytes) -> None:
        async with self._link.ask(request) as batches:
            following: int | None = None
            async for batch in batches:
                if following is None:
                    answer, *batch = batch
                    following = await self._receive(answer)
                following -= len(batch)
                if self._machine.outcome.reason:
                    return  # what follows an answer that ended the exchange does not matter
                if following < 0:
                    raise MalformedMessage("more records than the answer speaks of")
                if batch:
                    await self._take(self._peer_store(), batch)
                    await self._received(batch)
        if following is None:
            raise BadAnswer("an empty answer")

    async def _receive(self, answer: bytes) -> int:
        return await self._store.read(lambda _: self._machine.receive(answer))

    async def _received(self, records: Sequence[bytes]) -> None:
        self.record_bytes += sum(map(len, records))
        await self._store.read(lambda _: self._machine.received(records))

    async def _push(self, ids: Sequence[RecordId]) -> None:
        batches = held_in_batches(
            self._store, ids, records_max=push_records_max, bytes_max=push_bytes_max
        )
        async with contextlib.aclosing(batches):
            async for batch in batches:
                await self._push_batch(batch)

    async def _push_batch(self, batch: Mapping[RecordId, bytes]) -> None:
        receipt = await self._link.push(batch.values())
        self.record_bytes += sum(map(len, batch.values()))
        held = self._machine.pushed(list(batch), receipt)
        await self._given(self._peer_store(), held)

    def _peer_store(self) -> bytes:
        peer = self._machine.outcome.peer
        return peer.store if peer is not None else b""
