"""One simulated box: its disk, its clocks, and the agent that runs on it or does not."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple, Unpack

import trio

from managers.state.errors import StoreError
from managers.state.store import SqliteStore
from p2p.batch import batch_kind
from p2p.envelope import Record, RecordId, RecordRefused
from p2p.identity.ids import NodeId
from p2p.kinds import Kind, Kinds
from ringrift.agent import Agent, AgentSettings
from ringrift.agent import World as Surroundings
from ringrift.exits import Exit
from ringrift.game_record import GAME
from ringrift.home import Home
from tests.rig import epoch_ms, pass_s
from tests.sim.disk import Disk
from tests.sim.evidence import held, noted
from tests.sim.identities import credentials
from tests.sim.promises import promises
from tests.sim.trace import Trace
from tests.sim.workers import SimulatedReplayer, Table, command
from transports.base import Address, Handler, Incoming
from transports.memory import MemoryNetwork

ResultT = TypeVar("ResultT")
ArgumentsT = TypeVarTuple("ArgumentsT")

thread_s_max = 0.01
"""How long what goes to a thread takes at most."""

replay_share = 0.1
"""How many of the games of others an agent replays: more than it would, in so short a life."""

patience_s = 5.0
"""How long to wait for an ordered game to be played and committed."""


stop_s_max = 60.0
"""An agent that takes longer to stop in good order hangs."""


class SkewedClock:
    """Trio's clock, and a wall clock that is off by as much as the box's is."""

    def __init__(self, skew_ms: int) -> None:
        self._skew_ms = skew_ms

    def monotonic_s(self) -> float:
        """Return trio's time."""
        return trio.current_time()

    def wall_ms(self) -> int:
        """Return a moment in 2026, and what has passed since."""
        return epoch_ms + self._skew_ms + int(1000 * trio.current_time())


class InlineThreads:
    """Runs inline what would go to a thread, somewhere within the time that it takes."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    async def run(
        self, function: Callable[[Unpack[ArgumentsT]], ResultT], *arguments: *ArgumentsT
    ) -> ResultT:
        """Run `function`; as with a real thread, its caller is not cancelled before the end."""
        with trio.CancelScope(shield=True):
            await pass_s(self._rng.uniform(0, thread_s_max / 2))
            result = function(*arguments)
            await pass_s(self._rng.uniform(0, thread_s_max / 2))
        return result


class Box:
    """A box, and at most one agent on it."""

    def __init__(
        self,
        name: str,
        address: Address,
        skew_ms: int,
        folder: Path,
        rng: random.Random,
        network: MemoryNetwork,
        trace: Trace,
        told: Callable[[str], str],
        *,
        is_choosy: bool,
    ) -> None:
        """`told` takes out of a log line what differs from run to run. See `refuses`."""
        self.name = name
        self.address = address
        self.disk = Disk(folder)
        self.clock = SkewedClock(skew_ms)
        self._folder = folder
        self._rng = rng
        self._network = network
        self._trace = trace
        self._told = told
        self._identity = name
        self._is_choosy = is_choosy
        self.process: _Process | None = None

    @property
    def node(self) -> NodeId:
        """The id of the box's node."""
        return credentials(self._identity).node

    @property
    def up(self) -> "_Process":
        """The running agent. Fails if there is none."""
        assert self.process is not None, f"no agent runs on {self.name}"
        return self.process

    def refuses(self, game: RecordId, producer: NodeId) -> bool:
        """Tell whether this box, if it is a choosy one, does not take a game: a third of them."""
        return self._is_choosy and producer != self.node and game[0] % 3 == 0

    def _check(self, record: Record) -> None:
        GAME.check(record)
        if self.refuses(record.id, record.producer):
            raise RecordRefused("not to the taste of this box")

    async def live(self, seeds: Sequence[Address], *, task_status: trio.TaskStatus[None]) -> None:
        """Run an agent until it ends or crashes."""
        rng = random.Random(self._rng.random())
        log, mute = self._trace.logger(self.name, self._told)
        process = self.process = _Process(self.clock, mute)
        surroundings = Surroundings(
            self.clock,
            rng,
            random.Random(rng.random()).randbytes,
            InlineThreads(random.Random(rng.random())),
            log,
            process.serve_local,
            process.table.start_worker,
            SimulatedReplayer.start,
        )
        settings = AgentSettings(
            Home(self._folder, self._folder),
            self.name,
            tuple(seeds),
            workers=1,
            worker=command,
            replay_share=replay_share,
        )
        with process.scope:
            try:
                await self._run(process, surroundings, settings, task_status)
            except StoreError:
                log.exception("the agent cannot go on")
        if process.exit is not None and not process.is_told_to_stop:
            self._trace.faults.append(RuntimeError(f"{self.name} has given up: {process.exit}"))
        process.ended.set()
        if self.process is process:
            self.process = None

    async def _run(
        self,
        process: "_Process",
        surroundings: Surroundings,
        settings: AgentSettings,
        task_status: trio.TaskStatus[None],
    ) -> None:
        mine = credentials(self._identity)
        games = Kind(GAME.name, GAME.format, self._check)
        kinds = Kinds([games, batch_kind(mine.mesh)])
        store = SqliteStore(self.disk.path, kinds, surroundings.new_id, self.disk.connect)
        try:
            transport = self._network.transport(mine.node, self.address)
            process.store = store
            process.agent = await Agent.compose(
                surroundings, settings, mine, store, transport, kinds
            )
            process.exit = await process.agent.run(lambda _: task_status.started())
        finally:
            store.close()

    def crash(self) -> None:
        """End the agent as a power cut does: nothing that it does from now on has any effect."""
        process, self.process = self.up, None
        self._network.crash(self.node)
        self.disk.crash()
        process.mute()
        process.scope.cancel()

    def restore(self) -> None:
        """Put the backup back on the disk of a box without an agent."""
        assert self.process is None, f"an agent runs on {self.name}"
        self.disk.restore()

    def wipe(self, *, new_key: bool) -> None:
        """Lose the disk of a box without an agent, and perhaps the key with it."""
        assert self.process is None, f"an agent runs on {self.name}"
        self.disk.wipe()
        if new_key:
            self._identity += "'"


