"""Turns of workers end by time, and what each config has cost is measured. In virtual time."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from managers.job_manager import JobManager
from managers.loop_manager import LoopManager
from managers.selfplay_scheduler import SelfplayScheduler, turn_s
from mixins.child import ChildEnded
from p2p.envelope import make_record
from tests.rig import check_game, epoch_ms, in_virtual_time, me, pass_s, rig

costs_s = {"square8_2p": 5.0, "hex8_3p": 25.0, "hexagonal_4p": 200.0}
"""What a game of each config takes."""

start_s = 0.5
"""What it takes to start a worker."""


@dataclasses.dataclass
class FakeWorker:
    """Plays games that take as long as those of its config do; a broken one crashes at once."""

    config: str
    broken: bool
    pid: int = 1

    async def drain_stderr(self) -> None:
        """Say nothing."""

    async def play(self, seed: str) -> bytes:
        """Play a game."""
        if self.broken:
            raise ChildEnded("ended with status 1")
        await pass_s(costs_s[self.config])
        return make_record("game", 1, self.config, epoch_ms, me, [seed])

    async def finish(self) -> None:
        """End at once."""

    async def stop(self) -> None:
        """End at once."""


Story = Callable[[JobManager, list[str]], Awaitable[None]]


@contextlib.asynccontextmanager
async def working(
    folder: Path, *, workers: int = 1, broken: str = ""
) -> AsyncIterator[tuple[JobManager, list[str]]]:
    """Run a job manager; the list is of the configs whose workers it has started."""
    started: list[str] = []

    async def start(words: Sequence[str], _: Mapping[str, str]) -> FakeWorker:
        await pass_s(start_s)
        started.append(words[0])
        return FakeWorker(words[0], words[0] == broken)

    with rig(folder) as runtime:
        jobs = JobManager(
            runtime,
            work=SelfplayScheduler(
                runtime, seed_key=b"", lineups={config: [("random",)] for config in costs_s}
            ),
            check=check_game,
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


def tell(folder: Path, story: Story, *, workers: int = 1, broken: str = "") -> None:
    """Run a story."""

    async def told() -> None:
        async with working(folder, workers=workers, broken=broken) as (jobs, started):
            await story(jobs, started)

    in_virtual_time(told)


def measured(jobs: JobManager) -> Mapping[str, Any]:
    """Return what the status says of each config."""
    found: Any = jobs.status()["selfplay"]
    by_config: Mapping[str, Any] = found["by_config"]
    return by_config


def test_the_time_is_shared_equally_and_all_of_it_is_accounted_for(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(6000)
        spent_s = [each["spent_s"] for each in measured(jobs).values()]
        assert abs(sum(spent_s) - 6000) < 1
        assert max(spent_s) - min(spent_s) <= turn_s + max(costs_s.values())
        games = {config: each["games"] for config, each in measured(jobs).items()}
        assert games["hexagonal_4p"] == 10
        assert games["square8_2p"] > 36 * games["hexagonal_4p"]

    tell(tmp_path, story)


def test_a_worker_is_replaced_at_the_end_of_the_game_in_which_its_time_is_over(
    tmp_path: Path,
) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        while len(started) <= len(costs_s):
            await pass_s(1)
        games = {config: each["games"] for config, each in measured(jobs).items()}
        first = {config: games[config] for config in costs_s if started.count(config) == 1}
        whole = {"square8_2p": 12, "hex8_3p": 3, "hexagonal_4p": 1}
        assert len(first) == 2
        assert first.items() <= whole.items()

    tell(tmp_path, story)


def test_slots_play_different_configs_at_the_same_time(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(1)
        assert sorted(started) == sorted(costs_s)

    tell(tmp_path, story, workers=3)


def test_a_turn_under_way_shows_in_what_is_spent(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(30)
        (playing,) = started
        assert measured(jobs)[playing]["spent_s"] == 30
        assert all(measured(jobs)[other]["spent_s"] == 0 for other in costs_s if other != playing)

    tell(tmp_path, story)


def test_a_config_whose_worker_crashes_at_once_starves_no_other(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(6000)
        spent_s = {config: each["spent_s"] for config, each in measured(jobs).items()}
        assert measured(jobs)["hex8_3p"]["games"] == 0
        assert max(spent_s.values()) - min(spent_s.values()) <= 400
        assert measured(jobs)["square8_2p"]["games"] > 300

    tell(tmp_path, story, broken="hex8_3p")


def test_a_paused_node_spends_nothing(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(10)
        await jobs.pause()
        await pass_s(300)
        before = measured(jobs)
        await pass_s(1000)
        assert measured(jobs) == before
        await jobs.resume()
        await pass_s(1000)
        assert sum(each["spent_s"] for each in measured(jobs).values()) > 900

    tell(tmp_path, story)


def test_a_turn_that_a_stop_cuts_short_costs_what_it_lasted(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(20)
        await jobs.stop()
        await pass_s(20)
        assert measured(jobs)[started[0]]["spent_s"] == 20

    tell(tmp_path, story)
