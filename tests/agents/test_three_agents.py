"""The first promise, end to end: what was played on one box is on all, whatever happens."""

import signal
from pathlib import Path

import pytest

from tests.agents.harness import fleet
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_games_played_on_one_arrive_on_all_and_become_safe(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a, seed, token = await agents.founded("a", "--workers", "1")
        b = await agents.start("b", "--join", seed, "--token", token, "--workers", "0")
        c = await agents.start("c", "--join", seed, "--token", token, "--workers", "0")
        await agents.games_on(a, 5)
        await a.pause()

        async def settled() -> bool:
            found = [await agent.status() for agent in (a, b, c)]
            games = [status["records"]["games"] for status in found]
            alike = len({each["digest"] for each in games}) == 1
            return alike and all(each["safe"] == each["stored"] > 0 for each in games)

        await eventually("all games are safe, on all", settled, context=agents.logs)
        assert await a.games() == await b.games() == await c.games()
        assert [await each.stop() for each in (c, b)] == [0, 0]


async def test_a_killed_agent_comes_back_with_all_it_had_told_of(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a, seed, token = await agents.founded("a", "--workers", "2")
        b = await agents.start("b", "--join", seed, "--token", token, "--workers", "0")
        told = await agents.games_on(b, 5)
        await a.kill()
        await agents.member_state(b, "a", "dead")
        a = await agents.start("a", "--workers", "0")  # neither seed nor token again
        assert told <= await a.games()
        await agents.member_state(b, "a", "alive")
        await agents.everywhere(await a.games(), b)


async def test_a_stopped_agent_that_goes_on_accuses_nobody_and_catches_up(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a, seed, token = await agents.founded("a", "--workers", "1")
        b = await agents.start("b", "--join", seed, "--token", token, "--workers", "0")
        await agents.games_on(b, 2)
        b.process.send_signal(signal.SIGSTOP)
        await agents.member_state(a, "b", "dead")
        missed = await agents.games_on(a, len(await a.games()) + 2)
        b.process.send_signal(signal.SIGCONT)
        await agents.everywhere(missed, b)
        assert b'"a is suspect"' not in b.log
        assert b'"a is dead"' not in b.log


async def test_any_member_serves_when_the_seed_is_gone(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a, seed, token = await agents.founded("a", "--workers", "0")
        b = await agents.start("b", "--join", seed, "--token", token, "--workers", "1")
        c = await agents.start("c", "--join", seed, "--token", token, "--workers", "0")
        b_id = bytes.fromhex((await b.status())["node"]["id"])

        async def noted() -> bool:
            return c.has_stored("SELECT 1 FROM members WHERE node = ?", b_id)

        await eventually("c has noted where b is", noted, context=agents.logs)
        await a.kill()
        await c.kill()
        c = await agents.start("c", "--workers", "0")
        await agents.member_state(c, "b", "alive")
        d = await agents.start("d", "--join", await b.address(), "--token", token, "--workers", "0")
        await agents.everywhere(await agents.games_on(b, 2), c, d)
