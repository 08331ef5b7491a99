"""`members`, `doctor` and the settings of agents that run."""

import json
from pathlib import Path
from typing import Any

import pytest

from ringrift import __version__
from tests.agents.harness import AgentProcess, command, fleet
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def data(agent: AgentProcess, *arguments: str) -> Any:
    done = await command(agent.home, *arguments, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


async def test_two_agents_know_and_measure_each_other_and_pass_every_check(tmp_path: Path) -> None:
    async with fleet(tmp_path) as agents:
        a, seed, made = await agents.founded("a", "--workers", "0")
        await agents.start("b", "--join", seed, "--token", made, "--workers", "0", "--ephemeral")

        async def measured() -> Any:
            members = (await a.status())["mesh"]["members"]
            return [each for each in members if each["clock_offset_ms"] is not None]

        (measured_b,) = await eventually("a has measured b", measured, context=agents.logs)
        assert abs(measured_b["clock_offset_ms"]) < 60_000
        members = {each["name"]: each for each in await data(a, "members")}
        assert (members["a"]["durable"], members["b"]["durable"]) == (True, False)
        assert members["b"]["state"] == "alive"

        found = {each["check"]: each for each in await data(a, "doctor", "--deep")}
        of_this_machine = {"sqlite", "disk", "file system"}
        told = {check: each for check, each in found.items() if check not in of_this_machine}
        assert {each["verdict"] for each in told.values()} == {"ok"}, told
        assert found["addresses"]["finding"] == f"{seed}: can be connected to from here"
        assert found["version"]["finding"] == __version__
        assert " that of b" in found["clock"]["finding"]


async def test_an_agent_starts_with_its_settings_file_and_shows_them(tmp_path: Path) -> None:
    home = tmp_path / "a"
    home.mkdir(mode=0o700)
    (home / "settings.toml").write_text('name = "from-file"\nworkers = 0\nephemeral = true\n')
    async with fleet(tmp_path) as agents:
        a = await agents.start("a", extra={"RINGRIFT_WORKRES": "7"})  # the harness names it, too
        status = await a.status()
        (member,) = status["mesh"]["members"]
        assert (member["name"], member["durable"], status["jobs"]) == ("a", False, [])
        assert b"RINGRIFT_WORKRES means nothing here; did you mean RINGRIFT_WORKERS?" in a.log
        shown = await data(a, "config", "show", "--origin")
        assert shown["name"] == {
            "value": "from-file", "source": "file", "origin": str(home / "settings.toml"),
        }  # fmt: skip
        (home / "settings.toml").write_text("workers = 'all'\n")
        refused = await command(a.home, "doctor")
        assert refused.returncode == 4
        assert "settings.toml: workers is 'all', not a whole number" in refused.stdout
