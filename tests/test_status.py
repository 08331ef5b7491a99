"""What `status` shows, above all of members who choose their own names."""

import argparse
import re
from typing import Any

import pytest

from ringrift.commands import status
from ringrift.commands.drawing import size
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
        f"desk  aaaaaaaaaaaa  mesh {'bb' * 8}  up 7 s",
        "version 0.1.0  listening on [::]:8770",
        "1,234 games held here, 1,000 of them safe on other boxes too",
        "self-play: 42 games; time of each of 3 configs: 0 s to 2 min 5 s",
        "sync: 1 exchange, 1,200 filters, 1 false positive, 0 lists",
        "messages: 4,567 bytes; records: 30 pushed, 2 given, 1,000 taken",
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
    assert text.splitlines()[2] == "1 game held here, how many are safe is not yet known"


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


def ordinary(**changes: object) -> dict[str, Any]:
    """Return the status of a mesh such as people have."""
    found = report(
        mesh={
            "id": "bb" * 8,
            "members": [
                member("aa" * 16, "gpu-box-1", None, "0.1.0", "192.168.178.101:8770"),
                member("cc" * 16, "laptop", 3599.0, "0.1.0", "192.168.178.102:8770"),
                member("dd" * 16, "nas", 7.0, "0.1.0", "10.0.0.5:8770", "[fd00::1:2:3]:8770"),
            ],
        },
        problems=["the durable member laptop is suspect"],
    )
    found["traffic"]["sync"] |= {
        "exchanges": 123_456, "filters": 123_456, "false_positives": 123, "exact_lists": 12,
        "message_bytes": 123_456_789, "pushed": 123_456, "given": 12_345, "taken": 1_234_567,
    }  # fmt: skip
    found["node"] |= {"name": "gpu-box-1", "uptime_s": 1_234_567.0, "listen": "127.0.0.1:8770"}
    return found | changes


def on_terminal(shown: Any, monkeypatch: pytest.MonkeyPatch, columns: int, **changes: Any) -> str:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    text, _ = shown(ordinary(**changes))
    monkeypatch.setenv("TTY_COMPATIBLE", "0")
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_an_ordinary_status_is_not_folded_at_80_columns(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_80 = on_terminal(shown, monkeypatch, 80)
    piped, _ = shown(ordinary())
    assert len(on_80.splitlines()) == len(piped.splitlines())
    assert "  listening on 127.0.0.1:8770\n" in on_80
    assert "messages: 117.7 MiB; records: 123,456 pushed, 12,345 given" in on_80


@pytest.mark.parametrize("columns", range(40, 120, 3))
def test_no_address_is_folded_and_each_member_has_one_line(
    columns: int, shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = on_terminal(shown, monkeypatch, columns)
    piped, _ = shown(ordinary())
    assert set(re.findall(r"\S*[0-9]:\S*|\S*:8\S*", text)) <= set(piped.split())
    if columns >= 53:
        table = text.partition("\nMEMBER")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in table.splitlines()[1:]] == [
            "gpu-box-1",
            "laptop",
            "nas",
        ]


def test_the_narrower_a_terminal_is_the_less_is_told_of_each_member(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    headings = {
        columns: on_terminal(shown, monkeypatch, columns).partition("\nMEMBER")[2].split("\n")[0]
        for columns in (90, 85, 75, 60, 54)
    }
    assert [" ".join(each.split()) for each in headings.values()] == [
        "ID STATE HEARD VERSION ADDRESSES",
        "ID STATE HEARD ADDRESSES",
        "ID STATE HEARD ADDRESSES",
        "STATE HEARD ADDRESSES",
        "ID STATE HEARD",
    ]
    assert "10.0.0.5:8770 +1 " in on_terminal(shown, monkeypatch, 75)
    assert " 10.0.0.5:8770 [fd00::1:2:3]:8770" in on_terminal(shown, monkeypatch, 85)


def test_a_long_name_is_folded_before_anything_is_left_out(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [member("cc" * 16, "x" * 40, 3599.0, "0.1.0", "192.168.178.102:8770")]
    text = on_terminal(shown, monkeypatch, 80, mesh={"id": "bb" * 8, "members": members})
    assert re.search(r"ID +STATE +HEARD +ADDRESSES", text)
    assert re.search(r"^x{16,39} +cc.* 192.168.178.102:8770", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("count_bytes", "said"),
    [
        (0, "0 bytes"), (1, "1 byte"), (9_999, "9,999 bytes"), (10_000, "9.8 KiB"),
        ((1 << 20) - 1, "1.0 MiB"), (1 << 20, "1.0 MiB"), (1_047_000, "1,022.5 KiB"),
        ((1 << 30) - 1, "1.0 GiB"), (5 << 40, "5,120.0 GiB"),
    ],
)  # fmt: skip
def test_bytes_are_told_in_a_unit_of_their_size(count_bytes: int, said: str) -> None:
    assert size(count_bytes) == said


def test_printable_text_is_left_as_it_is() -> None:
    assert printable("Zoë's 箱 [x]") == "Zoë's 箱 [x]"
    assert printable("a\tb\x9b\u2028") == r"a\tb\x9b\u2028"
