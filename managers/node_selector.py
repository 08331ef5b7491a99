"""Finds the other nodes, keeps in touch with them, and says who is there.

It drives the membership machine: what happened goes in, and what comes out is first stored, then
sent. The digest of the records rides on the same exchange; whoever plans the sync hands it in and
hears the peers' (`Rider`).
"""

import dataclasses
import enum
import functools
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import ClassVar, Protocol

import trio

from mixins.alarm import Alarm
from mixins.base import Loop, P2PMixinBase
from mixins.runtime import Runtime
from p2p.codec import CodecError, pack, unpack
from p2p.events import Event, HostOffline, HostOnline
from p2p.gossip import GossipAnswer, GossipRequest
from p2p.identity.ids import NodeId
from p2p.membership import (
    Contact,
    DuplicateIdentity,
    Effects,
    Equivocation,
    Forget,
    JoinAnswer,
    JoinRequest,
    Member,
    MemberChanged,
    Membership,
    MemberState,
    Misdirected,
    Remember,
    Send,
    StoreEpoch,
)
from p2p.reconcile import Ping, Snapshot
from p2p.records import BadRecord
from p2p.store import NodeStore
from transports.base import (
    Address,
    Answer,
    BadAnswer,
    Handler,
    Incoming,
    NotListening,
    Refused,
    Reply,
    Transport,
    TransportError,
)

path_sync = "/v1/sync"
path_join = "/v1/join"
epoch_setting = "epoch"

address_interval_s = 60.0
"""How often this box's own addresses are looked up again."""


class Ending(enum.Enum):
    """Why a node cannot go on."""

    NOT_ADMITTED = "every seed has refused it"
    DUPLICATE_IDENTITY = "another agent has its key"


class Rider(Protocol):
    """What travels with the membership exchange."""

    async def offer(self) -> Ping:
        """Return what to tell a peer about our records."""

    async def heard(self, peer: NodeId, mine: Ping, theirs: Ping) -> None:
        """Take in what a peer told about its records, in exchange for `mine`."""

    def reminder(self, peer: NodeId) -> Snapshot | None:
        """Return what to tell a peer whose store seems to have lost rows."""

    async def reminded(self, seen: Snapshot) -> None:
        """Take in what a peer has seen of our store, if ours seems to have lost rows."""


@dataclasses.dataclass(frozen=True, slots=True)
class SeedTrouble:
    """Why a seed could not be joined through, when it was last tried."""

    reason: str
    """It tells which seed, too."""
    refused: bool
    """It answered, and identity was refused: trying again changes nothing."""


