"""How a child is ended: by signals, by its leash, and what is told if neither helps."""

import os
import signal
import sys

import pytest
import trio

from mixins import child as children
from mixins.child import Child, ChildLeft, ChildRubbish, attend, stop_s_max
from tests.processes import running
from tests.waiting import within_s

kill_group = os.killpg


def refuse(group: int, _: int) -> None:
    """Signal nobody, as if all of a group were another user's."""
    raise PermissionError if group in running().values() else ProcessLookupError


async def started(program: str, *, first: str = "") -> Child:
    """Return a child that runs a program of a few lines, and has begun it by doing `first`."""
    whole = f"import os, sys, time\n{first}\nprint(flush=True)\n{program}"
    child = await Child.start([sys.executable, "-c", whole], {})
    await child.receive()
    return child


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a child take as long to end as a slow machine needs."""
    monkeypatch.setattr(children, "stop_s_max", within_s)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the signals that are sent to groups."""
    signals: list[int] = []

    def killpg(group: int, number: int) -> None:
        signals.append(number)
        kill_group(group, number)

    monkeypatch.setattr(os, "killpg", killpg)
    return signals


def test_a_child_that_was_stopped_is_sent_no_further_signal(sent: list[int]) -> None:
    async def story() -> None:
        child = await started("time.sleep(1000)")
        await child.stop()
        assert sent == [signal.SIGTERM, signal.SIGKILL, signal.SIGKILL]
        await child.stop()
        assert len(sent) == 3

    trio.run(story)


def test_a_child_of_another_user_is_ended_by_its_leash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "killpg", refuse)

    async def story() -> None:
        child = await started("sys.stdin.read()")
        await child.stop()
        assert child.pid not in running()

    trio.run(story)


def test_what_a_child_has_left_of_another_user_may_take_a_moment_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killpg(group: int, number: int) -> None:
        if number == signal.SIGTERM:
            os.kill(group, number)  # of the two, the one that is ours
            return
        try:
            refuse(group, number)
        finally:
            kill_group(group, signal.SIGKILL)  # as if it had seen the end of its stdin by now

    monkeypatch.setattr(os, "killpg", killpg)

    async def story() -> None:
        child = await started("time.sleep(1000)", first="os.fork()")
        await child.stop()
        assert child.pid not in running().values()

    trio.run(story)


def test_what_is_left_of_another_user_is_told_although_something_could_be_signalled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killpg(group: int, number: int) -> None:
        if group in running():  # the child, which is ours, as long as it is there
            os.kill(group, number)
        else:
            refuse(group, number)

    monkeypatch.setattr(os, "killpg", killpg)

    async def story() -> None:
        child = await started("time.sleep(1000)", first="os.fork()")
        monkeypatch.setattr(children, "stop_s_max", stop_s_max / 10)
        try:
            with pytest.raises(ChildLeft, match="goes on as another user"):
                await child.stop()
        finally:
            kill_group(child.pid, signal.SIGKILL)

    trio.run(story)


def test_why_a_child_was_stopped_is_told_although_it_cannot_be_ended() -> None:
    class Stubborn:
        async def drain_stderr(self) -> None:
            await trio.sleep_forever()

        async def stop(self) -> None:
            raise ChildLeft("goes on")

    async def write_rubbish() -> None:
        raise ChildRubbish("wrote no record")

    async def do_nothing() -> None:
        await trio.lowlevel.checkpoint()

    with pytest.raises(ChildLeft, match=r"^wrote no record, and goes on$"):
        trio.run(attend, Stubborn(), write_rubbish)
    with pytest.raises(ChildLeft, match=r"^goes on$"):
        trio.run(attend, Stubborn(), do_nothing)


def test_a_child_of_another_user_without_a_leash_is_told_once_and_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "killpg", refuse)
    monkeypatch.setattr(children, "stop_s_max", stop_s_max / 10)

    async def story() -> None:
        child = await started("time.sleep(1000)")
        try:
            expected = f"goes on as another user.*`sudo kill -KILL -- -{child.pid}`"
            with pytest.raises(ChildLeft, match=expected):
                await child.stop()
            await child.stop()
        finally:
            kill_group(child.pid, signal.SIGKILL)
            await child._process.wait()

    trio.run(story)
