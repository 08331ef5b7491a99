"""Composes one node from its parts, runs it, and takes it down in the right order."""

import contextlib
import dataclasses
import datetime
import logging
import os
import random
import signal
import sqlite3
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import trio

from managers.job_manager import JobManager, StartWorker, Worker
from managers.loop_manager import LoopManager
from managers.node_selector import Ending, NodeSelector, epoch_setting
from managers.replay_checker import ReplayChecker, Replayer, StartReplayer
from managers.selfplay_scheduler import SelfplayScheduler
from managers.state import StateManager
from managers.sync_planner import SyncPlanner
from mixins.base import P2PMixinBase
from mixins.clock import Clock
from mixins.faults import leaves
from mixins.runtime import Runtime
from mixins.store_access import StoreAccess
from mixins.threads import Threads
from p2p.envelope import RecordId
from p2p.events import EventBus
from p2p.identity.certificates import Credentials
from p2p.kinds import Kinds
from p2p.membership import Membership, MembershipConfig
from p2p.records import Core
from p2p.store import NodeStore, StoreFault
from ringrift import __version__
from ringrift.addresses import own_addresses
from ringrift.api import LocalApi
from ringrift.exits import Exit
from ringrift.game_record import kind_name
from ringrift.home import Home
from ringrift.report import Reporter
from ringrift.settings import replay_share_default
from ringrift.work import lineups, replayer_command, worker_command
from transports.base import Address, Handler, Incoming, Reply, Transport
from transports.server import serve_unix

flush_s_max = 10.0
"""How long a leaving node may take to make its games safe."""

leave_s_max = 3.0
protocol_versions = (1, 1)
boot_bytes = 8

_named_max = 10


@dataclasses.dataclass(frozen=True)
class AgentSettings:
    """What the user decided for this box."""

    home: Home
    name: str
    seeds: tuple[Address, ...] = ()
    advertised: tuple[Address, ...] = ()
    workers: int = 0
    durable: bool = True
    worker: str | None = None
    """A command that plays in place of the built-in one; see `docs/workers.md`."""
    replay_share: float = replay_share_default
    """How many of the games that are not made by the built-in worker here are replayed, 0 to 1."""


