"""Runs the workers of this box, checks and stores what they make, and counts only that.

Each slot runs one worker after another: it asks for one game at a time and commits it before it
asks for the next. So `pause` acts at the next game's end, and a game that is lost with a crash is
one that nobody was told of. A job's success is its stored records; a process that merely ran has
achieved nothing.

A worker is there for one turn, which is bounded by time, not by games: a game of one config costs
hundreds of times what one of another does. What a turn has cost is the time that the slot has given
to it: to the start of the worker, to its games, and to the wait after a crash. So a config whose
worker crashes at once is no cheap one that is tried for ever.
"""

import dataclasses
import enum
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Protocol, TypeAlias

import trio

from managers.job_manager.worker import Worker
from mixins.backoff import backoff_s
from mixins.base import Loop, P2PMixinBase
from mixins.child import ChildEnded, ChildRubbish, attend
from mixins.runtime import Runtime
from p2p.envelope import Record, RecordRefused, parse_record
from p2p.events import Event, RecordsStored

backoff_s_first = 1.0
backoff_s_max = 300.0
stop_s_max = 3.0
"""All workers together; each is killed, and reaped, well before."""

_paused = "paused"


class JobState(enum.Enum):
    """What a slot does. Only the slot's own loop moves it.

    idle -> playing        a worker was started
    idle -> paused         told to pause
    playing -> idle        the worker's turn is over
    playing -> paused      told to pause, after the game
    playing -> waiting     the worker crashed; another is started after a backoff
    playing -> stopped     the worker wrote rubbish (`resume` tries again), or the node stops
    paused, waiting, stopped -> idle
    """

    IDLE = "idle"
    PLAYING = "playing"
    PAUSED = "paused"
    WAITING = "waiting to restart"
    STOPPED = "stopped"


class Assigned(Protocol):
    """What a worker is to play, as far as this manager needs to know it."""

    @property
    def config(self) -> str:
        """The config that its records must carry."""

    @property
    def players(self) -> tuple[str, ...]:
        """The kind of player in each seat."""

    @property
    def turn_s(self) -> float:
        """How long the worker goes on; a game that has begun is finished."""


class Work(Protocol):
    """Where jobs come from."""

    @property
    def configs(self) -> Sequence[str]:
        """Every config that may be assigned."""

    async def begin_turn(self) -> Assigned:
        """Return what the next free worker should play."""

    def end_turn(self, config: str, spent_s: float) -> None:
        """Take it that a turn of this config is over, and what it has cost."""

    async def next_seed(self) -> str:
        """Return a seed never given out before."""


class StartedWorker(Protocol):
    """A worker that has been started; see `Worker`, which says what each method raises."""

    @property
    def pid(self) -> int:
        """The process id."""

    async def drain_stderr(self) -> None:
        """Keep the end of what the worker says on its standard error."""

    async def play(self, seed: str) -> bytes:
        """Return the record of the game of one seed."""

    async def finish(self) -> None:
        """Let the worker end by itself."""

    async def stop(self) -> None:
        """End the worker, in bounded time."""


StartWorker: TypeAlias = Callable[[Sequence[str], Mapping[str, str]], Awaitable[StartedWorker]]
"""Takes a command line and an environment. Raises `OSError` if the command cannot be run."""


@dataclasses.dataclass(slots=True)
class _Slot:
    id: str
    state: JobState = JobState.IDLE
    config: str = ""
    began_s: float | None = None
    """When its turn began, if it has one."""
    pid: int | None = None
    games: int = 0
    crashes_in_a_row: int = 0
    trouble: str = ""
    scope: trio.CancelScope = dataclasses.field(default_factory=trio.CancelScope)
    stopped: trio.Event = dataclasses.field(default_factory=trio.Event)


