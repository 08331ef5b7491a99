"""What is known of those whose records fail, or cannot be judged: by source, kept and bounded."""

import json
from pathlib import Path

import pytest

from managers.replay_checker.failures import Failures, producers_max, sources_max
from managers.state.store import setting_chars_max
from p2p.envelope import RecordId, record_id
from tests.managers.replay_office import made_up, maker, office, other, peer, record
from tests.rig import in_virtual_time, pass_s, rig


def test_what_is_known_of_a_producer_outlives_a_restart_and_is_a_problem_for_a_day(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(record(1, "fails move 1: no"), record(2, "fails move 2: no"))
            await pass_s(1)
        async with office(tmp_path) as at:
            assert at.bad[peer.hex()]["count"] == 2
            assert at.counts == {}
            (problem,) = at.problems
            assert "2 so far" in problem
            await pass_s(24 * 3600)
            assert at.problems == []
            assert at.bad[peer.hex()]["count"] == 2

    in_virtual_time(story)


def test_names_that_somebody_makes_up_fill_only_his_own_room(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(record(0, "fails move 1: no"), source=other)
            for number in range(sources_max + 10):
                await at.receive(record(number, "fails move 1: no", made_up(number)))
            await at.receive(record(99, "fails move 9: no", made_up(0)))
            await pass_s(1)
            assert list(at.bad) == [other.hex(), peer.hex()]
            found = at.bad[peer.hex()]
            assert found["count"] == sources_max + 11
            assert found["by_producer"] == {
                made_up(number).hex(): 1 + (number == 0) for number in range(producers_max)
            }
            assert found["other_producers"] == sources_max + 10 - producers_max
            culprit, liar = at.problems
            assert (
                f"given by {other.hex()[:12]} that say they are by {maker.hex()[:12]} " in culprit
            )
            assert "and others do not replay: 75 so far; the latest" in liar
            assert liar.endswith("move 9: no")

    in_virtual_time(story)


def test_a_source_that_is_the_producer_is_named_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            bad = record(1, "fails move 1: no", peer)
            await at.receive(bad)
            await pass_s(1)
            (problem,) = at.problems
            assert problem == (
                f"games made and given by {peer.hex()[:12]} do not replay: 1 so far; "
                f"the latest {record_id(bad).hex()[:12]}: move 1: no"
            )
            await at.receive(record(2, "fails move 1: no"))
            await pass_s(1)
            (problem,) = at.problems
            assert f"say they are by {peer.hex()[:12]}, {maker.hex()[:12]} do not" in problem

    in_virtual_time(story)


def test_so_many_sources_are_remembered_and_no_more(tmp_path: Path) -> None:
    givers = [made_up(number) for number in range(sources_max + 10)]

    async def story() -> None:
        async with office(tmp_path) as at:
            order = [*givers[:sources_max], givers[0], *givers[sources_max:]]
            for number, giver in enumerate(order):
                await at.receive(record(number, "fails move 1: no"), source=giver)
            await pass_s(1)
            kept = [each.hex() for each in order[-sources_max:]]
            assert list(at.bad) == kept
            assert at.bad[givers[0].hex()]["count"] == 2
            assert sorted(at.told["by_source"]) == sorted(kept)

    in_virtual_time(story)


newer = "unknown it was played by engine 999; this is 3"


def test_a_source_most_of_whose_games_cannot_be_judged_is_a_problem_for_a_day(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(*(record(number) for number in range(9)))
            await at.receive(*(record(number, newer) for number in range(10, 20)))
            await pass_s(1)
            assert at.problems == []  # 10 of 19
            await at.receive(record(20))
            await pass_s(1)
            assert at.problems == []  # 10 of 20
            latest = record(21, newer)
            await at.receive(latest)
            await pass_s(1)
            (problem,) = at.problems
            assert problem == (
                f"11 of the last 21 games drawn of those given by {peer.hex()[:12]} cannot be "
                f"judged by this version; the latest {record_id(latest).hex()[:12]}, made by "
                f"{maker.hex()[:12]}: it was played by engine 999; this is 3; "
                "do all boxes run the same version?"
            )
            assert at.told["by_source"][peer.hex()]["unknown"] == 11
            await pass_s(24 * 3600)
            assert at.problems == []

    in_virtual_time(story)


def test_few_games_that_cannot_be_judged_are_no_problem(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(*(record(number, newer) for number in range(19)))
            await pass_s(1)
            assert at.problems == []
            await at.receive(record(19, newer), source=other)
            await pass_s(1)
            assert at.problems == []
            await at.receive(record(20, newer))
            await pass_s(1)
            assert "20 of the last 20" in at.problems[0]

    in_virtual_time(story)


def test_games_that_can_be_judged_again_end_the_problem(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(*(record(number, newer) for number in range(200)))
            await at.receive(*(record(number) for number in range(200, 225)))
            await pass_s(1)
            assert at.counts == {"good": 25, "unknown": 200}
            assert at.problems == []

    in_virtual_time(story)


def test_what_was_kept_and_makes_no_sense_is_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        with rig(tmp_path) as runtime:
            await runtime.store.write(lambda store: store.set_setting("replay-failures", [1]))
        async with office(tmp_path) as at:
            assert at.bad == {}
            assert "is forgotten" in caplog.text

    in_virtual_time(story)


@pytest.mark.parametrize("letter", ["x", '"', "\\", "\n", "\x7f", "\u00e9", "\U0001f3b2"])
def test_the_most_that_is_kept_of_failures_fits_into_a_setting(letter: str) -> None:
    count = 10**12  # more than a peer can give in a thousand years
    full: dict[str, object] = {}
    for source in range(sources_max):
        failures = Failures()
        for producer in range(producers_max + 1):
            failures.add(
                made_up(source), made_up(producer), RecordId(b"\xff" * 32), letter * 9999, 10**13
            )
        (kept,) = failures.all().values()
        full[made_up(source).hex()] = {
            "by_producer": dict.fromkeys(kept.by_producer, count), "others": count,
            "latest": kept.latest, "producer": kept.producer, "reason": kept.reason,
            "time_ms": kept.time_ms,
        }  # fmt: skip
    assert Failures.parse(full).data() == full
    assert len(json.dumps(full)) <= setting_chars_max


def test_a_reason_is_kept_in_printable_ascii(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(record(1, "fails move 1: it's \u00e9\x1b[2J"))
            await pass_s(1)
            assert at.bad[peer.hex()]["reason"] == "move 1: it's \\xe9\\x1b[2J"

    in_virtual_time(story)
