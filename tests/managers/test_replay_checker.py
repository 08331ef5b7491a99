"""What peers give is sampled, replayed elsewhere, and what fails is told. In virtual time."""

import contextlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from managers.replay_checker import Judgement, ReplayChecker, Replayer, Verdict
from managers.replay_checker.failures import producers_max
from managers.replay_checker.manager import idle_s_max, log_interval_s, waiting_max
from managers.replay_checker.replayer import record_s_max
from mixins.base import P2PMixinBase
from mixins.child import Child, ChildEnded, ChildFault, ChildRubbish, attend
from mixins.runtime import Runtime
from p2p.envelope import RecordId, make_record, parse_record, record_id
from p2p.events import RecordRefuted, RecordsStored
from p2p.identity.ids import NodeId
from tests.rig import epoch_ms, in_virtual_time, me, pass_s, rig

peer, maker, other = (NodeId(name.ljust(16, b".")) for name in (b"peer", b"maker", b"other"))


def record(number: int, verdict: str = "replays", producer: NodeId = maker) -> bytes:
    """Make a record on which the fake replayer has this to say."""
    return make_record("game", 1, "square8_2p", epoch_ms, producer, [verdict, number])


class FakeReplayer:
    """Says of a record what is written in it, or ends; takes as long as the test wants."""

    def __init__(self, office: "Office") -> None:
        self._office = office

    async def drain_stderr(self) -> None:
        """Say nothing."""

    async def judge(self, data: bytes) -> Judgement:
        """Judge."""
        await pass_s(self._office.judge_s)
        body: Any = parse_record(data).body
        self._office.judged.append(record_id(data))
        if body[0] == "crash":
            raise ChildEnded("was killed by SIGKILL")
        if body[0] == "rubbish":
            raise ChildRubbish("wrote 'hm'")
        return Judgement.parse(body[0].encode())

    async def stop(self) -> None:
        """End at once."""
        self._office.running -= 1


class Giver(P2PMixinBase):
    """Stores records as a sync does."""

    name = "giver"
    publishes = (RecordsStored,)


class Office:
    """A replay checker at work, and what became of it."""

    def __init__(self, runtime: Runtime, share: float) -> None:
        self.runtime = runtime
        self.judge_s = 0.0
        self.judged: list[RecordId] = []
        self.started = 0
        self.running = 0
        self.startable = True
        self.refuted: list[RecordRefuted] = []
        self.checker = ReplayChecker(
            runtime, kind="game", share=share, command=["replay"], environment={},
            start_replayer=self._start,
        )  # fmt: skip
        self._giver = Giver(runtime)
        runtime.bus.subscribe("test", RecordRefuted, self.refuted.append)

    async def _start(self, _: Sequence[str], __: Mapping[str, str]) -> FakeReplayer:
        if not self.startable:
            raise FileNotFoundError("no such file: replay")
        self.started += 1
        self.running += 1
        return FakeReplayer(self)

    async def receive(self, *records: bytes, source: NodeId | None = peer) -> None:
        """Store records that came from a peer."""
        await self._giver.ingest(records, source)

    @property
    def counts(self) -> dict[str, int]:
        """What the status counts, as far as it is not 0."""
        told: Any = self.checker.status()["replays"]
        names = ("good", "bad", "unknown", "not_replayed", "waiting")
        return {name: told[name] for name in names if told[name]}

    @property
    def by_producer(self) -> dict[str, Any]:
        """What the status says of those whose records have failed."""
        told: Any = self.checker.status()["replays"]
        found: dict[str, Any] = told["bad_by_producer"]
        return found


@contextlib.asynccontextmanager
async def office(folder: Path, share: float = 1.0) -> AsyncIterator[Office]:
    """Run a replay checker."""
    with rig(folder) as runtime:
        at = Office(runtime, share)
        await at.checker.load()
        async with trio.open_nursery() as nursery:
            for loop in at.checker.loops():
                nursery.start_soon(loop.run)
            yield at
            nursery.cancel_scope.cancel()


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
            assert at.by_producer == {
                maker.hex(): {
                    "count": 1, "latest": record_id(bad).hex(), "given_by": peer.hex(),
                    "reason": reason, "ago_s": 10.0,
                }
            }  # fmt: skip
            (problem,) = at.checker.health()
            for text in (problem, caplog.text):
                for part in (maker.hex()[:12], record_id(bad).hex()[:12], reason, peer.hex()[:12]):
                    assert part in text

    in_virtual_time(story)


