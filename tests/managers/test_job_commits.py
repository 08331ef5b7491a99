"""What workers have finished is committed together, counted, and told of. In virtual time."""

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from managers.job_manager import JobManager
from managers.job_manager import commits as job_commits
from managers.state.store import SqliteStore
from mixins.child import ChildEnded, ChildRubbish
from mixins.store_access import StoreAccess
from p2p.envelope import make_record
from p2p.events import DaemonStatusChanged, RecordsStored, StoreRenewed
from p2p.store import Ingested, StoreFault
from tests.managers.job_slots import (
    costs_s,
    first_slot,
    good_game,
    held,
    measured,
    start_s,
    tell,
    told,
)
from tests.rig import epoch_ms, me, pass_s


def commits(jobs: JobManager) -> list[int]:
    """Return a list to which the size of every commit is added."""
    sizes: list[int] = []
    jobs.runtime.bus.subscribe("test", RecordsStored, lambda event: sizes.append(len(event.rows)))
    return sizes


def test_games_of_the_same_second_are_committed_together(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        sizes = commits(jobs)
        await pass_s(10.05)
        assert 90 <= sum(sizes) <= 190
        assert len(sizes) <= 11
        assert told(jobs) == sum(sizes) == await held(jobs)

    tell(tmp_path, story, configs=["quick_2p"], workers=2)


def test_a_game_that_took_longer_than_the_interval_is_committed_at_once(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(start_s + costs_s["square8_2p"] + 0.01)
        assert told(jobs) == await held(jobs) == 1
        await pass_s(costs_s["square8_2p"])
        assert told(jobs) == await held(jobs) == 2

    tell(tmp_path, story, configs=["square8_2p"])


def test_a_pause_and_a_stop_leave_no_finished_game_behind(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(3.25)
        await jobs.pause()
        await pass_s(0.15)
        assert first_slot(jobs)["state"] == "paused"
        assert told(jobs) == await held(jobs) == 28
        await jobs.resume()
        await pass_s(2.25)
        before = told(jobs)
        await jobs.stop()
        assert told(jobs) == await held(jobs) == 28 + 17
        assert before < told(jobs)

    tell(tmp_path, story, configs=["quick_2p"])


def test_no_more_waits_than_a_commit_should_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_commits, "waiting_bytes_max", 300)

    async def story(jobs: JobManager, started: list[str]) -> None:
        sizes = commits(jobs)
        await pass_s(10.05)
        assert max(sizes) < 5
        assert sum(sizes) > 80
        assert len(started) == 1

    tell(tmp_path, story, configs=["quick_2p"])


# A game that is not stored


class Script:
    """Has certain games made otherwise than all others, and keeps what was made."""

    def __init__(
        self, others: Mapping[int, Callable[["Script", str], bytes]] | None = None
    ) -> None:
        """`others` has what makes a game from its config, by the how-manieth it is."""
        self._others = others or {}
        self.made: list[bytes] = []
        self.asked = 0

    def __call__(self, config: str, seed: str) -> bytes:
        """Make a game."""
        self.asked += 1
        other = self._others.get(self.asked)
        self.made.append(other(self, config) if other else good_game(config, seed))
        return self.made[-1]


def again(script: Script, _: str) -> bytes:
    """Make the first game once more."""
    return script.made[0]


def again_the_last(script: Script, _: str) -> bytes:
    """Make the last game once more."""
    return script.made[-1]


def rubbish(*_: object) -> bytes:
    """Write what is no game."""
    raise ChildRubbish("a frame of 4294967295 bytes")


def crash(*_: object) -> bytes:
    """End early."""
    raise ChildEnded("ended with status 1")


def bad(_: Script, config: str) -> bytes:
    """Make a game that the store refuses."""
    return make_record("game", 1, config, epoch_ms, me, ["bad"])


was_here = "its worker was stopped, for it wrote rubbish: a game that was here already"


def test_a_repeated_game_at_the_end_of_a_turn_stops_the_slot_of_that_turn(tmp_path: Path) -> None:
    script = Script({3: again})

    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(200)
        assert started == ["hex8_3p"]
        assert first_slot(jobs)["state"] == "stopped"
        assert first_slot(jobs)["config"] == "hex8_3p"
        assert list(jobs.health()) == [f"selfplay-1: {was_here}"]
        assert told(jobs) == await held(jobs) == 2
        await jobs.resume()
        await pass_s(600)
        assert list(jobs.health()) == []
        assert len(script.made) - 2 <= await held(jobs)

    tell(tmp_path, story, configs=["hex8_3p"], game=script)


def test_a_repeated_game_does_not_outlive_the_worker_that_made_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script({2: again, 3: rubbish})

    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(start_s + 0.15)
        assert await held(jobs) == 1
        with failing(StoreFault("no room left")):
            await pass_s(2)
            (problem,) = jobs.health()
            assert "a frame of" in problem
        await pass_s(10)
        assert script.asked == 3
        assert "selfplay-1 wrote rubbish: a game that was here already" in caplog.messages
        await jobs.resume()
        await pass_s(30)
        assert first_slot(jobs)["state"] == "playing"
        assert list(jobs.health()) == []

    tell(tmp_path, story, configs=["quick_2p"], game=script)


def test_a_worker_that_repeats_a_game_and_crashes_is_not_restarted(tmp_path: Path) -> None:
    script = Script({3: again_the_last, 4: crash})

    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(10)
        assert list(jobs.health()) == [f"selfplay-1: {was_here}"]
        assert len(started) == 1
        assert told(jobs) == first_slot(jobs)["games"] == await held(jobs) == 2

    tell(tmp_path, story, configs=["quick_2p"], game=script)


def test_a_game_that_the_store_refuses_is_told_once_with_its_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script({1: bad, 3: bad})

    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(12)
        (problem,) = jobs.health()
        assert problem.endswith("rubbish: a game that is refused: marked as bad")
        assert len(script.made) == 2
        assert await held(jobs) == 1
        await jobs.resume()
        await pass_s(12)
        assert "selfplay-1 wrote rubbish" not in caplog.text
        (problem,) = jobs.health()
        assert problem.endswith("rubbish: a game that was refused before")

    tell(tmp_path, story, configs=["square8_2p"], game=script, check=lambda _: None)


def test_a_resume_is_not_missed_once_the_trouble_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_at_once = StoreAccess.ingest

    async def slow(access: StoreAccess, batch: Iterable[bytes], *rest: Any) -> Ingested:
        records = tuple(batch)
        await pass_s(60)
        return await store_at_once(access, records, *rest)

    async def story(jobs: JobManager, started: list[str]) -> None:
        while not list(jobs.health()):
            await pass_s(0.1)
        assert first_slot(jobs)["state"] == "stopped"
        assert told(jobs) == await held(jobs) == 1
        await jobs.resume()
        await pass_s(start_s + 0.05)
        assert first_slot(jobs)["state"] == "playing"

    monkeypatch.setattr(StoreAccess, "ingest", slow)
    tell(tmp_path, story, configs=["quick_2p"], game=Script({2: rubbish}))


def test_a_subscriber_that_fails_has_no_stored_game_taken_for_a_repeated_one(
    tmp_path: Path,
) -> None:
    is_over = False

    def fail(_: RecordsStored) -> None:
        if not is_over:
            raise RuntimeError("a mistake")

    async def story(jobs: JobManager, started: list[str]) -> None:
        nonlocal is_over
        jobs.runtime.bus.subscribe("test", RecordsStored, fail)
        await pass_s(300)
        assert list(jobs.health()) == []
        assert told(jobs) == await held(jobs) > 100
        is_over = True

    tell(tmp_path, story, configs=["quick_2p"])


# A store that takes nothing


@contextlib.contextmanager
def failing(error: Exception) -> Iterator[None]:
    """Let the store take no records."""

    def fail(*_: object, **__: object) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteStore, "ingest", fail)
        yield


def failed_loops(jobs: JobManager) -> set[str]:
    """Return a set to which the name of every loop is added that fails."""
    names: set[str] = set()

    def note(event: DaemonStatusChanged) -> None:
        if event.state == "waiting to restart":
            names.add(event.loop)

    jobs.runtime.bus.subscribe("test", DaemonStatusChanged, note)
    return names


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_has_slots_wait_and_loses_no_game(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    workers: int,
) -> None:
    monkeypatch.setattr(job_commits, "waiting_bytes_max", 3000)
    script = Script()

    async def story(jobs: JobManager, started: list[str]) -> None:
        loops = failed_loops(jobs)
        await pass_s(3.25)
        before = told(jobs)
        with failing(StoreFault("no room left")):
            await pass_s(20)
            waiting = len(script.made) - before
            assert 3000 <= sum(map(len, script.made[before:])) < 3000 + workers * 100
            spent = measured(jobs)
            await pass_s(600)
            assert len(script.made) == before + waiting
            assert first_slot(jobs)["state"] == "waiting for the store"
            assert measured(jobs) == spent
            assert told(jobs) == await held(jobs) == before
        await pass_s(80)
        assert first_slot(jobs)["state"] == "playing"
        assert loops == {"commit"}
        await jobs.pause()
        await pass_s(0.2)
        assert told(jobs) == await held(jobs) == len(script.made) > before + waiting

    tell(tmp_path, story, configs=["quick_2p"], game=script, workers=workers)
    assert caplog.text.count("no room left") == 1
    assert "lost" not in caplog.text


def test_what_is_lost_at_a_stop_is_told_whatever_the_store_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script()

    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(3.25)
        before = told(jobs)
        with failing(StoreFault("no room left")):
            await pass_s(10)
            await jobs.stop()
            lost = len(script.made) - before
        with failing(sqlite3.OperationalError("a mistake")), pytest.raises(sqlite3.Error):
            await jobs.stop()
        found = re.findall(r"finished games lost, not being stored: (\d+)", caplog.text)
        assert found == [str(lost), str(lost)]

    tell(tmp_path, story, configs=["quick_2p"], game=script)


def test_a_store_that_is_busy_for_a_moment_costs_no_game(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_commits, "waiting_bytes_max", 300)
    script = Script()

    async def story(jobs: JobManager, started: list[str]) -> None:
        with failing(sqlite3.OperationalError("database is locked")):
            await pass_s(3)
        await pass_s(30)
        await jobs.pause()
        await pass_s(0.2)
        assert told(jobs) == await held(jobs) == len(script.made) > 100

    tell(tmp_path, story, configs=["quick_2p"], game=script)


# A store that is an older copy of itself


def test_no_game_is_kept_of_a_seed_that_an_older_store_may_have_given_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        jobs.runtime.bus.declare("test", [StoreRenewed])
        await pass_s(3.25)
        jobs.runtime.bus.publish("test", StoreRenewed())
        await pass_s(0.1)
        await jobs.pause()
        await pass_s(0.2)
        waiting, under_way = 7, 1
        assert told(jobs) == await held(jobs) == 29 - waiting - under_way
        assert "may have been used before: 8" in caplog.text

    tell(tmp_path, story, configs=["quick_2p"])


def test_games_dropped_for_an_older_store_make_room_and_are_not_called_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(job_commits, "waiting_bytes_max", 300)

    async def story(jobs: JobManager, started: list[str]) -> None:
        jobs.runtime.bus.declare("test", [StoreRenewed])
        with failing(StoreFault("no room left")):
            await pass_s(10)
            made = len(script.made)
            jobs.runtime.bus.publish("test", StoreRenewed())
            await pass_s(80)
            assert len(script.made) > made
            jobs.runtime.bus.publish("test", StoreRenewed())
            await jobs.stop()
        assert await held(jobs) == 0

    script = Script()
    tell(tmp_path, story, configs=["quick_2p"], game=script)
    assert "lost" not in caplog.text