class JobManager(P2PMixinBase):
    """Keeps `workers` workers busy."""

    name: ClassVar[str] = "job_manager"
    publishes: ClassVar[tuple[type[Event], ...]] = (RecordsStored,)

    def __init__(
        self,
        runtime: Runtime,
        *,
        work: Work,
        check: Callable[[Record], None],
        command: Callable[[Assigned], Sequence[str]],
        environment: Mapping[str, str],
        workers: int,
        start_worker: StartWorker = Worker.start,
    ) -> None:
        """`command` turns an assignment into the worker's command line.

        `check` raises `RecordRefused` for a record that breaks the rules of its kind. It is asked
        before the store is: what nobody else will ever see must not show in this node's digest.
        """
        super().__init__(runtime)
        self._work = work
        self._check = check
        self._command = command
        self._environment = environment
        self._start_worker = start_worker
        self._slots = [_Slot(f"selfplay-{number + 1}") for number in range(workers)]
        self._games = dict.fromkeys(work.configs, 0)
        self._spent_s = dict.fromkeys(work.configs, 0.0)
        self._is_paused = False
        self._is_stopping = False
        self._resumes = 0
        self._changed = trio.Event()

    def loops(self) -> Iterable[Loop]:
        """Return a loop for each slot."""
        return [Loop(slot.id, functools.partial(self._run_slot, slot)) for slot in self._slots]

    async def load(self) -> None:
        """Remember whether the operator had paused this node. Call before the loops run."""
        self._is_paused = bool(await self.read(lambda store: store.get_setting(_paused)))

    @property
    def paused(self) -> bool:
        """Whether the operator has paused this node."""
        return self._is_paused

    async def pause(self) -> None:
        """Start no further game on this node, until `resume`, across restarts."""
        await self._set_paused(True)

    async def resume(self) -> None:
        """Undo `pause`, and try workers again that were stopped for writing rubbish."""
        self._resumes += 1
        await self._set_paused(False)

    async def _set_paused(self, paused: bool) -> None:
        await self.write(lambda store: store.set_setting(_paused, paused))
        self._is_paused = paused
        self._changed.set()
        self._changed = trio.Event()

    async def stop(self) -> None:
        """End all workers, and start no more. Games under way are lost; nobody was told of them."""
        self._is_stopping = True
        for slot in self._slots:
            slot.scope.cancel()
        with trio.move_on_after(stop_s_max):
            for slot in self._slots:
                await slot.stopped.wait()

    async def _run_slot(self, slot: _Slot) -> None:
        slot.scope = trio.CancelScope()
        if not self._is_stopping:
            with slot.scope:
                await self._keep_busy(slot)
        slot.state = JobState.STOPPED
        slot.stopped.set()
        await trio.sleep_forever()

    async def _keep_busy(self, slot: _Slot) -> None:
        while True:
            if self._is_paused:
                await self._rest(slot)
                continue
            try:
                await self._take_turn(slot)
            except ChildRubbish as rubbish:
                slot.trouble = f"its worker was stopped, for it wrote rubbish: {rubbish}"
                self.log.error("%s: %s", slot.id, slot.trouble)
                await self._give_up(slot)

    async def _rest(self, slot: _Slot) -> None:
        slot.state = JobState.PAUSED
        while self._is_paused:
            await self._changed.wait()
        slot.state = JobState.IDLE

    async def _give_up(self, slot: _Slot) -> None:
        """Start no further worker until the operator says `resume`."""
        slot.state = JobState.STOPPED
        resumes = self._resumes
        while self._resumes == resumes:
            await self._changed.wait()
        slot.state = JobState.IDLE
        slot.trouble = ""

    async def _back_off(self, slot: _Slot, reason: str) -> None:
        slot.crashes_in_a_row += 1
        delay_s = backoff_s(backoff_s_first, backoff_s_max, slot.crashes_in_a_row)
        slot.trouble = f"its worker {reason}"
        slot.state = JobState.WAITING
        self.log.warning("%s: %s; next try in %.0f s", slot.id, slot.trouble, delay_s)
        with trio.move_on_after(delay_s * self.runtime.rng.uniform(0.8, 1.2)):
            await self._changed.wait()
        slot.state = JobState.IDLE

    async def _take_turn(self, slot: _Slot) -> None:
        assignment = await self._work.begin_turn()
        slot.config, slot.began_s = assignment.config, self.runtime.clock.monotonic_s()
        try:
            await self._run_worker(slot, assignment)
        except (ChildEnded, OSError) as ending:
            await self._back_off(slot, str(ending))
        finally:
            spent_s = self.runtime.clock.monotonic_s() - slot.began_s
            slot.began_s = None
            self._spent_s[slot.config] += spent_s
            self._work.end_turn(slot.config, spent_s)

    async def _run_worker(self, slot: _Slot, assignment: Assigned) -> None:
        worker = await self._start_worker(self._command(assignment), self._environment)
        slot.pid, slot.state = worker.pid, JobState.PLAYING
        try:
            await attend(worker, functools.partial(self._play, slot, worker, assignment.turn_s))
        finally:
            slot.pid, slot.state = None, JobState.IDLE

    async def _play(self, slot: _Slot, worker: StartedWorker, turn_s: float) -> None:
        until_s = self.runtime.clock.monotonic_s() + turn_s
        while True:
            record = await worker.play(await self._work.next_seed())
            await self._keep(slot, record)
            if self._is_paused or self.runtime.clock.monotonic_s() >= until_s:
                break
        await worker.finish()

    async def _keep(self, slot: _Slot, data: bytes) -> None:
        try:
            record = parse_record(data)
            self._check(record)
        except RecordRefused as error:
            raise ChildRubbish(str(error)) from None
        if (record.config, record.producer) != (slot.config, self.runtime.node):
            raise ChildRubbish(
                f"a record of {record.config} by {record.producer.hex()}, "
                f"not of {slot.config} by this node"
            )
        done = await self.ingest([data])
        if not done.stored:
            raise ChildRubbish("a game that was here already")
        slot.games += 1
        self._games[slot.config] += 1
        slot.crashes_in_a_row = 0
        slot.trouble = ""

    def status(self) -> Mapping[str, object]:
        """Return `{"jobs", "paused", "selfplay"}`, as `docs/status.md` has them."""
        return {
            "jobs": [
                {
                    "id": slot.id,
                    "kind": "selfplay",
                    "config": slot.config or None,
                    "pid": slot.pid,
                    "games": slot.games,
                    "state": slot.state.value,
                }
                for slot in self._slots
            ],
            "paused": self._is_paused,
            "selfplay": {
                "by_config": {
                    config: {"games": games, "spent_s": round(self._spent_on_s(config), 1)}
                    for config, games in self._games.items()
                }
            },
        }

    def _spent_on_s(self, config: str) -> float:
        """Return what a config has cost since the start, turns under way included."""
        now_s = self.runtime.clock.monotonic_s()
        return self._spent_s[config] + sum(
            now_s - slot.began_s
            for slot in self._slots
            if slot.began_s is not None and slot.config == config
        )

    def health(self) -> Iterable[str]:
        """Name the slots in trouble."""
        return [f"{slot.id}: {slot.trouble}" for slot in self._slots if slot.trouble]
