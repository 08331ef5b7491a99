"""A job manager at work in virtual time, with workers that are made up."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from managers.job_manager import JobManager
from managers.loop_manager import LoopManager
from managers.selfplay_scheduler import SelfplayScheduler
from mixins.child import ChildEnded, ChildLeft
from p2p.envelope import Record, make_record
from tests.rig import check_game, epoch_ms, in_virtual_time, me, pass_s, rig

shared = ("square8_2p", "hex8_3p", "hexagonal_4p")
costs_s = dict(zip(shared, (5.0, 25.0, 200.0), strict=True)) | {"quick_2p": 0.1, "slow_2p": 500.0}
"""What a game of each config takes."""

start_s = 0.5
"""What it takes to start a worker."""


def good_game(config: str, seed: str) -> bytes:
    """Make the record of a game."""
    return make_record("game", 1, config, epoch_ms, me, [seed])


@dataclasses.dataclass
class FakeWorker:
    """Plays games that take as long as those of its config do; a broken one crashes at once."""

    config: str
    broken: bool
    stays: bool
    game: Callable[[str, str], bytes]
    pid: int = 1

    async def drain_stderr(self) -> None:
        """Say nothing."""

    async def play(self, seed: str) -> bytes:
        """Play a game."""
        if self.broken:
            raise ChildEnded("ended with status 1")
        await pass_s(costs_s[self.config])
        return self.game(self.config, seed)

    async def finish(self) -> None:
        """End at once."""

    async def stop(self) -> None:
        """End at once, or not at all."""
        if self.stays:
            raise ChildLeft("goes on")


Story = Callable[[JobManager, list[str]], Awaitable[None]]


@contextlib.asynccontextmanager
async def working(
    folder: Path,
    *,
    workers: int = 1,
    broken: str = "",
    staying: str = "",
    configs: Sequence[str] = shared,
    game: Callable[[str, str], bytes] = good_game,
    check: Callable[[Record], None] = check_game,
) -> AsyncIterator[tuple[JobManager, list[str]]]:
    """Run a job manager; the list is of the configs whose workers it has started.

    `game` makes the record of a game from its config and seed, after the time it takes.
    """
    started: list[str] = []

    async def start(words: Sequence[str], _: Mapping[str, str]) -> FakeWorker:
        await pass_s(start_s)
        started.append(words[0])
        return FakeWorker(words[0], words[0] == broken, words[0] == staying, game)

    with rig(folder) as runtime:
        jobs = JobManager(
            runtime,
            work=SelfplayScheduler(
                runtime, seed_key=b"", lineups={config: [("random",)] for config in configs}
            ),
            check=check,
            command=lambda assigned: [assigned.config],
            environment={},
            workers=workers,
            start_worker=start,
        )
        loops = LoopManager(runtime)
        loops.supervise([jobs])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loops.run)
            yield jobs, started
            await jobs.stop()
            nursery.cancel_scope.cancel()


def tell(folder: Path, story: Story, **how: Any) -> None:
    """Run a story; `how` goes to `working`."""

    async def told() -> None:
        async with working(folder, **how) as (jobs, started):
            await story(jobs, started)

    in_virtual_time(told)


def measured(jobs: JobManager) -> Mapping[str, Any]:
    """Return what the status says of each config."""
    found: Any = jobs.status()["selfplay"]
    by_config: Mapping[str, Any] = found["by_config"]
    return by_config


def told(jobs: JobManager) -> int:
    """Count the games that the status tells of."""
    return int(sum(each["games"] for each in measured(jobs).values()))


def first_slot(jobs: JobManager) -> Mapping[str, Any]:
    """Return what the status says of the first slot."""
    slots: Any = jobs.status()["jobs"]
    slot: Mapping[str, Any] = slots[0]
    return slot


async def held(jobs: JobManager) -> int:
    """Count what is really in the store."""
    counts = await jobs.read(lambda store: store.count_by_config("game"))
    return sum(counts.values())
