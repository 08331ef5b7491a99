"""`sync`, as an operator runs it."""

import json
from pathlib import Path

import pytest

from ringrift.exits import Exit
from tests.agents.harness import command, fleet

pytestmark = pytest.mark.anyio


async def test_an_operator_syncs_with_all_or_one_and_is_told_who_there_is(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a, seed, token = await agents.founded("a", "--workers", "1")
        alone = await command(a.home, "sync")
        assert (alone.returncode, alone.stdout) == (Exit.DEGRADED, "")
        assert "no other member is alive" in alone.stderr
        await agents.games_on(a, 2)
        await a.pause()
        b = await agents.start("b", "--join", seed, "--token", token, "--workers", "0")
        await agents.member_state(b, "a", "alive")

        once = await command(b.home, "sync", "games", "--peer", "a", "--json")
        assert once.returncode == 0, once.stderr
        [result] = json.loads(once.stdout)["peers"]
        assert result["complete"] is True
        assert await a.games() <= await b.games()
        await agents.everywhere(await a.games(), b)

        again = await command(b.home, "sync", "--peer", (await a.status())["node"]["id"][:8])
        assert again.returncode == 0, again.stderr
        assert again.stdout.startswith("in sync with a: ")
        assert (await b.status())["traffic"]["sync"]["exchanges"] >= 2

        wrong = await command(b.home, "sync", "--peer", "nobody")
        assert (wrong.returncode, wrong.stdout) == (Exit.USAGE, "")
        assert "there is no other member 'nobody'; the others are a (" in wrong.stderr
        unknown = await command(b.home, "sync", "models")
        assert unknown.returncode == Exit.USAGE
        assert "models" in unknown.stderr
        assert "games" in unknown.stderr
