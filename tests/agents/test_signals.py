"""What an agent makes of the signals that ask it to stop, and its last words."""

import signal
from pathlib import Path

import pytest

from p2p.envelope import RecordId
from ringrift.agent import _OnlyHere, stopping_signals
from tests.agents.harness import fleet
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_a_terminal_that_closes_lets_its_agent_take_leave(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a, seed, made = await agents.founded("a", "--workers", "0")
        joining = ("--join", seed, "--token", made, "--workers", "0")
        b, c = await agents.start("b", *joining), await agents.start("c", *joining)
        await agents.member_state(a, "b", "alive")
        await agents.member_state(b, "c", "alive")
        c.process.send_signal(signal.SIGSTOP)  # b waits for its answer before it ends

        async def is_stopping() -> bool:
            return b"stopping" in b.log

        b.process.send_signal(signal.SIGHUP)
        await eventually("b is stopping", is_stopping, context=agents.logs)
        b.process.send_signal(signal.SIGHUP)  # the shell passes on what the kernel sends as well
        assert await b.ended() == 0, b
        assert b.log.count(b"stopping") == 1
        await agents.member_state(a, "b", "left")


@pytest.mark.parametrize("ignored", [False, True])
def test_a_hangup_that_was_ignored_at_the_start_stays_ignored(ignored: bool) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        asking = {signal.SIGINT, signal.SIGTERM}
        assert stopping_signals() == (asking if ignored else asking | {signal.SIGHUP})
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("games", "said"),
    [
        (1, "1 game exists only on this box: 000000000000"),
        (2, "2 games exist only on this box: 000000000000, 000000000000"),
        (1_235, "1,235 games exist only on this box: 000000000000, 000000000000 and 1,233 more"),
    ],
)
def test_games_that_exist_only_here_are_counted_and_the_first_are_named(
    games: int, said: str
) -> None:
    assert str(_OnlyHere(games, [RecordId(bytes(32))] * min(games, 2))) == said
