"""Who gets in, who does not, and what each is told."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.to_thread

from ringrift.exits import Exit
from tests.agents.harness import AgentProcess, command, environment, fleet, token
from tests.waiting import eventually, within_s

pytestmark = pytest.mark.anyio


async def test_a_token_of_another_mesh_is_refused_by_every_seed(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        _, seed, _ = await agents.founded("a", "--workers", "0")
        other = await agents.start("other", "--workers", "0")
        foreign = await token(other.home)
        stranger = await agents.launch("s", "--join", seed, "--token", foreign, "--workers", "0")
        assert await stranger.ended() == 5, stranger
        assert f"no seed lets this node in: {seed}: the ".encode() in stranger.log
        assert b"another mesh" in stranger.log


async def test_a_mistaken_token_does_not_bind_a_home_for_good(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a, seed, right = await agents.founded("a", "--workers", "0")
        other = await agents.start("other", "--workers", "0")
        wrong = await token(other.home)
        b = await agents.launch("b", "--join", seed, "--token", wrong, "--workers", "0")
        assert await b.ended() == 5, b
        await agents.start("b", "--join", seed, "--token", right, "--workers", "0")
        await agents.member_state(a, "b", "alive")


async def test_a_founder_shows_the_join_line_on_a_terminal_until_somebody_has_joined(
    tmp_path: Path,
) -> None:
    ours, theirs = os.openpty()
    quiet = ("run", "--listen", "127.0.0.1:0", "--workers", "0")
    process = await trio.lowlevel.open_process(
        [sys.executable, "-P", "-m", "ringrift", "--home", str(tmp_path / "a"), *quiet],
        stdin=subprocess.DEVNULL,
        stderr=theirs,
        env=environment(),
    )
    os.close(theirs)
    shown = b""
    with trio.fail_after(within_s):
        while b"--token ringrift1." not in shown:
            shown += await trio.to_thread.run_sync(os.read, ours, 4096)
    process.kill()
    await process.wait()
    os.close(ours)
    assert b"ringrift-agent --join 127.0.0.1:" in shown


async def test_an_unreachable_seed_is_tried_until_it_answers(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a, seed, made = await agents.founded("a", "--workers", "0")
        assert await a.stop() == 0
        b = await agents.start("b", "--join", seed, "--token", made, "--workers", "0")

        async def complains() -> bool:
            return f"a seed is tried again and again: {seed}: connection refused".encode() in b.log

        await eventually("b says that nobody listens", complains, context=lambda: b)
        await agents.start("a", "--listen", seed, "--workers", "0")
        await agents.member_state(b, "a", "alive")


async def test_a_home_belongs_to_one_mesh(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a = await agents.start("a", "--workers", "0")
        other = await agents.start("other", "--workers", "0")
        assert await a.stop() == 0
        foreign = await token(other.home)
        refused = await command(a.home, "run", "--join", "127.0.0.1", "--token", foreign)
        assert refused.returncode == 2
        assert "this home belongs to the mesh" in refused.stderr


async def test_a_bad_token_is_refused_with_the_reason(tmp_path: Path) -> None:
    join = ("run", "--join", "127.0.0.1:1", "--token")
    async with fleet(tmp_path) as agents:
        a = await agents.start("a", "--workers", "0")
        made = await token(a.home)
    for spoilt, sentence in [
        ("hello", "not a join token"),
        (made[:500], "cut short or mistyped"),
        (made[:100] + ("A" if made[100] != "A" else "B") + made[101:], "cut short or mistyped"),
    ]:
        joined = await command(tmp_path / "b", *join, spoilt)
        assert joined.returncode == 2
        assert sentence in joined.stderr


async def test_a_token_without_a_seed_is_not_enough(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a = await agents.start("a", "--workers", "0")
        made = await token(a.home)
        done = await command(tmp_path / "b", "run", "--token", made)
    assert done.returncode == 2
    assert "--join HOST" in done.stderr


async def test_joining_without_a_token_says_how_to_get_one(tmp_path: Path) -> None:
    joined = await command(tmp_path / "b", "run", "--join", "127.0.0.1:1")
    assert joined.returncode == 2
    assert "ringrift-agent token" in joined.stderr


async def test_a_token_needs_the_root_key_and_says_where_it_is(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        _, seed, made = await agents.founded("a", "--workers", "0")
        b = await agents.start("b", "--join", seed, "--token", made, "--workers", "0")
        done = await command(b.home, "token")
        assert done.returncode == 1
        assert "the box that made the mesh" in done.stderr
        assert done.stdout == ""


async def test_a_single_box_token_admits_one_box(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a, seed, _ = await agents.founded("a", "--workers", "0")
        made = await token(a.home, "--single-box")
        await agents.start("b", "--join", seed, "--token", made, "--workers", "0")
        await agents.member_state(a, "b", "alive")


async def test_a_node_whose_key_runs_twice_stops_one_of_the_two(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a, seed, made = await agents.founded("a", "--workers", "0")
        b = await agents.start("b", "--join", seed, "--token", made, "--workers", "0")
        await agents.member_state(a, "b", "alive")
        shutil.copytree(
            b.home, tmp_path / "twin", ignore=shutil.ignore_patterns("agent.*", "records.*")
        )
        twin = await agents.launch("twin", "--join", seed, "--workers", "0")

        async def gone() -> list[AgentProcess]:
            return [each for each in (b, twin) if each.process.poll() is not None]

        for each in await eventually("one of the two ends", gone, context=agents.logs):
            assert await each.ended() == Exit.ERROR, each
            assert b"duplicate identity" in each.log
