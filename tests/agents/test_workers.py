"""Workers come and go; what they made stays, and what they did wrong is told."""

import os
import sys
from pathlib import Path

import pytest

from tests.agents.harness import command, fleet
from tests.processes import running
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

rubbish_after_two = """
import subprocess, sys
good = subprocess.Popen(
    [sys.executable, "-P", "-m", "ringrift.selfplay", *sys.argv[1:], "--seeds", "-"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
for _ in range(2):
    good.stdin.write(sys.stdin.buffer.readline())
    good.stdin.flush()
    size = good.stdout.read(4)
    sys.stdout.buffer.write(size + good.stdout.read(int.from_bytes(size, "big")))
    sys.stdout.buffer.flush()
good.stdin.close()
good.wait()
good.stdout.close()
sys.stdin.readline()
sys.stdout.buffer.write(b"what is this?" * 100)
sys.stdout.buffer.flush()
sys.stdin.readline()
"""


def worker(path: Path, source: str) -> dict[str, str]:
    """Return the environment that makes an agent play with a program of ours."""
    path.write_text(source)
    fields = "--config {config} --players {players} --producer {producer}"
    return {"RINGRIFT_WORKER": f"{sys.executable} {path} {fields}"}


async def test_a_worker_that_writes_rubbish_is_stopped_and_its_good_games_stay(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as agents:
        extra = worker(tmp_path / "worker.py", rubbish_after_two)
        a = await agents.start("a", "--workers", "1", extra=extra)

        async def stopped() -> bool:
            status = await a.status()
            return bool(status) and status["jobs"][0]["state"] == "stopped"

        await eventually("the worker is stopped", stopped, context=lambda: a)
        status = await a.status()
        assert status["records"]["games"]["stored"] == 2
        assert status["jobs"][0]["games"] == 2
        assert any("rubbish" in problem for problem in status["problems"])
        shown = await command(a.home, "status")
        assert shown.returncode == 4
        assert "rubbish" in shown.stdout


async def test_a_worker_that_crashes_is_started_again(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a = await agents.start("a", "--workers", "1")
        before = await agents.games_on(a, 1)
        status = await a.status()
        os.kill(status["jobs"][0]["pid"], 9)
        await agents.games_on(a, len(before) + 2)
        assert b"was killed by SIGKILL" in a.log


async def test_no_worker_survives_its_agent(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a = await agents.start("a", "--workers", "2")
        await agents.games_on(a, 1)
        workers = [job["pid"] for job in (await a.status())["jobs"]]
        assert len(workers) == 2
        await a.kill()

        async def gone() -> bool:
            return not set(workers) & set(running().values())

        await eventually("the workers are gone", gone, context=lambda: a)


async def test_pause_is_remembered_and_resume_undoes_it(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a = await agents.start("a", "--workers", "1")
        await agents.games_on(a, 1)
        await a.pause()
        count = len(await a.games())
        assert await a.stop() == 4  # the games of a lone node exist only there
        told = "1 game exists" if count == 1 else f"{count:,} games exist"
        assert f"{told} only on this box: ".encode() in a.log
        a = await agents.start("a", "--workers", "1")

        async def still_paused() -> bool:
            status = await a.status()
            return bool(status) and status["jobs"][0]["state"] == "paused"

        await eventually("it is still paused", still_paused, context=lambda: a)
        count = len(await a.games())
        assert (await a.status())["paused"] is True
        assert (await command(a.home, "resume")).returncode == 0
        await agents.games_on(a, count + 1)
