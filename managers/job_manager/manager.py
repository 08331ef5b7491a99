"""Runs the workers of this box, checks and stores what they make, and counts only that.

Each slot runs one worker after another and asks it for one game at a time, so that `pause` acts at
the next game's end. What all slots have finished is committed together (`commits`). A game counts,
and the node is told of it, once it is committed; a crash loses no other. A job's success is its
stored records; a process that merely ran has achieved nothing.

A worker is there for one turn, which is bounded by time, not by games: a game of one config costs
hundreds of times what one of another does. What a turn has cost is the time that the slot has given
to it: to the start of the worker, to its games, and to the wait after a crash. So a config whose
worker crashes at once is no cheap one that is tried for ever.
"""

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Protocol, TypeAlias

import trio

from managers.job_manager.commits import Commits, Finished
from managers.job_manager.slots import JobState, Slot, Turn
from managers.job_manager.worker import Worker
from mixins.backoff import backoff_s
from mixins.base import Loop, P2PMixinBase
from mixins.child import ChildEnded, ChildLeft, ChildRubbish, attend
from mixins.runtime import Runtime
from p2p.envelope import Record, RecordRefused, parse_record
from p2p.events import Event, RecordsStored, StoreRenewed

backoff_s_first = 1.0
backoff_s_max = 300.0
stop_s_max = 3.0
"""All workers together; each is killed, and reaped, well before."""

commit_interval_s = 1.0
"""How long after a commit the next one begins, if games wait for it."""

_paused = "paused"


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
        """End the worker, in bounded time. Raises `ChildLeft`."""


