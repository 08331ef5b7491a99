"""What `status` shows, above all of members who choose their own names."""

import argparse
from typing import Any

import pytest

from ringrift.commands import status
from ringrift.exits import Exit
from ringrift.printable import printable
from ringrift.rules import configs

hostile = "[/x]\x1b]0;owned\x07\n[red]me:smile:\u202e\ud800"


def report(**changes: object) -> dict[str, Any]:
    return {
        "node": {
            "id": "aa" * 16, "name": "desk", "version": "0.1.0", "uptime_s": 7.5,
            "listen": "[::]:8770",
        },
        "mesh": {
            "id": "bb" * 8,
            "members": [
                member("aa" * 16, "desk", None),
                member("cc" * 16, hostile, 90.0, "[bold]", "[fd00::1]:8770", "x[/]:1"),
            ],
        },
        "records": {
            "games": {
                "stored": 1234, "safe": 1000,
                "by_config": {"[/y]": 4, "hex8_2p": 1000, "square8_2p": 200, "square8_4p": 30},
            },
        },
        "traffic": {
            "sync": {
                "exchanges": 1, "filters": 1200, "false_positives": 1, "exact_lists": 0,
                "message_bytes": 4567, "pushed": 30, "given": 2, "taken": 1000,
            },
        },
        "selfplay": {
            "by_config": {
                "square8_2p": {"games": 40, "spent_s": 61.0},
                "square8_4p": {"games": 2, "spent_s": 125.5},
                "hex8_2p": {"games": 0, "spent_s": 0.0},
            },
        },
        "replays": {
            "share": 0.02, "good": 1500, "bad": 0, "unknown": 0, "not_replayed": 0, "waiting": 0,
        },
        "paused": False,
        "jobs": [
            {"id": "job-0", "state": "playing", "config": "[/z]", "games": 3, "pid": 7},
            {"id": "job-1", "state": "stopped", "config": None, "games": 0, "pid": None},
        ],
        "problems": [],
    } | changes  # fmt: skip


def member(
    id_: str, name: str, heard: float | None, version: str = "0.1.0", *addresses: str
) -> dict[str, Any]:
    return {
        "id": id_, "name": name, "state": "alive", "last_heard_s": heard, "version": version,
        "addresses": list(addresses),
    }  # fmt: skip


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def show(found: dict[str, Any]) -> tuple[str, int]:
        monkeypatch.setattr(status, "ask_agent", lambda *_: found)
        ended = status.status(argparse.Namespace(json=False, home=None, watch=None))
        return capsys.readouterr().out, ended

    return show


def test_a_pipe_gets_plain_lines_in_which_a_peer_means_nothing_but_its_text(shown: Any) -> None:
    text, ended = shown(report())
    assert ended == Exit.HEALTHY
    name = r"[/x]\x1b]0;owned\x07\n[red]me:smile:\u202e\ud800"
    gap = " " * (len(name) - len("desk"))
    assert text.split("\n") == [
        f"desk  aaaaaaaaaaaa  mesh {'bb' * 8}  up 7 s  version 0.1.0  listening on [::]:8770",
        "1,234 games held here, 1,000 of them safe on other boxes too",
        "self-play: 42 games; time of each of 3 configs: 0 s to 2 min 5 s",
        "sync: 1 exchange, 1,200 filters, 1 false positive, 0 lists, 4,567 bytes",
        "records: 30 pushed, 2 given, 1,000 taken",
        "replays of a sample of 2 %: 1,500 good, 0 bad",
        "",
        f"MEMBER{gap[:-2]}  ID            STATE  HEARD           VERSION  ADDRESSES",
        f"desk{gap}  aaaaaaaaaaaa  alive  this node       0.1.0",
        f"{name}  cccccccccccc  alive  1 min 30 s ago  [bold]   [fd00::1]:8770 x[/]:1",
        "",
        "GAMES HELD  2 PLAYERS  3 PLAYERS  4 PLAYERS",
        "square8           200          -         30",
        "hex8            1,000          -          -",
        "others              4",
        "",
        "JOB    STATE    CONFIG  GAMES  PID",
        "job-0  playing  [/z]    3      7",
        "job-1  stopped  -       0      -",
        "",
        "healthy",
        "",
    ]  # fmt: skip


def test_a_node_that_plays_nothing_says_nothing_of_self_play(shown: Any) -> None:
    text, _ = shown(report(jobs=[]))
    assert "self-play" not in text


def test_replays_that_are_not_simply_good_are_told(shown: Any) -> None:
    replays = {
        "share": 0.125, "good": 0, "bad": 1, "unknown": 20, "not_replayed": 3000, "waiting": 4,
    }  # fmt: skip
    text, _ = shown(report(replays=replays))
    assert (
        "replays of a sample of 12.5 %: 0 good, 1 bad, 20 of other versions, "
        "3,000 not replayed, 4 waiting\n"
    ) in text


def test_all_twelve_configs_fit_on_a_narrow_terminal(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    held = {each.name: 1_000_000 for each in configs}
    played = {name: {"games": 1, "spent_s": 4e5} for name in held}
    text, _ = shown(
        report(
            records={"games": {"stored": 12_000_000, "safe": 0, "by_config": held}},
            selfplay={"by_config": played},
        )
    )
    assert sum("1,000,000  " in line for line in text.splitlines()) == 4
    assert "self-play: 12 games; time of each of 12 configs: 4 d 15 h to 4 d 15 h\n" in text


def test_as_long_as_nothing_was_to_be_replayed_nothing_is_said_of_it(shown: Any) -> None:
    none = dict.fromkeys(("good", "bad", "unknown", "not_replayed", "waiting"), 0)
    text, _ = shown(report(replays={"share": 0.02} | none))
    assert "replays" not in text


def test_one_game_is_no_games(shown: Any) -> None:
    text, _ = shown(report(records={"games": {"stored": 1, "safe": None, "by_config": {}}}))
    assert text.splitlines()[1] == "1 game held here, how many are safe is not yet known"


def test_a_problem_that_quotes_a_peer_is_one_line_in_a_pipe(shown: Any) -> None:
    problem = f"{hostile} {'is not well ' * 100}"
    text, ended = shown(report(problems=[problem]))
    assert ended == Exit.DEGRADED
    assert text.splitlines()[-1] == f"problem  {printable(problem)}".rstrip()


def test_a_terminal_gets_colours_but_no_escape_sequence_of_a_peer(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    text, _ = shown(report())
    assert "\x1b[32malive" in text
    assert "\x1b]" not in text
    assert "[fd00::1]:8770" in text


def test_no_color_takes_the_colours_away(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    text, _ = shown(report())
    assert "\x1b[32m" not in text
    assert "alive" in text


def test_on_a_narrow_terminal_a_long_name_hides_no_state(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    names = [member("dd" * 16, "x" * 640, 1.0, "0.1.0", f"{'y' * 250}:8770")]
    text, _ = shown(report(mesh={"id": "bb" * 8, "members": names}))
    assert "\x1b[32malive" in text
    assert "dddddddddddd" in text


def test_printable_text_is_left_as_it_is() -> None:
    assert printable("Zoë's 箱 [x]") == "Zoë's 箱 [x]"
    assert printable("a\tb\x9b\u2028") == r"a\tb\x9b\u2028"
