"""What peers give is sampled, replayed elsewhere, and what fails is told. In virtual time."""

from pathlib import Path

import pytest

from managers.replay_checker.manager import (
    aside_factor,
    idle_s_max,
    log_interval_s,
    waiting_max,
)
from managers.replay_checker.replayer import record_s_max
from p2p.envelope import make_record, record_id
from p2p.events import RecordRefuted
from tests.managers.replay_office import maker, office, other, peer, record
from tests.rig import epoch_ms, in_virtual_time, me, pass_s


def test_every_verdict_is_counted(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(record(1), record(2), record(3, "unknown it is newer"))
            await at.receive(record(4, "fails move 7: there is no stack"))
            await pass_s(1)
            assert at.counts == {"good": 2, "unknown": 1, "bad": 1}
            assert at.started == 1

    in_virtual_time(story)


def test_a_failure_is_told_with_producer_record_and_first_wrong_move(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = record(4, "fails move 7: there is no stack")

    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(bad)
            await pass_s(10)
            reason = "move 7: there is no stack"
            assert at.refuted == [RecordRefuted(record_id(bad), maker, peer, reason)]
            assert at.bad == {
                peer.hex(): {
                    "count": 1, "by_producer": {maker.hex(): 1}, "other_producers": 0,
                    "latest": record_id(bad).hex(), "producer": maker.hex(), "reason": reason,
                    "ago_s": 10.0,
                }
            }  # fmt: skip
            (problem,) = at.problems
            for text in (problem, caplog.text):
                for part in (maker.hex()[:12], record_id(bad).hex()[:12], reason, peer.hex()[:12]):
                    assert part in text

    in_virtual_time(story)


def test_what_was_made_here_or_is_of_another_kind_is_not_replayed(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(record(1), source=None)
            await at.receive(make_record("horoscope", 1, "aries", epoch_ms, maker, ["luck"]))
            await pass_s(1)
            assert at.counts == {}
            assert at.started == 0

    in_virtual_time(story)


def test_a_record_that_says_it_was_made_here_and_comes_from_a_peer_is_replayed(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(record(1, "fails move 1: no", producer=me))
            await pass_s(1)
            (problem,) = at.problems
            assert f"games given by {peer.hex()[:12]} that say they are by this node do" in problem

    in_virtual_time(story)


def test_what_a_worker_of_the_users_own_has_made_here_is_replayed_too(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, check_own=True) as at:
            await at.receive(record(1, "fails move 1: no", producer=me), source=None)
            await at.receive(record(2))
            await pass_s(1)
            assert at.counts == {"good": 1, "bad": 1}
            assert at.bad.keys() == {me.hex()}
            assert at.refuted[0].source == me
            assert at.problems[0].startswith("games made and given by this node do not replay: 1 ")

    in_virtual_time(story)


def test_a_share_is_drawn_at_random(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, share=0.1) as at:
            records = [record(number) for number in range(2000)]
            await at.receive(*records)
            await pass_s(1)
            drawn = [number for number, each in enumerate(records) if record_id(each) in at.judged]
            assert 150 < len(drawn) < 250  # 3.7 standard deviations
            assert len({number % 10 for number in drawn}) == 10

    in_virtual_time(story)


def test_a_share_of_0_replays_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path, share=0.0) as at:
            await at.receive(*(record(number) for number in range(100)))
            await pass_s(1)
            assert (at.counts, at.started) == ({}, 0)

    in_virtual_time(story)


def test_a_flood_does_not_grow_the_queue_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            at.judge_s = 1.0
            for start in range(0, waiting_max + 500, 500):
                await at.receive(*(record(start + number) for number in range(500)))
            given = waiting_max // 500 * 500 + 1000
            await pass_s(2 * waiting_max)
            assert "waiting" not in at.counts
            assert at.counts["good"] + at.counts["not_replayed"] == given
            assert abs(at.counts["good"] - waiting_max) < 10

    in_virtual_time(story)


def test_a_flood_of_bad_records_is_counted_exactly_and_logged_seldom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(*(record(number, "fails move 1: no") for number in range(300)))
            await pass_s(log_interval_s - 1)
            assert at.counts == {"bad": 300}
            assert at.bad[peer.hex()]["count"] == 300
            assert len(at.refuted) == 300
            assert caplog.text.count("move 1: no") == 1
            assert "more fail" not in caplog.text
            await pass_s(1.5)
            assert f"given by {peer.hex()[:12]}, 299 more fail" in caplog.text
            await at.receive(record(300, "fails move 2: no"))
            await pass_s(log_interval_s - 1)
            assert caplog.text.count(" more fail") == 1
            await pass_s(1.5)
            assert "1 more fail" in caplog.text
            await pass_s(log_interval_s)
            await at.receive(record(301, "fails move 3: no"))
            await pass_s(1)
            assert "move 2" not in caplog.text
            assert "move 3: no" in caplog.text

    in_virtual_time(story)


def test_a_flood_from_one_peer_keeps_nobody_else_out_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(*(record(number, "fails move 1: no") for number in range(300)))
            await at.receive(record(300, "fails move 9: no"), source=other)
            await pass_s(10)
            assert "move 9: no" in caplog.text

    in_virtual_time(story)


@pytest.mark.parametrize("how", ["crash", "rubbish"])
def test_a_record_over_which_two_processes_end_is_not_replayed_and_accuses_nobody(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    poison = record(1, how)

    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(poison)
            await pass_s(1)
            assert at.counts == {"not_replayed": 1}
            assert at.told["by_source"][peer.hex()]["not_replayed"] == 1
            await at.receive(record(2), source=other)
            await pass_s(1)
            assert at.counts == {"good": 1, "not_replayed": 1}
            assert at.judged.count(record_id(poison)) == 2
            assert at.started == 3
            assert (at.problems, at.refuted, at.bad) == ([], [], {})
            assert caplog.text.count("was not replayed: the process w") == 1

    in_virtual_time(story)


def test_a_source_whose_records_end_the_process_again_and_again_is_a_problem_for_a_day(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            for number, wait_s in enumerate((24 * 3600, 1, 1)):
                await at.receive(record(number, "crash"))
                await pass_s(wait_s)
            assert at.problems == []  # 2 within a day
            latest = record(3, "crash")
            await at.receive(latest)
            await pass_s(1)
            (problem,) = at.problems
            assert problem == (
                f"replaying games given by {peer.hex()[:12]} ended the process 4 times; "
                f"the latest {record_id(latest).hex()[:12]}: the process was killed by SIGKILL"
            )
            await pass_s(24 * 3600)
            assert at.problems == []

    in_virtual_time(story)


def test_records_over_which_the_process_ends_are_logged_seldom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            for number in range(5):
                await at.receive(record(number, "crash"))
                await pass_s(1)
            assert caplog.text.count("was not replayed") == 1
            await pass_s(log_interval_s)
            assert "4 more fail or end the process" in caplog.text

    in_virtual_time(story)


def test_a_record_over_which_one_process_ends_and_not_the_next_is_judged(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(record(1, "crashes once"), record(2))
            await pass_s(0.5)
            assert at.counts == {"good": 2}
            assert at.problems == []

    in_virtual_time(story)


def test_a_replayer_that_is_broken_accuses_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            at.broken = True
            await at.receive(record(1), record(2))
            await pass_s(0.5)
            assert at.problems == ["the process that replays records ended with status 1"]
            assert "ended with status 1; next try in 1 s" in caplog.text
            at.broken = False
            await pass_s(2)
            assert at.counts == {"good": 2}
            assert at.problems == []

    in_virtual_time(story)


def test_a_replayer_that_breaks_is_in_trouble_until_one_answers_though_no_record_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = record(1), record(2)

    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(first)
            await pass_s(1)
            at.broken = True
            await at.receive(second)
            await pass_s(0.5)
            assert at.counts == {"good": 1, "not_replayed": 1}
            assert f"record {record_id(second).hex()[:12]}" in caplog.text
            assert at.problems == ["the process that replays records ended with status 1"]
            await pass_s(10)
            assert len(at.problems) == 1
            at.broken = False
            await pass_s(20)
            assert (at.problems, at.running) == ([], 0)

    in_virtual_time(story)


def test_a_replayer_that_fails_again_and_again_is_tried_ever_more_seldom(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            at.broken = True
            await at.receive(*(record(number) for number in range(100)))
            await pass_s(600)
            assert 10 < at.started < 25
            assert at.counts == {"waiting": 100}

    in_virtual_time(story)


def test_records_that_stall_the_process_do_not_take_the_time_of_others(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(*(record(number, "stall") for number in range(50)))
            await at.receive(record(50), source=other)
            await pass_s(2 * record_s_max + 1)
            assert at.told["by_source"][other.hex()]["good"] == 1
            assert at.told["by_source"][peer.hex()] == {
                "good": 0, "bad": 0, "unknown": 0, "not_replayed": 50,
            }  # fmt: skip
            await at.receive(record(51))
            await pass_s(1)
            assert at.counts["not_replayed"] == 51
            await pass_s(aside_factor * record_s_max)
            await at.receive(record(52))
            await pass_s(1)
            assert at.told["by_source"][peer.hex()]["good"] == 1

    in_virtual_time(story)


def test_the_start_of_the_process_counts_into_the_time_that_a_source_is_set_aside(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            at.judge_s = 1.0
            await at.receive(record(1, "crash"))
            await pass_s(4.5)  # two tries of 2 s
            assert at.counts == {"not_replayed": 1}
            await pass_s(2 * aside_factor - 2)
            await at.receive(record(2))
            await pass_s(1.2)  # the process answers, and the source is still set aside
            assert at.counts == {"not_replayed": 2}
            await pass_s(0.5)
            await at.receive(record(3))
            await pass_s(2)
            assert at.counts == {"not_replayed": 2, "good": 1}

    in_virtual_time(story)


def test_a_replayer_that_cannot_be_started_is_told_and_tried_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            at.startable = False
            await at.receive(record(1))
            await pass_s(5)
            assert any("no such file" in problem for problem in at.problems)
            at.startable = True
            await pass_s(20)
            assert at.counts == {"good": 1}

    in_virtual_time(story)


def test_a_replayer_with_nothing_to_do_is_ended(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            for number in range(3):
                await at.receive(record(number))
                await pass_s(idle_s_max - 1)
            assert (at.started, at.running) == (1, 1)
            await pass_s(2)
            assert at.running == 0
            await at.receive(record(4))
            await pass_s(1)
            assert (at.started, at.running) == (2, 1)

    in_virtual_time(story)


def test_a_record_that_comes_while_another_is_replayed_does_not_end_the_process_early(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            at.judge_s = 1.0
            for number in range(10):
                await at.receive(record(2 * number))
                await pass_s(0.5)
                await at.receive(record(2 * number + 1))
                await pass_s(9.5)
            assert at.counts == {"good": 20}
            assert (at.started, at.running) == (1, 1)

    in_virtual_time(story)


def test_records_that_are_not_drawn_keep_no_process_waiting(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(record(0))
            for number in range(1, 40):
                await pass_s(1)
                horoscope = make_record("horoscope", 1, "aries", epoch_ms, maker, [number])
                await at.receive(horoscope)
                assert at.running == (number < idle_s_max)
            assert at.started == 1

    in_virtual_time(story)
