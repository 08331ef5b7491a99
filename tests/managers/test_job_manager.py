"""Workers: fed, counted, paused, restarted, stopped. Real processes, tiny programs."""

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
import trio

from managers.job_manager import Assigned, JobManager
from managers.loop_manager import LoopManager
from managers.selfplay_scheduler import SelfplayScheduler
from mixins.base import P2PMixinBase
from mixins.clock import SystemClock
from mixins.runtime import Runtime
from tests.processes import running
from tests.rig import check_game, me, rig
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

library = f"""
import sys, time
from p2p.envelope import make_record
from p2p.frames import frame
def record(seed, body="good", config="square8_2p", producer={bytes(me)!r}):
    return make_record("game", 1, config, 1_790_000_000_000, producer, [body, seed])
def write(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
def seeds():
    for line in sys.stdin:
        if line == "end\\n":
            sys.exit(0)
        yield line.strip()
"""
plays = "for seed in seeds(): write(frame(record(seed)))"


class Shop:
    """A job manager at work."""

    def __init__(self, jobs: JobManager, runtime: Runtime) -> None:
        self.jobs = jobs
        self.runtime = runtime

    @property
    def slots(self) -> list[dict[str, object]]:
        """What the status says of each slot."""
        found = self.jobs.status()["jobs"]
        assert isinstance(found, list)
        return found

    async def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for a condition on the slots."""

        async def is_so() -> bool:
            return condition()

        await eventually(what, is_so, context=lambda: (self.slots, list(self.jobs.health())))


@contextlib.asynccontextmanager
async def shop(
    folder: Path, program: str, *, workers: int = 1, command: Sequence[str] | None = None
) -> AsyncIterator[Shop]:
    """Run workers that are a few lines of Python."""

    def built(_: Assigned) -> Sequence[str]:
        return command or [sys.executable, "-c", library + program]

    with rig(folder, clock=SystemClock()) as runtime:
        work = SelfplayScheduler(
            runtime, seed_key=b"", lineups={"square8_2p": [("random", "random")]}
        )
        jobs = JobManager(
            runtime,
            work=work,
            check=check_game,
            command=built,
            environment=dict(os.environ),
            workers=workers,
        )
        loops = LoopManager(runtime)
        managers: list[P2PMixinBase] = [jobs, loops]
        loops.supervise(managers)
        await jobs.load()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loops.run)
            yield Shop(jobs, runtime)
            await jobs.stop()
            nursery.cancel_scope.cancel()


async def stored(shop: Shop) -> int:
    """Count what is really in the store."""
    counts = await shop.runtime.store.read(lambda store: store.count_by_config("game"))
    return sum(counts.values())


async def test_games_are_stored_and_counted(tmp_path: Path) -> None:
    async with shop(tmp_path, plays) as at:
        await at.until("ten games", lambda: at.slots[0]["games"] >= 10)  # type: ignore[operator]
        assert at.slots[0]["state"] == "playing"
        assert at.slots[0]["config"] == "square8_2p"
        await at.jobs.pause()
        await at.until("the pause", lambda: at.slots[0]["state"] == "paused")
        assert await stored(at) == at.slots[0]["games"]


async def test_workers_yield_to_the_rest_of_the_box_in_a_group_of_their_own(tmp_path: Path) -> None:
    async with shop(tmp_path, plays) as at:
        await at.until("a worker", lambda: at.slots[0]["pid"] is not None)
        pid = at.slots[0]["pid"]
        assert isinstance(pid, int)
        assert os.getpriority(os.PRIO_PROCESS, pid) == 10
        assert os.getpgid(pid) == pid


async def test_a_crashed_worker_is_restarted_and_its_last_words_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = "for seed in seeds(): write(frame(record(seed))); sys.exit('out of luck')"
    async with shop(tmp_path, program) as at:
        await at.until("a third game", lambda: at.slots[0]["games"] == 3)
        assert "ended with status 1: out of luck" in caplog.text


async def test_a_worker_that_never_makes_a_game_is_tried_ever_more_seldom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop(tmp_path, "sys.exit(3)") as at:
        await at.until("two tries", lambda: "next try in 2 s" in caplog.text)
        assert at.slots[0]["games"] == 0
        assert any("ended with status 3" in problem for problem in at.jobs.health())


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("seeds().__next__(); write(b'\\xff' * 100)", "a frame of 4294967295 bytes"),
        ("for seed in seeds(): write(frame(b'hello'))", "not msgpack"),
        ("for seed in seeds(): write(frame(record(seed, 'bad')))", "marked as bad"),
        ("for s in seeds(): write(frame(record(s, config='hex8_2p')))", "a record of hex8_2p"),
        ("for s in seeds(): write(frame(record(s, producer=bytes(16))))", "not of square8_2p"),
        ("for s in seeds(): write(frame(record(s)) + frame(record(s)))", "2 records for one seed"),
    ],
)
async def test_a_worker_that_writes_rubbish_is_stopped_until_resume(
    tmp_path: Path, program: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop(tmp_path, program) as at:
        await at.until("the stop", lambda: at.slots[0]["state"] == "stopped")
        assert any(reason in problem for problem in at.jobs.health())
        assert at.slots[0]["pid"] is None
        assert await stored(at) == 0
        before = caplog.text.count("wrote rubbish")
        await at.jobs.resume()
        await at.until("another try", lambda: caplog.text.count("wrote rubbish") > before)


async def test_a_worker_that_plays_the_same_game_again_achieves_nothing(tmp_path: Path) -> None:
    async with shop(tmp_path, "for seed in seeds(): write(frame(record('same')))") as at:
        await at.until("the stop", lambda: at.slots[0]["state"] == "stopped")
        assert at.slots[0]["games"] == 1
        assert any("here already" in problem for problem in at.jobs.health())


async def test_pause_does_not_hide_a_stopped_worker(tmp_path: Path) -> None:
    async with shop(tmp_path, "for seed in seeds(): write(frame(b'hello'))") as at:
        await at.until("the stop", lambda: at.slots[0]["state"] == "stopped")
        await at.jobs.pause()
        assert at.slots[0]["state"] == "stopped"
        assert any("rubbish" in problem for problem in at.jobs.health())


async def test_a_worker_killed_by_an_unusual_signal_is_restarted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = "import os; seeds().__next__(); os.kill(os.getpid(), 40)"
    async with shop(tmp_path, program) as at:
        await at.until("the news", lambda: "next try" in caplog.text)
        assert "was killed by" in caplog.text


async def test_a_command_that_does_not_exist_is_told_and_tried_again(tmp_path: Path) -> None:
    async with shop(tmp_path, "", command=["/nowhere/player"]) as at:
        await at.until("the trouble", lambda: at.slots[0]["state"] == "waiting to restart")
        assert any("/nowhere/player" in problem for problem in at.jobs.health())


async def test_a_worker_that_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    program = """
import os, signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "1000"])
for seed in seeds():
    write(frame(record(seed, ["good", child.pid])))
    time.sleep(1000)
"""
    async with shop(tmp_path, program) as at:
        await at.until("a game", lambda: at.slots[0]["games"] == 1)
        pid = at.slots[0]["pid"]
        assert isinstance(pid, int)

    async def gone() -> bool:
        return pid not in running().values()

    await eventually("the last of its group is gone", gone)


async def test_pause_survives_a_restart(tmp_path: Path) -> None:
    async with shop(tmp_path, plays) as at:
        await at.until("a game", lambda: at.slots[0]["games"] != 0)
        await at.jobs.pause()
    async with shop(tmp_path, plays) as at:
        await at.until("the pause", lambda: at.slots[0]["state"] == "paused")
        assert at.jobs.paused
        await at.jobs.resume()
        await at.until("a game", lambda: at.slots[0]["games"] != 0)


async def test_no_workers_is_a_choice(tmp_path: Path) -> None:
    async with shop(tmp_path, plays, workers=0) as at:
        assert at.slots == []
        assert list(at.jobs.health()) == []
