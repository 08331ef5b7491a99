"""Turns of workers end by time, and what each config has cost is measured. In virtual time."""

from pathlib import Path

import pytest
import trio

from managers.job_manager import JobManager
from managers.selfplay_scheduler import turn_s
from managers.state.store import SqliteStore
from mixins.child import ChildEnded
from p2p.store import StoreFault
from tests.managers.job_slots import costs_s, good_game, measured, shared, tell
from tests.rig import pass_s


def test_the_time_is_shared_equally_and_all_of_it_is_accounted_for(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(6000)
        spent_s = [each["spent_s"] for each in measured(jobs).values()]
        assert abs(sum(spent_s) - 6000) < 1
        assert max(spent_s) - min(spent_s) <= turn_s + costs_s["hexagonal_4p"]
        games = {config: each["games"] for config, each in measured(jobs).items()}
        assert games["hexagonal_4p"] == 10
        assert games["square8_2p"] > 36 * games["hexagonal_4p"]

    tell(tmp_path, story)


def test_a_worker_is_replaced_at_the_end_of_the_game_in_which_its_time_is_over(
    tmp_path: Path,
) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        while len(started) <= len(shared):
            await pass_s(1)
        games = {config: each["games"] for config, each in measured(jobs).items()}
        first = {config: games[config] for config in shared if started.count(config) == 1}
        whole = {"square8_2p": 12, "hex8_3p": 3, "hexagonal_4p": 1}
        assert len(first) == 2
        assert first.items() <= whole.items()

    tell(tmp_path, story)


def test_slots_play_different_configs_at_the_same_time(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(1)
        assert sorted(started) == sorted(shared)

    tell(tmp_path, story, workers=3)


def test_a_turn_under_way_shows_in_what_is_spent(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(30)
        (playing,) = started
        assert measured(jobs)[playing]["spent_s"] == 30
        assert all(measured(jobs)[other]["spent_s"] == 0 for other in shared if other != playing)

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


def test_beside_a_worker_that_cannot_be_ended_no_other_is_started_until_resume(
    tmp_path: Path,
) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(6000)
        assert started[-1] == "hex8_3p"
        before = len(started)
        assert list(jobs.health()) == ["selfplay-1: its worker goes on"]
        await jobs.resume()
        await pass_s(6000)
        assert len(started) > before
        assert started[-1] == "hex8_3p"

    tell(tmp_path, story, staying="hex8_3p")


def test_an_agent_that_stops_tells_once_of_a_worker_that_it_cannot_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        while started[-1:] != ["hex8_3p"]:
            await pass_s(1)
        began_s = trio.current_time()
        await jobs.stop()
        assert trio.current_time() == began_s
        assert caplog.text.count("selfplay-1: its worker goes on") == 1

    tell(tmp_path, story, staying="hex8_3p")


def test_a_worker_that_is_long_at_one_game_is_a_problem_that_says_how_to_end_it(
    tmp_path: Path,
) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(300)
        assert list(jobs.health()) == []
        await pass_s(1)
        (problem,) = jobs.health()
        assert problem == (
            "selfplay-1: its worker has been at one game of slow_2p for 5 min, and may hang: "
            "`kill -KILL -- -1` ends it, and another is started"
        )
        await pass_s(200)  # now its slot has had a game of 500 s
        for _ in range(3):
            assert list(jobs.health()) == []
            await pass_s(499)

    tell(tmp_path, story, configs=["slow_2p"])


def test_a_worker_that_is_gone_is_not_called_hanging(tmp_path: Path) -> None:
    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(100)
        await jobs.stop()
        await pass_s(1000)
        assert list(jobs.health()) == []

    tell(tmp_path, story, configs=["slow_2p"])


@pytest.mark.parametrize("after_s", [0, 10])
def test_a_stop_does_not_wait_for_a_slot_that_never_ran_or_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_s: int
) -> None:
    def full(*_: object) -> None:
        raise StoreFault("no room left")

    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(after_s)
        began_s = trio.current_time()
        await jobs.stop()
        assert trio.current_time() == began_s

    monkeypatch.setattr(SqliteStore, "set_setting", full)
    tell(tmp_path, story)


def test_a_game_that_is_finished_ends_the_trouble_of_a_crash(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = 0

    def game(config: str, seed: str) -> bytes:
        nonlocal asked
        asked += 1
        if asked in {1, 4}:
            raise ChildEnded("ended with status 1")
        return good_game(config, seed)

    async def story(jobs: JobManager, started: list[str]) -> None:
        await pass_s(6)
        assert list(jobs.health()) == ["selfplay-1: its worker ended with status 1"]
        await pass_s(7)
        assert list(jobs.health()) == []
        await pass_s(12)
        assert caplog.text.count("next try in 1 s") == 2

    tell(tmp_path, story, configs=["square8_2p"], game=game)
