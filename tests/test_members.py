"""What `members` shows of each."""

import argparse
import json
import re
from typing import Any

import pytest

from ringrift.commands import members
from ringrift.exits import Exit


def member(id_: str, name: str, **changes: object) -> dict[str, Any]:
    return {
        "id": id_ * 16, "name": name, "state": "alive", "last_heard_s": 2.0, "version": "0.1.0",
        "addresses": ["10.0.0.1:8770"], "durable": True, "clock_offset_ms": None,
        "latest_exchange": None,
    } | changes  # fmt: skip


mesh = [
    member("aa", "desk"),
    member(
        "bb", "laptop", clock_offset_ms=12.4, addresses=["[fd00::1]:8770", "h:1"],
        latest_exchange={"ago_s": 2.1, "failure": "", "given": 1234, "taken": 0},
    ),
    member(
        "cc", "rented", durable=False, state="dead", last_heard_s=None, clock_offset_ms=-7e6,
        latest_exchange={"ago_s": 7.0, "failure": "cut", "given": None, "taken": None},
    ),
]  # fmt: skip


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def show(told: list[dict[str, Any]], *, as_json: bool = False) -> tuple[str, int]:
        found = {"node": {"id": "aa" * 16}, "mesh": {"members": told}}
        monkeypatch.setattr(members, "ask_agent", lambda *_: found)
        ended = members.members(argparse.Namespace(json=as_json, home=None))
        return capsys.readouterr().out, ended

    return show


def test_a_pipe_gets_an_aligned_line_for_each_with_all_that_is_known(shown: Any) -> None:
    text, ended = shown(mesh)
    cells = [list(re.finditer(r"\S+( \S+)*", line)) for line in text.splitlines()]
    assert [[cell.group() for cell in line] for line in cells] == [
        ["MEMBER", "ID", "STATE", "HEARD", "KEEPS", "CLOCK", "EXCHANGE", "VERSION", "ADDRESSES"],
        ["desk", "a" * 12, "alive", "this node", "durable", "-", "-", "0.1.0", "10.0.0.1:8770"],
        ["laptop", "b" * 12, "alive", "2 s ago", "durable", "12 ms ahead",
         "2 s ago: 1,234 given, 0 taken", "0.1.0", "[fd00::1]:8770 h:1"],
        ["rented", "c" * 12, "dead", "never", "ephemeral", "1 h 56 min behind",
         "7 s ago, failed: cut", "0.1.0", "10.0.0.1:8770"],
    ]  # fmt: skip
    assert len({tuple(cell.start() for cell in line) for line in cells}) == 1
    assert ended == Exit.HEALTHY


def test_what_was_not_measured_is_unknown(shown: Any) -> None:
    text, _ = shown([member("aa", "desk"), member("bb", "laptop")])
    assert "durable  unknown  none yet  0.1.0" in text


@pytest.mark.parametrize(
    ("state", "durable", "status"),
    [
        ("dead", True, Exit.DEGRADED),
        ("suspect", True, Exit.DEGRADED),
        ("dead", False, Exit.HEALTHY),
        ("left", True, Exit.HEALTHY),
        ("unverified", True, Exit.HEALTHY),
    ],
)
def test_a_durable_member_that_is_not_there_is_told_by_the_exit_status(
    shown: Any, state: str, durable: bool, status: Exit
) -> None:
    told = [member("aa", "desk"), member("bb", "laptop", state=state, durable=durable)]
    assert shown(told)[1] == status
    assert shown(told, as_json=True)[1] == status


def test_as_data_they_are_what_status_says(shown: Any) -> None:
    text, _ = shown(mesh, as_json=True)
    assert json.loads(text) == mesh


def test_a_narrow_terminal_gets_a_paragraph_for_each(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    text, _ = shown([mesh[0], mesh[1] | {"name": "[red]" + "x" * 100 + "\x1b[2J"}])
    lines = [
        line.rstrip() for line in text.replace("\x1b[2m", "").replace("\x1b[0m", "").split("\n")
    ]
    assert lines[:12] == [
        "member     desk",
        "id         aaaaaaaaaaaa",
        "state      alive",
        "heard      this node",
        "keeps      durable",
        "clock      -",
        "exchange   -",
        "version    0.1.0",
        "addresses  10.0.0.1:8770",
        "",
        "member     [red]" + "x" * 64,
        "           " + "x" * 36 + r"\x1b[2J",
    ]


def test_a_wide_terminal_gets_the_table(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "150")
    text, _ = shown(mesh)
    assert "\x1b[31mdead" in text
    assert len(text.splitlines()) == 4
