"""A game that does not replay is found by the others, whoever passes it on."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest

from mixins.clock import SystemClock
from p2p.envelope import record_id
from p2p.identity.ids import NodeId
from ringrift.game_record import encode_game
from ringrift.rules import Config
from ringrift.selfplay import play
from tests.agents.harness import command, fleet
from tests.agents.test_unknown_records import push
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

cheat = NodeId(b"\xcc" * 16)


def wrong_game() -> bytes:
    """Return a well-formed game with a move that nobody may make."""
    config = Config.parse("square8_2p")
    now_ms = SystemClock().wall_ms()
    game = play(config, ("random", "random"), b"\1", now_ms, cheat)
    return encode_game(dataclasses.replace(game, moves=game.moves[:5] + game.moves[6:]))


async def test_a_producer_whose_game_does_not_replay_is_named_by_status_on_every_node(
    tmp_path: Path,
) -> None:
    record = wrong_game()
    async with fleet(tmp_path) as agents:
        all_of_them = ("--replay-share", "1")
        a, seed, token = await agents.founded("a", "--workers", "1", *all_of_them)
        b = await agents.start(
            "b", "--join", seed, "--token", token, "--workers", "0", *all_of_them
        )
        receipt = await push(a, token, tmp_path / "newcomer", record)
        assert receipt.refused == ()
        await agents.everywhere({record_id(record).hex()}, a, b)

        async def found() -> bool:
            reports = [await agent.status() for agent in (a, b)]
            return all(each and each["replays"]["bad"] == 1 for each in reports)

        await eventually("both have replayed it", found, context=agents.logs)

        async def good() -> Any:
            report = await b.status()
            return report["replays"]["good"] >= 2 and report

        report = await eventually("b has replayed those of a", good, context=agents.logs)
        (found_bad,) = report["replays"]["bad_by_source"].values()
        assert found_bad["by_producer"] == {cheat.hex(): 1}
        on_a = await a.status()
        assert on_a["node"]["id"] not in on_a["replays"]["by_source"]  # it believes its own worker
        shown = await command(b.home, "status")
        assert shown.returncode == 4
        assert "games given by a (" in shown.stdout
        blamed = f"that say they are by {cheat.hex()[:12]} do not replay: 1 so far"
        assert f"{blamed}; the latest {record_id(record).hex()[:12]}: move 6: " in shown.stdout
        assert blamed in (await command(b.home, "doctor")).stdout
        assert b"move 6: " in b.log

        await b.kill()
        b = await agents.start("b", "--workers", "0")
        shown = await command(b.home, "status")
        assert cheat.hex()[:12] in shown.stdout


async def test_games_of_a_worker_of_the_users_own_are_replayed_on_its_box(tmp_path: Path) -> None:
    fields = "--config {config} --players {players} --producer {producer} --seeds - --leashed"
    extra = {"RINGRIFT_WORKER": f"{sys.executable} -m ringrift.selfplay {fields}"}
    async with fleet(tmp_path) as agents:
        a = await agents.start("a", "--workers", "1", "--replay-share", "1", extra=extra)

        async def good() -> bool:
            report = await a.status()
            own = report and report["replays"]["by_source"].get(report["node"]["id"])
            return bool(own) and own["good"] >= 1

        await eventually("a has replayed a game of its own", good, context=lambda: a)