StartWorker: TypeAlias = Callable[[Sequence[str], Mapping[str, str]], Awaitable[StartedWorker]]
"""Takes a command line and an environment. Raises `OSError` if the command cannot be run."""


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
        self._slots = [Slot(f"selfplay-{number + 1}") for number in range(workers)]
        self._spent_s = dict.fromkeys(work.configs, 0.0)
        self._is_paused = False
        self._is_stopping = False
        self._resumes = 0
        self._changed = trio.Event()
        self._commits = Commits(
            runtime.clock,
            self.log,
            store=self.store_batch,
            announce=self.announce,
            configs=work.configs,
            interval_s=commit_interval_s,
        )
        runtime.bus.subscribe(self.name, StoreRenewed, lambda _: self._commits.renew())

    def loops(self) -> Iterable[Loop]:
        """Return a loop for each slot, and the one that commits what they have finished."""
        slots = [Loop(slot.id, functools.partial(self._run_slot, slot)) for slot in self._slots]
        return [*slots, Loop("commit", self._commits.commit_for_ever)]

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
        """Undo `pause`, and try again where workers were stopped."""
        await self._set_paused(False)

    async def _set_paused(self, paused: bool) -> None:
        await self.write(lambda store: store.set_setting(_paused, paused))
        self._is_paused = paused
        self._resumes += not paused
        self._changed.set()
        self._changed = trio.Event()

    async def stop(self) -> None:
        """End all workers, start no more, and commit what is finished.

        Games under way are lost; nobody was told of them.
        """
        self._is_stopping = True
        for slot in self._slots:
            slot.scope.cancel()
        with trio.move_on_after(stop_s_max):
            for slot in self._slots:
                if slot.ended is not None:
                    await slot.ended.wait()
        try:
            await self._commits.try_commit()
        finally:
            if self._commits:
                self.log.warning("finished games lost, not being stored: %d", len(self._commits))

    async def _run_slot(self, slot: Slot) -> None:
        slot.scope, slot.ended = trio.CancelScope(), trio.Event()
        try:
            if not self._is_stopping:
                with slot.scope:
                    await self._keep_busy(slot)
            slot.state = JobState.STOPPED
        finally:
            slot.ended.set()
        await trio.sleep_forever()

    async def _keep_busy(self, slot: Slot) -> None:
        while True:
            if self._is_paused:
                await self._rest(slot)
                continue
            if self._commits.is_full:
                await self._wait_for_room(slot)
                continue
            try:
                await self._take_turn(slot)
            except ChildRubbish as rubbish:
                await self._give_up(
                    slot, f"its worker was stopped, for it wrote rubbish: {rubbish}"
                )
            except ChildLeft as left:  # another one would play beside it
                await self._give_up(slot, f"its worker {left}")

    async def _rest(self, slot: Slot) -> None:
        slot.state = JobState.PAUSED
        while self._is_paused:
            await self._changed.wait()
        slot.state = JobState.IDLE

    async def _wait_for_room(self, slot: Slot) -> None:
        slot.state = JobState.FULL
        await self._commits.room()
        slot.state = JobState.IDLE

    async def _give_up(self, slot: Slot, trouble: str) -> None:
        """Start no further worker until the operator says `resume`."""
        slot.trouble, slot.state = trouble, JobState.STOPPED
        self.log.error("%s: %s", slot.id, trouble)
        resumes = self._resumes
        while self._resumes == resumes:
            await self._changed.wait()
        slot.state = JobState.IDLE
        slot.trouble = ""

    async def _back_off(self, slot: Slot, reason: str) -> None:
        slot.crashes_in_a_row += 1
        delay_s = backoff_s(backoff_s_first, backoff_s_max, slot.crashes_in_a_row)
        slot.trouble = f"its worker {reason}"
        slot.state = JobState.WAITING
        self.log.warning("%s: %s; next try in %.0f s", slot.id, slot.trouble, delay_s)
        with trio.move_on_after(delay_s * self.runtime.rng.uniform(0.8, 1.2)):
            await self._changed.wait()
        slot.state = JobState.IDLE

    async def _take_turn(self, slot: Slot) -> None:
        assignment = await self._work.begin_turn()
        turn = Turn(slot, assignment.config, self.runtime.clock.monotonic_s())
        slot.config, slot.turn = turn.config, turn
        try:
            ending = await self._attempt(turn, assignment)
            await self._commits.try_commit()
            if isinstance(ending, ChildRubbish):
                raise ending
            turn.check()
            if ending is not None:
                await self._back_off(slot, str(ending))
                turn.check()  # what the store did not take before it may have taken since
        finally:
            spent_s = self.runtime.clock.monotonic_s() - turn.began_s
            slot.turn = None
            self._spent_s[turn.config] += spent_s
            self._work.end_turn(turn.config, spent_s)

    async def _attempt(
        self, turn: Turn, assignment: Assigned
    ) -> ChildEnded | ChildRubbish | OSError | None:
        """Run a worker for its turn; return why it has ended early, if it has."""
        try:
            await self._run_worker(turn, assignment)
        except (ChildEnded, ChildRubbish, OSError) as ending:
            return ending
        return None

    async def _run_worker(self, turn: Turn, assignment: Assigned) -> None:
        slot = turn.slot
        worker = await self._start_worker(self._command(assignment), self._environment)
        slot.pid, slot.state = worker.pid, JobState.PLAYING
        try:
            await attend(worker, functools.partial(self._play, turn, worker, assignment.turn_s))
        finally:
            slot.pid, slot.asked_s, slot.state = None, None, JobState.IDLE

    async def _play(self, turn: Turn, worker: StartedWorker, turn_s: float) -> None:
        until_s = self.runtime.clock.monotonic_s() + turn_s
        while True:
            await self._play_one(turn, worker)
            turn.check()
            if self._is_paused or self.runtime.clock.monotonic_s() >= until_s:
                break
            if self._commits.is_full:
                await self._commits.try_commit()
                if self._commits.is_full:
                    break
        await worker.finish()

    async def _play_one(self, turn: Turn, worker: StartedWorker) -> None:
        slot, epoch = turn.slot, self._commits.epoch
        seed = await self._work.next_seed()
        slot.asked_s = self.runtime.clock.monotonic_s()
        data = await worker.play(seed)
        slot.longest_s = max(slot.longest_s, self.runtime.clock.monotonic_s() - slot.asked_s)
        slot.asked_s = None
        self._commits.add(Finished(turn, self._checked(turn, data), epoch))
        slot.crashes_in_a_row = 0
        slot.trouble = ""

    def _checked(self, turn: Turn, data: bytes) -> Record:
        """Return a game if the turn's worker may have made it. Raises `ChildRubbish`."""
        try:
            record = parse_record(data)
            self._check(record)
        except RecordRefused as error:
            raise ChildRubbish(str(error)) from None
        if (record.config, record.producer) != (turn.config, self.runtime.node):
            raise ChildRubbish(
                f"a record of {record.config} by {record.producer.hex()}, "
                f"not of {turn.config} by this node"
            )
        return record

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
                    for config, games in self._commits.games.items()
                }
            },
        }

    def _spent_on_s(self, config: str) -> float:
        """Return what a config has cost since the start, turns under way included."""
        now_s = self.runtime.clock.monotonic_s()
        return self._spent_s[config] + sum(
            now_s - slot.turn.began_s
            for slot in self._slots
            if slot.turn is not None and slot.turn.config == config
        )

    def health(self) -> Iterable[str]:
        """Name the slots in trouble."""
        now_s = self.runtime.clock.monotonic_s()
        for slot in self._slots:
            if trouble := slot.trouble or slot.hanging(now_s):
                yield f"{slot.id}: {trouble}"
