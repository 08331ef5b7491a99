"""A mesh of machines on one event heap: virtual time, one seed, messages as bytes."""

import dataclasses
import functools
import heapq
import itertools
import random
from collections.abc import Callable, Iterable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from p2p.codec import Message, pack, unpack
from p2p.identity.ids import MeshId, NodeId
from p2p.identity.signing import key_id
from p2p.membership import (
    Contact,
    DuplicateIdentity,
    Effects,
    Forget,
    JoinAnswer,
    JoinRequest,
    MemberChanged,
    Membership,
    MembershipConfig,
    MemberState,
    Remember,
    Send,
    StoreEpoch,
    SyncAnswer,
    SyncRequest,
    sync_bytes_max,
)
from p2p.records import Address, Core, Value

mesh = MeshId(b"mesh-one")


@functools.cache
def make_key(number: int) -> Ed25519PrivateKey:
    """Return the same key for the same number."""
    return Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))


@functools.cache
def make_id(number: int) -> NodeId:
    """Return the id that belongs to `make_key(number)`."""
    return key_id(make_key(number).public_key().public_bytes_raw())


def make_core(
    number: int,
    *,
    epoch: int = 1,
    incarnation: int = 0,
    version: int = 0,
    boot: bytes | None = None,
    leaving: bool = False,
    durable: bool = True,
    addresses: tuple[Address, ...] | None = None,
    zone: str = "home",
) -> Core:
    """Return a Core as a real box would have it, in size and content."""
    return Core(
        mesh=mesh,
        node=make_id(number),
        epoch=epoch,
        boot=boot or number.to_bytes(4, "big") + epoch.to_bytes(4, "big"),
        incarnation=incarnation,
        version=version,
        leaving=leaving,
        durable=durable,
        addresses=(make_address(number),) if addresses is None else addresses,
        roles=("selfplay",),
        zone=zone,
        name=f"box-{number}",
        software="0.1.0",
        capabilities={"cores": "16", "gpu": "none"},
    )


def make_address(number: int) -> Address:
    """Return where box `number` listens."""
    return f"10.0.{number >> 8}.{number & 255}", 8770


@dataclasses.dataclass
class Disk:
    """What a box keeps through a crash."""

    epoch: int = 0
    remembered: dict[NodeId, bytes] = dataclasses.field(default_factory=dict)

    def store(self, effects: Effects) -> None:
        """Do what `persist` asks for."""
        for change in effects.persist:
            match change:
                case StoreEpoch(epoch):
                    self.epoch = epoch
                case Remember(node, core):
                    self.remembered[node] = core
                case Forget(node):
                    self.remembered.pop(node, None)


@dataclasses.dataclass(eq=False)
class Box:
    """One machine, its process if it runs, and what has been seen of it."""

    number: int
    address: Address
    rng: random.Random
    disk: Disk = dataclasses.field(default_factory=Disk)
    skew_ms: float = 0.0
    machine: Membership | None = None
    starts: int = 0
    refuses: bool = False
    """Whether the box, its process gone, says so to whoever calls."""
    paused: bool = False
    backlog: list[Callable[[], None]] = dataclasses.field(default_factory=list)
    wakes: int = 0
    changes: list[tuple[float, MemberChanged]] = dataclasses.field(default_factory=list)
    doubles: list[DuplicateIdentity] = dataclasses.field(default_factory=list)

    @property
    def id(self) -> NodeId:
        """The node that runs here."""
        return make_id(self.number)

    @property
    def running(self) -> Membership:
        """The machine; there must be one."""
        assert self.machine is not None
        return self.machine

    def states(self) -> dict[NodeId, MemberState]:
        """Return how this node sees everyone."""
        return {member.id: member.state for member in self.running.members()}

    def became(self, node: NodeId, state: MemberState) -> list[float]:
        """Return when this node came to see another in a state."""
        return [at for at, change in self.changes if (change.node, change.new) == (node, state)]