class NodeSelector(P2PMixinBase):
    """This node's place in the mesh."""

    name: ClassVar[str] = "node_selector"
    publishes: ClassVar[tuple[type[Event], ...]] = (HostOnline, HostOffline)

    def __init__(
        self,
        runtime: Runtime,
        *,
        machine: Membership,
        transport: Transport,
        rider: Rider,
        seeds: Collection[Address],
        own_addresses: Callable[[], Sequence[Address]],
        give_up: Callable[[Ending, str], None],
    ) -> None:
        """`give_up` ends the node, with a sentence that says why it cannot go on."""
        super().__init__(runtime)
        self._machine = machine
        self._transport = transport
        self._rider = rider
        self._own_addresses = own_addresses
        self._give_up = give_up
        self._seeds = frozenset(seeds)
        self._alarm = Alarm()
        self._leaving: Alarm | None = None
        """Wakes who takes leave, and then sends in place of the gossip loop."""
        self._unsaved: list[Effects] = []
        self._outbox: list[Send | Contact] = []
        self._flushing = trio.Lock()
        self._refusals: dict[NodeId, str] = {}
        self._troubles: dict[Address, SeedTrouble] = {}
        self._introduced = False
        self._exchanges = 0
        self._body_bytes = 0

    def loops(self) -> Iterable[Loop]:
        """Return the loops that gossip, and look up our own addresses."""
        return (Loop("gossip", self._gossip), Loop("addresses", self._watch_addresses))

    def receive(self) -> Mapping[str, Handler]:
        """Return the handlers of the exchange and of first contact."""
        return {path_sync: self._answer_sync, path_join: self._answer_join}

    @property
    def introduced(self) -> bool:
        """Whether any other member has ever answered, or been heard, since the start."""
        return self._introduced

    async def _gossip(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                self._take(self._machine.tick(self._now_s()))
                await self._flush()
                if self._leaving is None:
                    self._send_out(nursery)
                else:
                    self._leaving.ring()
                await self._alarm.wait(self._machine.wake_at_s)

    def _send_out(self, nursery: trio.Nursery) -> None:
        while self._outbox:
            nursery.start_soon(self._deliver, self._outbox.pop(0))

    async def _watch_addresses(self) -> None:
        while True:
            await self.look_up_addresses()
            await trio.sleep(address_interval_s)

    async def look_up_addresses(self) -> None:
        """Find out where this box can be dialled; what it says from now on tells that.

        To be done once before anything is said: a Core without addresses makes whoever hears it
        hold this node for one that cannot be dialled. Needs no store: the gossip loop will store
        and send what comes of it.
        """
        addresses = await self.runtime.threads.run(self._own_addresses)
        self._take(
            self._machine.set_addresses(
                self._now_s(), tuple((each.host, each.port) for each in addresses)
            )
        )
        self._alarm.ring()

    async def heard(self, peer: NodeId) -> None:
        """Take a request of a peer that is no message of ours as a sign of life all the same."""
        await self._perform(self._machine.heard(self._now_s(), peer))

    async def leave(self) -> None:
        """Tell the mesh that this node goes on purpose: each peer that is there, once.

        Peers with which an exchange is under way are told when that has ended.
        """
        self._leaving = Alarm()
        self._take(self._machine.leave(self._now_s()))
        async with trio.open_nursery() as nursery:
            await self._flush()
            self._send_out(nursery)
            while self._machine.has_news_to_tell:
                await self._leaving.wait()
                await self._flush()
                self._send_out(nursery)

    async def _perform(self, effects: Effects) -> None:
        """Do what the machine wants: store first, then let the gossip loop send."""
        self._take(effects)
        await self._release()

    async def _release(self) -> None:
        """Store what was taken in, and wake the gossip loop to send it."""
        await self._flush()
        self._alarm.ring()
        if self._leaving is not None:
            self._leaving.ring()

    async def _flush(self) -> None:
        """Store what is to be stored, and only then release what is to be sent.

        In order, by one task at a time: whoever comes later finds nothing left, but waits until
        what it took in is on the disk. If storing fails, everything stays for the next time.
        """
        async with self._flushing:
            while self._unsaved:
                persist = [each for effects in self._unsaved for each in effects.persist]
                count = len(self._unsaved)
                if persist:
                    heard_ms = self.runtime.clock.wall_ms()
                    await self.write(functools.partial(_keep, what=persist, heard_ms=heard_ms))
                for effects in self._unsaved[:count]:
                    self._outbox += effects.send
                del self._unsaved[:count]

    def _take(self, effects: Effects) -> None:
        """Take in what the machine wants. Does not wait, so that nothing can get lost."""
        self._unsaved.append(effects)
        for change in effects.changes:
            match change:
                case MemberChanged(node, old, new):
                    self._tell(node, old, new)
                case Equivocation(node):
                    self.log.error(
                        "%s signed two different records with one version: its key may be stolen",
                        node.hex(),
                    )
                case DuplicateIdentity(_, addresses):
                    places = ", ".join(str(Address(*each)) for each in addresses)
                    self._give_up(
                        Ending.DUPLICATE_IDENTITY,
                        f"duplicate identity: another agent has our key, at {places}",
                    )

    def _tell(self, node: NodeId, old: MemberState | None, new: MemberState | None) -> None:
        name = next((m.name for m in self._machine.members() if m.id == node), node.hex()[:12])
        # What a member is first held to be, by hearsay or from before our start, nobody has seen.
        level = logging.DEBUG if old is None else logging.INFO
        self.log.log(level, "%s %s", name, _said_of(new))
        if new is MemberState.ALIVE:
            self._introduced = True
            self.emit(HostOnline(node))
        elif new in (MemberState.DEAD, MemberState.LEFT):
            self.emit(HostOffline(node))

    async def _deliver(self, message: Send | Contact) -> None:
        if isinstance(message, Send):
            await self._send(message)
        else:
            await self._contact(message)

    async def _send(self, send: Send) -> None:
        """Run one exchange; the machine learns how it ended, whatever happens."""
        effects: Effects | None = None
        told: tuple[Ping, GossipAnswer] | None = None
        try:
            mine = await self._rider.offer()
            effects, answer = await self._exchange(send, mine)
            told = mine, answer
            self._refusals.pop(send.to, None)
        except BadAnswer as error:
            self.log.warning("%s: %s", send.to.hex()[:12], error)
            effects = self._machine.declined(self._now_s(), send.to)
        except (TransportError, CodecError) as error:
            self._note_refusal(send.to, error)
            refused = isinstance(error, NotListening)
            effects = self._machine.failed(self._now_s(), send.to, refused=refused)
        finally:
            self._take(effects or self._machine.failed(self._now_s(), send.to, refused=False))
        await self._release()
        if told is not None and self._leaving is None:
            await self._hear_of_records(send.to, *told)

    def _note_refusal(self, peer: NodeId, error: TransportError | CodecError) -> None:
        """Tell the operator once if a member and we do not accept each other."""
        self.log.debug("an exchange with %s failed: %s", peer.hex()[:12], error)
        if isinstance(error, Refused) and self._refusals.get(peer) != str(error):
            self._refusals[peer] = str(error)
            self.log.warning("%s: %s", peer.hex()[:12], error)

    async def _hear_of_records(
        self, peer: NodeId, mine: Ping, told: GossipRequest | GossipAnswer
    ) -> None:
        await self._rider.heard(peer, mine, told.records)
        if told.seen is not None:
            await self._rider.reminded(told.seen)

    async def _exchange(self, send: Send, mine: Ping) -> tuple[Effects, GossipAnswer]:
        reminder = self._rider.reminder(send.to)
        request = GossipRequest(send.message, mine, self.runtime.clock.wall_ms(), reminder)
        asked = pack(request)
        started_s = self._now_s()
        async with self._transport.request(
            send.to,
            [Address(*each) for each in send.addresses],
            path_sync,
            asked,
            deadline_s=send.timeout_s,
        ) as reply:
            answered = await _content(reply)
        answer = unpack(answered, GossipAnswer)
        self._exchanges += 1
        self._body_bytes += len(asked) + len(answered)
        round_trip_s = self._now_s() - started_s
        middle_ms = request.wall_ms + 500 * round_trip_s
        effects = self._machine.answered(
            self._now_s(), send.to, answer.sync, round_trip_s, answer.wall_ms - middle_ms
        )
        return effects, answer

    async def _contact(self, contact: Contact) -> None:
        address = Address(*contact.address)
        effects: Effects | None = None
        try:
            async with self._transport.introduce(
                address, path_join, pack(contact.message), deadline_s=contact.timeout_s
            ) as reply:
                answer = unpack(await _content(reply), JoinAnswer)
            effects = self._machine.contacted(self._now_s(), contact.address, reply.peer, answer)
            self._troubles.pop(address, None)
        except (TransportError, CodecError) as error:
            self._trouble(address, error)
            effects = self._machine.contact_failed(self._now_s(), contact.address)
        finally:
            self._take(effects or self._machine.contact_failed(self._now_s(), contact.address))
        await self._release()

    def _trouble(self, address: Address, error: TransportError | CodecError) -> None:
        words = [word.rstrip(":") for word in str(error).split()]
        reason = str(error) if str(address) in words else f"{address}: {error}"
        trouble = SeedTrouble(reason, isinstance(error, Refused))
        if self._troubles.get(address) != trouble:
            what = "does not let us in" if trouble.refused else "is tried again and again"
            self.log.warning("a seed %s: %s", what, reason)
        self._troubles[address] = trouble
        if self._is_stranger() and self._seeds and all(map(self._has_refused, self._seeds)):
            reasons = "; ".join(self._troubles[seed].reason for seed in self._seeds)
            self._give_up(Ending.NOT_ADMITTED, f"no seed lets this node in: {reasons}")

    def _is_stranger(self) -> bool:
        """Whether this node has never met another member, in this life or an earlier one."""
        return len(self._machine.members()) <= 1

    def _has_refused(self, seed: Address) -> bool:
        return seed in self._troubles and self._troubles[seed].refused

    async def _answer_sync(self, request: Incoming) -> Reply:
        assert request.peer is not None
        asked = unpack(await request.read(), GossipRequest)
        try:
            answer, effects = self._machine.receive(self._now_s(), request.peer, asked.sync)
        except Misdirected as error:
            return Reply(421, str(error).encode())
        await self._perform(effects)
        mine = await self._rider.offer()
        await self._hear_of_records(request.peer, mine, asked)
        reminder = self._rider.reminder(request.peer)
        told = GossipAnswer(answer, mine, self.runtime.clock.wall_ms(), reminder)
        return Reply(body=pack(told))

    async def _answer_join(self, request: Incoming) -> Reply:
        assert request.peer is not None
        asked = unpack(await request.read(), JoinRequest)
        try:
            answer, effects = self._machine.receive_join(self._now_s(), request.peer, asked)
        except BadRecord as error:
            return Reply(400, str(error).encode())
        await self._perform(effects)
        return Reply(body=pack(answer))

    def _now_s(self) -> float:
        return self.runtime.clock.monotonic_s()

    def status(self) -> Mapping[str, object]:
        """Return `{"gossip": {"exchanges", "body_bytes"}}`: those begun here, both ways."""
        return {"gossip": {"exchanges": self._exchanges, "body_bytes": self._body_bytes}}

    def health(self) -> Iterable[str]:
        """Name durable members that are not there, and seeds that have not let us in."""
        for member in self._machine.members():
            if member.durable and member.state in (MemberState.SUSPECT, MemberState.DEAD):
                why = self._refusals.get(member.id)
                yield f"{_named(member)} is {member.state.name.lower()}" + (
                    f": {why}" if why else ""
                )
        if not self._introduced:
            for trouble in self._troubles.values():
                yield f"a seed has not let us in: {trouble.reason}"


def _said_of(state: MemberState | None) -> str:
    if state is None:
        return "is forgotten"
    return "has left" if state is MemberState.LEFT else f"is {state.name.lower()}"


def _named(member: Member) -> str:
    return f"{member.name or 'a node'} ({member.id.hex()[:12]})"


async def _content(reply: Answer) -> bytes:
    await reply.require_ok()
    return await reply.read()


def _keep(
    store: NodeStore, *, what: Iterable[StoreEpoch | Remember | Forget], heard_ms: int
) -> None:
    for each in what:
        match each:
            case StoreEpoch(epoch):
                store.set_setting(epoch_setting, epoch)
            case Remember(node, core):
                store.remember_member(node, core, heard_ms)
            case Forget(node):
                store.forget_member(node)