class _Process:
    """An agent that runs."""

    def __init__(self, clock: SkewedClock, mute: Callable[[], None]) -> None:
        self.mute = mute
        self.scope = trio.CancelScope()
        self.ended = trio.Event()
        self.table = Table(clock)
        self.agent: Agent
        self.store: SqliteStore
        self.exit: Exit | None = None
        self.is_told_to_stop = False
        self._handler: Handler

    async def serve_local(
        self,
        path: Path,
        handler: Handler,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Take the handler of the local API, in place of a Unix socket."""
        self._handler = handler
        task_status.started()
        await trio.sleep_forever()

    async def stop(self) -> None:
        """Stop the agent in good order. Raises `trio.TooSlowError`."""
        self.is_told_to_stop = True
        self.agent.stop()
        with trio.fail_after(stop_s_max):
            await self.ended.wait()

    async def status(self) -> dict[str, Any]:
        """Ask the local API for the status."""

        async def nothing() -> bytes:
            return b""

        reply = await self._handler(Incoming("/v1/status", None, nothing, method="GET"))
        assert isinstance(reply.body, bytes)
        report: dict[str, Any] = json.loads(reply.body)
        return report

    def games(self) -> list[RecordId]:
        """List the games held, as the store does."""
        return [id_ for page in self.store.iterate_ids("game") for id_ in page]

    def promises(self) -> dict[RecordId, int]:
        """Return the games that this agent counts as safe; see `tests.sim.promises`."""
        durable = frozenset(self.agent._runtime.peers.durable_ids())
        return promises(self.store, self.agent._runtime.node, durable)

    def store_of(self, peer: NodeId) -> bytes:
        """Return the id of the store that a peer has told of."""
        return self.agent._sync._evidence.store_of(peer)

    def trusted(self) -> dict[NodeId, tuple[bytes, set[RecordId]]]:
        """Return, by peer, which store it has told of, and which records that is noted to hold.

        Left out are those whose evidence is void and still to be dropped.
        """
        evidence = self.agent._sync._evidence
        return {
            node: (self.store_of(node), records)
            for node, records in noted(self.store).items()
            if not evidence._peer(node).is_void_due
        }

    def held(self) -> set[RecordId]:
        """Return every record held, of whatever kind."""
        return held(self.store)