class ServeLocal(Protocol):
    """Lets a handler answer this box's operator at a path, until cancelled."""

    async def __call__(
        self,
        path: Path,
        handler: Handler,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Raise `OSError` if the path cannot be had."""


@dataclasses.dataclass(frozen=True)
class World:
    """What an agent gets from outside; a simulation puts other things in its place."""

    clock: Clock
    rng: random.Random
    new_id: Callable[[int], bytes]
    threads: Threads
    log: logging.Logger
    serve_local: ServeLocal = serve_unix
    start_worker: StartWorker = Worker.start
    start_replayer: StartReplayer = Replayer.start


@dataclasses.dataclass(frozen=True, slots=True)
class _OnlyHere:
    """The games that no other member is known to hold."""

    games: int
    first: Sequence[RecordId]
    """The oldest of them, at most `_named_max`."""

    def __str__(self) -> str:
        exist = "1 game exists" if self.games == 1 else f"{self.games:,} games exist"
        names = ", ".join(id_.hex()[:12] for id_ in self.first)
        more = self.games - len(self.first)
        return f"{exist} only on this box: {names}" + (f" and {more:,} more" if more else "")


class Agent:
    """One node. Make it with `Agent.compose`."""

    def __init__(
        self,
        world: World,
        runtime: Runtime,
        settings: AgentSettings,
        credentials: Credentials,
        machine: Membership,
        transport: Transport,
        kinds: Kinds,
    ) -> None:
        self._runtime = runtime
        self._serve_local = world.serve_local
        self._settings = settings
        self._transport = transport
        self._bound: tuple[Address, ...] = ()
        self._findable = trio.Event()
        """Set once what we say of ourselves tells where to dial us."""
        self._stopping = trio.Event()
        self._exit: Exit | None = None
        self._state = StateManager(runtime, mesh=credentials.mesh, key=credentials.key)
        self._sync = SyncPlanner(runtime, transport=transport)
        self._nodes = NodeSelector(
            runtime,
            machine=machine,
            transport=transport,
            rider=self._sync,
            seeds=settings.seeds,
            own_addresses=lambda: own_addresses(settings.advertised, self._bound),
            give_up=self._give_up,
        )
        self._scheduler = SelfplayScheduler(
            runtime, seed_key=credentials.key.private_bytes_raw(), lineups=lineups
        )
        self._jobs = JobManager(
            runtime,
            work=self._scheduler,
            check=kinds.check,
            command=lambda assigned: worker_command(settings.worker, runtime, assigned),
            environment=dict(os.environ),
            workers=settings.workers,
            start_worker=world.start_worker,
        )
        self._replays = ReplayChecker(
            runtime,
            kind=kind_name,
            share=settings.replay_share,
            check_own=settings.worker is not None,
            command=replayer_command(),
            environment=dict(os.environ),
            start_replayer=world.start_replayer,
        )
        self._loops = LoopManager(runtime)
        self._managers: tuple[P2PMixinBase, ...] = (
            self._state,
            self._nodes,
            self._sync,
            self._scheduler,
            self._jobs,
            self._replays,
            self._loops,
        )
        self._loops.supervise(self._managers)
        self._handlers = {
            path: handler
            for manager in self._managers
            for path, handler in manager.receive().items()
        }
        self._greetings = frozenset(self._nodes.receive())
        """Paths whose handlers take a request as a sign of life themselves."""
        reporter = Reporter(
            runtime,
            self._managers,
            mesh=credentials.mesh.hex(),
            name=settings.name,
            listening=lambda: self._bound,
            worries=lambda: _certificate_worries(runtime, credentials),
        )
        self._api = LocalApi(runtime, reporter, self._jobs, self._sync)
        runtime.bus.check_wiring()

    @classmethod
    async def compose(
        cls,
        world: World,
        settings: AgentSettings,
        credentials: Credentials,
        store: NodeStore,
        transport: Transport,
        kinds: Kinds,
    ) -> "Agent":
        """Put a node together: what it remembers is read from `store`, nothing is sent yet."""
        database = StoreAccess(store, world.threads)
        epoch, remembered = await database.read(_remembered)
        core = Core(
            mesh=credentials.mesh,
            node=credentials.node,
            epoch=epoch + 1,
            boot=world.new_id(boot_bytes),
            durable=settings.durable,
            name=settings.name,
            software=__version__,
            protocol=protocol_versions,
        )
        machine = Membership(
            credentials.key,
            core,
            config=MembershipConfig(),
            rng=world.rng,
            now_s=world.clock.monotonic_s(),
            seeds=[(seed.host, seed.port) for seed in settings.seeds],
            remembered=remembered,
        )
        runtime = Runtime(
            node=credentials.node,
            clock=world.clock,
            rng=world.rng,
            new_id=world.new_id,
            threads=world.threads,
            log=world.log,
            store=database,
            bus=EventBus(),
            peers=machine,
        )
        return cls(world, runtime, settings, credentials, machine, transport, kinds)

    async def run(self, ready: Callable[[Sequence[Address]], None]) -> Exit:
        """Run the node until it is told to stop; call `ready` with where it can be dialled."""
        for manager in (self._state, self._sync, self._scheduler, self._jobs, self._replays):
            await manager.load()
        try:
            left = await self._serve(ready)
        finally:
            await self._transport.aclose()
        return self._exit if self._exit is not None else self._farewell(left)

    async def _serve(self, ready: Callable[[Sequence[Address]], None]) -> _OnlyHere | None:
        """Answer peers and operator, and work, until told to stop; return what exists only here."""
        async with trio.open_nursery() as serving:
            self._bound = await serving.start(self._transport.serve, self._answer)
            await self._nodes.look_up_addresses()
            self._findable.set()
            await serving.start(self._serve_local, self._settings.home.socket, self._api.handle)
            async with trio.open_nursery() as working:
                working.start_soon(self._loops.run)
                ready(own_addresses(self._settings.advertised, self._bound))
                await self._stopping.wait()
                left = await self._wind_down()
                working.cancel_scope.cancel()
            serving.cancel_scope.cancel()
        return left

    async def stop_on(self, signals: AsyncIterable[int]) -> None:
        """Stop the node at the first of these signals, and the process at the second.

        SIGHUP is never the second: a terminal that closes may send several.
        """
        async for number in signals:
            if not self._stopping.is_set():
                self._runtime.log.info("stopping; a second signal stops at once")
                self.stop()
            elif number != signal.SIGHUP:
                os._exit(Exit.ERROR)  # workers end when their pipes close

    def stop(self) -> None:
        """Begin to take the node down."""
        self._stopping.set()

    def _give_up(self, ending: Ending, reason: str) -> None:
        self._runtime.log.error("%s", reason)
        self._exit = Exit.NOT_ADMITTED if ending is Ending.NOT_ADMITTED else Exit.ERROR
        self.stop()

    async def _answer(self, request: Incoming) -> Reply:
        await self._findable.wait()
        handler = self._handlers.get(request.path)
        if handler is None:
            return Reply(404, f"there is no {request.path[:100]}".encode())
        try:
            if request.peer is not None and request.path not in self._greetings:
                await self._nodes.heard(request.peer)
            return await handler(request)
        except StoreFault:  # it is told
            return Reply(507, b"this node's store does not work at present")

    async def _wind_down(self) -> _OnlyHere | None:
        """Stop playing, make safe what is not, and take leave; return what exists only here.

        None if that cannot be told.
        """
        left: _OnlyHere | None = None
        with self._whatever_happens("storing the last games"):
            await self._jobs.stop()
        with self._whatever_happens("noting what was spent on each config"):
            await self._scheduler.save()
        with self._whatever_happens("vouching for the last games"):
            await self._state.vouch()
        with self._whatever_happens("pushing what is not safe"), trio.move_on_after(flush_s_max):
            await self._sync.flush()
        with self._whatever_happens("finding what exists only here"):
            first = await self._sync.only_here()
            games = max(len(first), (await self._sync.count()).only_here)
            left = _OnlyHere(games, first[:_named_max])
        with self._whatever_happens("taking leave"), trio.move_on_after(leave_s_max):
            await self._nodes.leave()
        return left

    @contextlib.contextmanager
    def _whatever_happens(self, what: str) -> Iterator[None]:
        """Let one step of winding down fail without taking the next ones with it."""
        try:
            yield
        except* (OSError, sqlite3.Error, StoreFault, ValueError) as group:
            reasons = dict.fromkeys(map(str, leaves(group)))
            self._runtime.log.error("%s failed: %s", what, "; ".join(reasons))

    def _farewell(self, left: _OnlyHere | None) -> Exit:
        if left is None:  # why, is logged
            return Exit.DEGRADED
        if not left.first:
            return Exit.HEALTHY
        self._runtime.log.warning("%s", left)
        return Exit.DEGRADED


def stopping_signals() -> Collection[signal.Signals]:
    """Return which signals ask a node to stop: SIGHUP, too, unless it is ignored, as by `nohup`."""
    asking = {signal.SIGINT, signal.SIGTERM}
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return asking if ignored else asking | {signal.SIGHUP}


def _remembered(store: NodeStore) -> tuple[int, list[bytes]]:
    epoch = store.get_setting(epoch_setting)
    return epoch if isinstance(epoch, int) else 0, [record for _, record, _ in store.members()]


def _certificate_worries(runtime: Runtime, credentials: Credentials) -> Iterable[str]:
    """Warn in the last tenth of the credentials' life."""
    now = datetime.datetime.fromtimestamp(runtime.clock.wall_ms() / 1000, datetime.UTC)
    if credentials.life.ends_soon(now):
        ends = credentials.life.not_after
        yield (
            f"this node's certificate {'ends' if now < ends else 'has expired'} on "
            f"{ends:%Y-%m-%d %H:%M} UTC: make a new token, and start the agent with it once"
        )
