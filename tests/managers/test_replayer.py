"""The process that replays, at the end of two pipes: its verdicts, its faults and its end."""

import sys
from typing import cast

import pytest
import trio

from managers.replay_checker import Judgement, Replayer, Verdict
from managers.replay_checker.replayer import record_s_max
from mixins.child import Child, ChildEnded, ChildFault, ChildRubbish, attend
from tests.rig import in_virtual_time, pass_s

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
