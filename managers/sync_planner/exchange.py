"""One exchange with one peer: drives the reconcile machine over the transport."""

import contextlib
import functools
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)

from managers.sync_planner.bulk import framed, frames_in
from mixins.database import Database
from p2p.codec import MalformedMessage
from p2p.envelope import RecordId
from p2p.identity.ids import NodeId
from p2p.reconcile import Ask, Done, Initiator, Outcome, Push, push_bytes_max
from p2p.store import NodeStore
from transports.base import Address, Answer, BadAnswer, Transport

path_exchange = "/v1/exchange"
path_records = "/v1/records"

push_deadline_s = 60.0
answer_deadline_s = 900.0
"""For an answer with thousands of records behind it; a stalled one is given up much sooner."""

_reason_chars_max = 200


class PeerLink:
    """What can be asked of one peer about records. All raise `TransportError` or `CodecError`."""

    def __init__(self, transport: Transport, peer: NodeId, addresses: Sequence[Address]) -> None:
        self.peer = peer
        self._transport = transport
        self._addresses = tuple(addresses)

    async def push(self, records: Iterable[bytes]) -> bytes:
        """Send records, as many as one push may hold, and return the peer's receipt."""
        async with self._transport.request(
            self.peer, self._addresses, path_records, framed(records), deadline_s=push_deadline_s
        ) as answer:
            await _check(answer)
            return await answer.read()

    @contextlib.asynccontextmanager
    async def ask(self, request: bytes) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        """Send a request of the reconcile machine; the answer and its records come in batches."""
        async with self._transport.request(
            self.peer, self._addresses, path_exchange, request, deadline_s=answer_deadline_s
        ) as answer:
            await _check(answer)
            async with contextlib.aclosing(frames_in(answer)) as batches:
                yield batches


class Exchange:
    """Compares our store with a peer's and moves what either lacks."""

    def __init__(
        self,
        machine: Initiator,
        link: PeerLink,
        store: Database,
        *,
        take: Callable[[bytes, list[bytes]], Awaitable[None]],
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

    async def run(self) -> Outcome:
        """Run to the end. If it raises (as `PeerLink`), what was committed by then stays."""
        while True:
            step = await self._store.read(lambda _: self._machine.next())
            match step:
                case Done(outcome):
                    return outcome
                case Ask(request):
                    await self._ask(request)
                case Push(ids):
                    for batch in await self._store.read(functools.partial(_batches, ids=ids)):
                        await self._push(batch)

    async def _ask(self, request: bytes) -> None:
        async with self._link.ask(request) as batches:
            following: int | None = None
            async for batch in batches:
                if following is None:
                    answer, *batch = batch
                    following = await self._receive(answer)
                following -= len(batch)
                if following < 0:
                    raise MalformedMessage("more records than the answer speaks of")
                if batch:
                    await self._take(self._peer_store(), batch)
                    self._machine.received(len(batch))
        if following is None:
            raise BadAnswer("an empty answer")

    async def _receive(self, answer: bytes) -> int:
        return await self._store.read(lambda _: self._machine.receive(answer))

    async def _push(self, batch: Mapping[RecordId, bytes]) -> None:
        receipt = await self._link.push(batch.values())
        held = self._machine.pushed(list(batch), receipt)
        await self._given(self._peer_store(), held)

    def _peer_store(self) -> bytes:
        peer = self._machine.outcome.peer
        return peer.store if peer is not None else b""


def _batches(store: NodeStore, *, ids: Sequence[RecordId]) -> list[dict[RecordId, bytes]]:
    """Return the held records of `ids`, in bodies that one push may hold."""
    bodies = store.bodies(ids)
    batches: list[dict[RecordId, bytes]] = []
    room = 0
    for id_ in ids:
        if id_ in bodies:
            size = len(bodies[id_]) + 4
            if size > room:
                batches.append({})
                room = push_bytes_max
            batches[-1][id_] = bodies[id_]
            room -= size
    return batches


async def _check(answer: Answer) -> None:
    if answer.status != 200:
        reason = (await answer.read())[:_reason_chars_max].decode(errors="replace").strip()
        raise BadAnswer(f"answered {answer.status}: {reason}")
