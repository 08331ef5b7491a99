"""What `sync` prints, and how it ends."""

import argparse
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console

from ringrift import cli
from ringrift.commands import sync
from ringrift.exits import Exit

Ran = Callable[..., tuple[int, str, str]]


def result(name: str = "laptop", **changes: object) -> dict[str, Any]:
    return {
        "event": "result", "peer": "aa" * 16, "name": name, "complete": True, "reason": "",
        "games_on_both": 12345, "phases": 1, "requests": 1, "message_bytes": 172, "filters": 0,
        "false_positives": 0, "exact_lists": 0, "taken": 0, "given": 0, "refused": 0,
        "seconds": 0.02,
    } | changes  # fmt: skip


def event(kind: str, **changes: object) -> dict[str, Any]:
    told = {"waiting": False, "offered": 0, "taken": 0, "given": 0, "message_bytes": 0}
    return {"event": kind, "peer": "aa" * 16, "name": "laptop"} | told | changes


failed = result(complete=False, reason="no answer within 60 s", games_on_both=None)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ran:
    """Run the verb against an agent that tells these lines, in pieces that heed no line's end."""

    def run(*told: dict[str, Any], options: tuple[str, ...] = ()) -> tuple[int, str, str]:
        def chunks(_: argparse.Namespace, method: str, target: str) -> Iterator[bytes]:
            assert (method, target) == ("POST", "/v1/sync?what=all")
            data = "".join(json.dumps(line) + "\n" for line in told).encode()
            for start in range(0, len(data), 50):
                yield data[start : start + 50]

        monkeypatch.setattr(sync, "stream_agent", chunks)
        status = sync.sync(cli.parse(["sync", *options])[1])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (result(), "in sync with laptop: 12,345 games on both, 172 bytes\n"),
        (result(games_on_both=1), "in sync with laptop: 1 game on both, 172 bytes\n"),
        (result(games_on_both=None), "in sync with laptop: 172 bytes\n"),
        (
            result(
                games_on_both=None, taken=1200, given=3, filters=5, false_positives=1,
                exact_lists=2, message_bytes=23456, seconds=1.26,
            ),
            ("in sync with laptop: 1,200 records taken, 3 given; 23,456 bytes of messages "
            "(5 filters, 1 false positive, 2 lists) in 1.3 s\n"),
        ),
        (
            result(given=2, refused=1, filters=1, exact_lists=1),
            ("in sync with laptop: 0 records taken, 2 given, 1 refused; 172 bytes of messages "
            "(1 filter, 0 false positives, 1 list) in 0.0 s\n"),
        ),
        (
            result(taken=1, message_bytes=1),
            ("in sync with laptop: 1 record taken, 0 given; 1 byte of messages "
            "(0 filters, 0 false positives, 0 lists) in 0.0 s\n"),
        ),
        (failed, "not in sync with laptop: no answer within 60 s\n"),
        ({**failed, "name": "\x1b[2J"}, "not in sync with \\x1b[2J: no answer within 60 s\n"),
    ],
)  # fmt: skip
def test_a_line_tells_what_was_found_and_moved(told: dict[str, Any], said: str, ran: Ran) -> None:
    lines = [event("progress", waiting=True), event("begun"), event("progress"), told]
    status, out, err = ran(*lines)
    assert (out, err) == (said, "")
    assert status == (Exit.HEALTHY if told["complete"] else Exit.DEGRADED)


def test_one_failure_among_others_shows_in_the_status(ran: Ran) -> None:
    status, out, _ = ran(result(), {**failed, "name": "desk"}, result("box"))
    assert status == Exit.DEGRADED
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "in sync with laptop",
        "not in sync with desk",
        "in sync with box",
    ]


def test_with_nobody_there_it_says_so_and_is_not_healthy(ran: Ran) -> None:
    status, out, err = ran()
    assert (status, out) == (Exit.DEGRADED, "")
    assert "no other member is alive" in err


def test_json_is_one_object_and_nothing_else(ran: Ran) -> None:
    status, out, err = ran(event("begun"), result(), failed, options=("--json",))
    assert (status, err) == (Exit.DEGRADED, "")
    found = json.loads(out)
    assert found["complete"] is False
    assert [peer["complete"] for peer in found["peers"]] == [True, False]
    assert found["peers"][0] == {k: v for k, v in result().items() if k != "event"}
    assert json.loads(ran(options=("--json",))[1]) == {"complete": False, "peers": []}


def test_a_terminal_is_shown_bars_that_are_gone_in_the_end(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, _environ={})
    monkeypatch.setattr(sync, "Console", lambda stderr: console)
    status, out, _ = ran(
        event("progress", waiting=True, name="[red]desk"),
        event("progress", offered=200, taken=50, given=7, peer="bb" * 16),
        result(peer="bb" * 16),
    )
    assert (status, out) == (Exit.HEALTHY, "in sync with laptop: 12,345 games on both, 172 bytes\n")
    drawn = screen.getvalue()
    assert "[red]desk" in drawn
    assert "waits for its turn" in drawn
    assert "50 records taken, 7 given" in drawn
    assert drawn.rstrip("\r\n").endswith("\x1b[2K")  # the last line was erased


def test_a_bar_is_gone_before_the_line_that_takes_its_place(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, _environ={})
    monkeypatch.setattr(sync, "Console", lambda stderr: console)
    monkeypatch.setattr("sys.stdout", screen)
    ran(event("progress", taken=5), result())
    assert "5 records taken" in screen.getvalue()
    assert screen.getvalue().endswith("in sync with laptop: 12,345 games on both, 172 bytes\n")


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (["sync"], "/v1/sync?what=all"),
        (["sync", "games"], "/v1/sync?what=games"),
        (["sync", "games", "--peer", "a b&c"], "/v1/sync?what=games&peer=a+b%26c"),
    ],
)
def test_what_and_with_whom_is_asked_of_the_agent(
    arguments: list[str], target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def chunks(_: argparse.Namespace, method: str, target: str) -> Iterator[bytes]:
        asked.append(f"{method} {target}")
        yield json.dumps(result()).encode() + b"\n"

    monkeypatch.setattr(sync, "stream_agent", chunks)
    assert sync.sync(cli.parse(arguments)[1]) == Exit.HEALTHY
    assert asked == [f"POST {target}"]