class World:
    """Boxes, and a network between them that delays, loses and cuts."""

    def __init__(self, seed: int, *, loss: float = 0.0, config: MembershipConfig | None = None):
        self.rng = random.Random(seed)
        self.now_s = 0.0
        self.loss = loss
        self.delay_s = (0.001, 0.04)
        self.config = config or MembershipConfig()
        self.boxes: list[Box] = []
        self.by_address: dict[Address, Box] = {}
        self.cut: Callable[[Box, Box], bool] = lambda _one, _other: False
        """Whether two boxes cannot reach each other."""
        self.deaf: Callable[[Box, Box], bool] = lambda _asker, _target: False
        """Whether the second box cannot be called by the first."""
        self.sizes: list[tuple[str, int]] = []
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def add(self, count: int) -> list[Box]:
        """Set up boxes that do not run yet."""
        boxes = []
        for number in range(len(self.boxes) + 1, len(self.boxes) + 1 + count):
            box = Box(number, make_address(number), random.Random(self.rng.random()))
            self.by_address[box.address] = box
            boxes.append(box)
        self.boxes += boxes
        return boxes

    def double_of(self, box: Box, address: Address) -> Box:
        """Set up a box with the same key and disk, found elsewhere."""
        double = Box(box.number, address, random.Random(self.rng.random()))
        double.disk = dataclasses.replace(box.disk, remembered=dict(box.disk.remembered))
        double.starts = 1000
        self.by_address[address] = double
        return double

    def mesh_of(self, count: int) -> list[Box]:
        """Start boxes that join through the first of them, a moment apart."""
        boxes = self.add(count)
        for box in boxes:
            self.start(box, seeds=[boxes[0].address] if box is not boxes[0] else [])
            self.run(0.2)
        return boxes

    # -- What happens to boxes

    def start(
        self,
        box: Box,
        seeds: Iterable[Address] = (),
        *,
        durable: bool = True,
        addresses: tuple[Address, ...] | None = None,
    ) -> None:
        """Start a process from what the disk holds."""
        box.starts += 1
        core = make_core(
            box.number,
            epoch=box.disk.epoch + 1,
            boot=box.number.to_bytes(4, "big") + box.starts.to_bytes(4, "big"),
            durable=durable,
            addresses=(box.address,) if addresses is None else addresses,
        )
        box.machine = Membership(
            make_key(box.number),
            core,
            config=self.config,
            rng=box.rng,
            now_s=self.now_s,
            seeds=seeds,
            remembered=box.disk.remembered.values(),
        )
        box.paused, box.backlog = False, []
        self.input(box, lambda machine: machine.tick(self.now_s))

    def crash(self, box: Box, *, refuses: bool = False) -> None:
        """Kill the process. The box stays up, and says so, if it `refuses`."""
        box.machine, box.refuses = None, refuses

    def pause(self, box: Box) -> None:
        """Stop the process as SIGSTOP does: its sockets take in what comes."""
        box.paused = True

    def resume(self, box: Box) -> None:
        """Let the process go on; all that piled up comes at once, in any order."""
        box.paused = False
        backlog, box.backlog = box.backlog, []
        self.rng.shuffle(backlog)
        for action in backlog:
            action()

    def set_status(self, box: Box, values: Mapping[str, Value]) -> None:
        """Let a node say how it is."""
        self.input(box, lambda machine: machine.set_status(self.now_s, values))

    def leave(self, box: Box) -> None:
        """Let a node take its leave; its process runs on."""
        self.input(box, lambda machine: machine.leave(self.now_s))

    # -- Time

    def run(self, duration_s: float) -> None:
        """Let everything happen that is due in the next `duration_s` seconds."""
        end_s = self.now_s + duration_s
        while self._heap and self._heap[0][0] <= end_s:
            self.now_s, _, action = heapq.heappop(self._heap)
            action()
        self.now_s = end_s

    def run_until(self, condition: Callable[[], bool], within_s: float) -> float:
        """Run until a condition holds; return how long that took, and fail beyond `within_s`."""
        start_s = self.now_s
        while not condition():
            assert self.now_s - start_s < within_s, f"not within {within_s} s"
            self.run(0.1)
        return self.now_s - start_s

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something after a while."""
        heapq.heappush(self._heap, (self.now_s + delay_s, next(self._order), action))

    # -- What goes over the network

    def input(self, box: Box, call: Callable[[Membership], Effects]) -> None:
        """Call a machine, and do as it says; a process that is stopped does so later."""
        machine = box.machine

        def act() -> None:
            if box.machine is machine and machine is not None:
                if box.paused:
                    box.backlog.append(act)
                else:
                    self._perform(box, call(machine))

        act()

    def _perform(self, box: Box, effects: Effects) -> None:
        box.disk.store(effects)
        for change in effects.changes:
            match change:
                case MemberChanged():
                    box.changes.append((self.now_s, change))
                case DuplicateIdentity():
                    box.doubles.append(change)
        for send in effects.send:
            Call(self, box, send).begin()
        box.wakes += 1
        wake = box.wakes

        def tick() -> None:
            if wake == box.wakes:
                self.input(box, lambda machine: machine.tick(self.now_s))

        if effects.wake_at_s < float("inf"):
            self.later(effects.wake_at_s - self.now_s, tick)

    def packed(self, message: Message) -> bytes:
        """Encode a message, and note its size."""
        data = pack(message)
        assert len(data) <= sync_bytes_max
        self.sizes.append((type(message).__name__, len(data)))
        return data

    def passes(self, one: Box, other: Box) -> bool:
        """Tell whether a message arrives."""
        return not self.cut(one, other) and self.rng.random() >= self.loss


class Call:
    """One request and its answer, either of which may be lost; the deadline is the asker's."""

    def __init__(self, world: World, asker: Box, send: Send | Contact) -> None:
        self.world, self.asker, self.send = world, asker, send
        self.process = asker.machine
        self.started_s = world.now_s
        self.done = False

    def begin(self) -> None:
        """Send the request."""
        address = self.send.address if isinstance(self.send, Contact) else self.send.addresses[0]
        target = self.world.by_address.get(address)
        self._later(self.send.timeout_s, lambda: self.end(self._failed(refused=False)))
        if target is None or self.world.deaf(self.asker, target):
            return
        if self.world.passes(self.asker, target):
            data = self.world.packed(self.send.message)
            self._later(self._delay_s(), lambda: self.arrive(target, data))

    def arrive(self, target: Box, data: bytes) -> None:
        """Hand the request to the process that listens, if any."""
        if target.machine is None:
            if target.refuses and self.world.passes(target, self.asker):
                self._later(self._delay_s(), lambda: self.end(self._failed(refused=True)))
        elif isinstance(self.send, Send) and self.send.to != target.id:
            pass  # the certificate is not that of the node we call
        else:
            self.world.input(target, lambda machine: self.serve(machine, target, data))

    def serve(self, machine: Membership, target: Box, data: bytes) -> Effects:
        """Let the target answer."""
        now_s, answer, effects = self.world.now_s, b"", None
        if isinstance(self.send, Send):
            reply, effects = machine.receive(now_s, self.asker.id, unpack(data, SyncRequest))
            answer = self.world.packed(reply)
        else:
            hello, effects = machine.receive_join(now_s, self.asker.id, unpack(data, JoinRequest))
            answer = self.world.packed(hello)
        if self.world.passes(target, self.asker):
            wall_ms = target.skew_ms
            self._later(self._delay_s(), lambda: self.end(self._answered(target, answer, wall_ms)))
        return effects

    def end(self, call: Callable[[Membership], Effects]) -> None:
        """Report to the asker how it went, once."""
        if not self.done and self.asker.machine is self.process:
            self.done = True
            self.world.input(self.asker, call)

    def _answered(
        self, target: Box, data: bytes, wall_ms: float
    ) -> Callable[[Membership], Effects]:
        world, send = self.world, self.send
        if isinstance(send, Contact):
            hello = unpack(data, JoinAnswer)
            return lambda machine: machine.contacted(world.now_s, send.address, target.id, hello)
        reply = unpack(data, SyncAnswer)
        offset_ms = wall_ms - self.asker.skew_ms
        return lambda machine: machine.answered(
            world.now_s, target.id, reply, world.now_s - self.started_s, offset_ms
        )

    def _failed(self, *, refused: bool) -> Callable[[Membership], Effects]:
        world, send = self.world, self.send
        if isinstance(send, Contact):
            return lambda machine: machine.contact_failed(world.now_s, send.address)
        return lambda machine: machine.failed(world.now_s, send.to, refused=refused)

    def _delay_s(self) -> float:
        return self.world.rng.uniform(*self.world.delay_s)

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        self.world.later(delay_s, action)


def all_see(boxes: Iterable[Box], state: MemberState, nodes: Iterable[Box]) -> bool:
    """Tell whether each of `boxes` sees each of `nodes` in this state."""
    ids = [node.id for node in nodes]
    return all(box.states().get(id_) is state for box in boxes for id_ in ids)


def all_alive(boxes: Iterable[Box]) -> bool:
    """Tell whether these boxes all see each other alive, and hold the same records."""
    boxes = list(boxes)
    roots = {box.running.root for box in boxes}
    return all_see(boxes, MemberState.ALIVE, boxes) and len(roots) == 1