def test_what_was_made_here_or_is_of_another_kind_is_not_replayed(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(record(1), source=None)
            await at.receive(record(2, producer=me))
            await at.receive(make_record("horoscope", 1, "aries", epoch_ms, maker, ["luck"]))
            await pass_s(1)
            assert at.counts == {}
            assert at.started == 0

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
            await pass_s(log_interval_s + 1)
            assert at.counts == {"bad": 300}
            assert at.by_producer[maker.hex()]["count"] == 300
            assert len(at.refuted) == 300
            assert caplog.text.count("move 1: no") == 1
            await at.receive(record(300, "fails move 1: no"))
            await pass_s(1)
            assert "so did 299 since the last such line" in caplog.text

    in_virtual_time(story)


@pytest.mark.parametrize("how", ["crash", "rubbish"])
def test_a_replayer_that_fails_is_replaced_and_the_record_is_not_tried_again(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    poison = record(1, how)

    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(poison, record(2))
            await pass_s(0.5)
            (problem,) = at.checker.health()
            assert "the process that replays records" in problem
            assert f"record {record_id(poison).hex()[:12]}" in caplog.text
            await pass_s(2)
            assert at.counts == {"good": 1, "not_replayed": 1}
            assert list(at.checker.health()) == []
            assert at.started == 2
            assert at.judged.count(record_id(poison)) == 1

    in_virtual_time(story)


def test_a_replayer_that_fails_again_and_again_is_tried_ever_more_seldom(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(*(record(number, "crash") for number in range(100)))
            await pass_s(600)
            assert 10 < at.started < 25

    in_virtual_time(story)


def test_a_replayer_that_cannot_be_started_is_told_and_tried_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            at.startable = False
            await at.receive(record(1))
            await pass_s(5)
            assert any("no such file" in problem for problem in at.checker.health())
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


def test_what_is_known_of_a_producer_outlives_a_restart_and_is_a_problem_for_a_day(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with office(tmp_path) as at:
            await at.receive(record(1, "fails move 1: no"), record(2, "fails move 2: no"))
            await pass_s(1)
        async with office(tmp_path) as at:
            assert at.by_producer[maker.hex()]["count"] == 2
            assert at.counts == {}
            (problem,) = at.checker.health()
            assert "2 so far" in problem
            await pass_s(24 * 3600)
            assert list(at.checker.health()) == []
            assert at.by_producer[maker.hex()]["count"] == 2

    in_virtual_time(story)


def test_names_that_somebody_makes_up_do_not_fill_the_memory(tmp_path: Path) -> None:
    made_up = [NodeId(number.to_bytes(16, "big")) for number in range(producers_max + 10)]

    async def story() -> None:
        async with office(tmp_path) as at:
            for number, producer in enumerate([made_up[0], *made_up[1:], made_up[20]]):
                await at.receive(record(number, "fails move 1: no", producer))
            await pass_s(1)
            assert list(at.by_producer) == [
                each.hex() for each in made_up[10:] if each != made_up[20]
            ] + [made_up[20].hex()]
            assert at.by_producer[made_up[20].hex()]["count"] == 2

    in_virtual_time(story)


def test_what_was_kept_and_makes_no_sense_is_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        with rig(tmp_path) as runtime:
            await runtime.store.write(lambda store: store.set_setting("replay-failures", [1]))
        async with office(tmp_path) as at:
            assert at.by_producer == {}
            assert "is forgotten" in caplog.text

    in_virtual_time(story)


# The process


library = """
import os, sys, time
from p2p.codec import record_bytes_max
from p2p.frames import Frames
def records():
    frames = Frames(record_bytes_max)
    while chunk := os.read(0, 65536):
        yield from frames.feed(chunk)
def say(text):
    os.write(1, text)
"""


def judge(program: str, *records: bytes) -> list[Judgement | ChildFault]:
    """Give records to a process of a few lines of Python; return what became of each."""
    found: list[Judgement | ChildFault] = []

    async def story() -> None:
        replayer = await Replayer.start([sys.executable, "-c", library + program], {})

        async def work() -> None:
            for each in records:
                judgement = await replayer.judge(each)
                found.append(judgement)

        try:
            await attend(replayer, work)
        except ChildFault as fault:
            found.append(fault)

    trio.run(story)
    return found


def test_a_process_says_what_it_found() -> None:
    program = "for each in records(): say(each + b'\\n')"
    assert judge(program, b"replays", b"fails move 1: " + b"x" * 1000, b"unknown it is newer") == [
        Judgement(Verdict.GOOD),
        Judgement(Verdict.BAD, ("move 1: " + "x" * 1000)[:300]),
        Judgement(Verdict.UNKNOWN, "it is newer"),
    ]


@pytest.mark.parametrize(
    ("program", "kind", "message"),
    [
        ("for each in records(): say(b'perhaps\\n')", ChildRubbish, "wrote 'perhaps'"),
        ("for each in records(): say(b'\\xff\\x00\\n')", ChildRubbish, "expected one of replays"),
        ("for each in records(): say(b'x' * 9999)", ChildRubbish, "a line of more than"),
        ("for each in records(): say(b'replays\\nfails\\n')", ChildRubbish, "more than one line"),
        ("sys.exit('out of luck')", ChildEnded, "ended with status 1: out of luck"),
        ("for each in records(): os.kill(os.getpid(), 9)", ChildEnded, "was killed by SIGKILL"),
    ],
)
def test_a_process_that_does_not_keep_to_the_protocol_is_no_judge(
    program: str, kind: type[ChildFault], message: str
) -> None:
    (fault,) = judge(program, b"replays")
    assert type(fault) is kind
    assert message in str(fault)


class Ponderer:
    """A child that takes everything and says nothing."""

    async def send(self, data: bytes) -> None:
        """Take it."""

    async def receive(self) -> bytes:
        """Ponder."""
        await pass_s(10 * record_s_max)
        return b""


def test_a_record_over_which_it_takes_too_long_is_given_up() -> None:
    async def story() -> float:
        began_s = trio.current_time()
        with pytest.raises(ChildEnded, match="has not replayed a record in"):
            await Replayer(cast(Child, Ponderer())).judge(b"")
        return trio.current_time() - began_s

    assert in_virtual_time(story) == record_s_max
