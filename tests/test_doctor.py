"""`doctor` as an operator runs it, without an agent, and how it draws what it found."""

import argparse
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringrift import cli, client
from ringrift.checks import Finding, Verdict, disk, keys
from ringrift.commands import doctor
from ringrift.exits import Exit
from ringrift.home import Home

order = [
    "settings", "home", "keys", "certificate", "grant", "root key", "disk", "file system", "sqlite",
    "store", "dead letters", "agent", "version", "listening", "addresses", "clock", "events",
]  # fmt: skip

drawn = [
    Finding("disk", Verdict.OK, "all is well"),
    Finding("keys", Verdict.WARNING, "[/x]\x1b]0;owned\x07", "chmod 600 " + "x" * 90),
    Finding("clock", Verdict.UNKNOWN, "unmeasured"),
]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in (
        "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS", "RINGRIFT_HOME", "RINGRIFT_WORKERS",
    ):  # fmt: skip
        monkeypatch.delenv(setting, raising=False)


def found(home: Path, *options: str, capsys: pytest.CaptureFixture[str]) -> tuple[Any, int]:
    ended = cli.main(["doctor", "--json", "--home", str(home), *options])
    return {each["check"]: each for each in json.loads(capsys.readouterr().out)}, ended


def test_every_check_is_made_on_a_box_where_nothing_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, ended = found(tmp_path / "none", capsys=capsys)
    assert list(told) == order
    assert ended == Exit.HEALTHY
    assert {"failure"}.isdisjoint(each["verdict"] for each in told.values())
    assert told["agent"]["verdict"] == "warning"
    assert "no agent answers" in told["agent"]["finding"]
    assert list(tmp_path.iterdir()) == []


def test_a_failure_ends_with_status_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o755)
    told, ended = found(tmp_path, capsys=capsys)
    assert ended == Exit.DEGRADED
    assert {each["check"] for each in told.values() if each["verdict"] == "failure"} == {"home"}
    for check in ("keys", "certificate", "grant", "root key"):
        assert (told[check]["verdict"], told[check]["finding"]) == ("unknown", "see home")
    assert list(told) == order
    assert told["home"] == {
        "check": "home",
        "verdict": "failure",
        "finding": f"{tmp_path} is open to other users (mode 0755)",
        "advice": f"chmod 700 {tmp_path}",
    }


def test_a_home_that_nobody_can_enter_is_one_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    told, ended = found(tmp_path / "file", capsys=capsys)
    assert (list(told), ended) == (order, Exit.DEGRADED)
    assert {each["check"] for each in told.values() if each["verdict"] == "failure"} == {"home"}
    assert told["store"] == told["agent"] | {"check": "store"}
    assert told["store"]["finding"] == "see home"


def test_whatever_answers_in_place_of_an_agent_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: object) -> None:
        raise client.AgentError("it speaks no JSON")

    monkeypatch.setattr(client, "ask", ask)
    told, ended = found(tmp_path, capsys=capsys)
    assert (told["agent"]["verdict"], told["agent"]["finding"]) == ("failure", "it speaks no JSON")
    assert told["clock"]["verdict"] == "unknown"
    assert ended == Exit.DEGRADED


def test_a_remedy_that_comes_with_the_reason_is_the_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: object) -> None:
        raise client.AgentError("it is silent", "wake it")

    monkeypatch.setattr(client, "ask", ask)
    told, _ = found(tmp_path, capsys=capsys)
    assert (told["agent"]["finding"], told["agent"]["advice"]) == ("it is silent", "wake it")


def test_a_file_system_that_is_read_only_is_one_failure_and_keys_are_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "records.db").mkdir()  # which SQLite cannot open either

    def access(_: object, mode: int) -> bool:
        return not mode & os.W_OK

    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(disk, "is_read_only", lambda _: True)
    monkeypatch.setattr(keys, "is_read_only", lambda _: True)
    told, ended = found(tmp_path, capsys=capsys)
    assert ended == Exit.DEGRADED
    assert {check for check, each in told.items() if each["verdict"] == "failure"} == {
        "file system"
    }
    assert "is on a read-only file system" in told["file system"]["finding"]
    assert "mount it for writing" in told["file system"]["advice"]
    assert told["keys"]["finding"] == "this home belongs to no mesh yet"
    assert told["store"]["verdict"] == "unknown"
    assert told["store"]["finding"].endswith("see file system")


def test_an_agent_is_checked_by_its_own_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = f"127.0.0.1:{server.getsockname()[1]}"
        me = {"id": "aa", "name": "me", "state": "alive", "clock_offset_ms": None}
        answers = {
            "/v1/status": {
                "node": {"id": "aa", "listen": here, "version": "0.0.1"},
                "mesh": {"members": [me | {"addresses": [here]}]},
                "problems": [],
            },
            "/v1/events": {"X": {"publishers": ["a"], "subscribers": ["b"]}},
        }
        monkeypatch.setattr(client, "ask", lambda _path, _method, target: answers[target])
        told, ended = found(tmp_path, capsys=capsys)
    verdicts = [told[check]["verdict"] for check in order[-6:]]
    assert verdicts == ["ok", "warning", "ok", "ok", "unknown", "ok"]
    assert ended == Exit.HEALTHY


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Iterator[argparse.Namespace]:
    def examine(_home: Home, *, deep: bool) -> list[Finding]:
        assert deep
        return drawn

    monkeypatch.setattr(doctor, "examine", examine)
    return argparse.Namespace(home="h", json=False, deep=True)


def test_a_pipe_gets_whole_lines_with_the_advice_below(
    three: argparse.Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.doctor(three) == Exit.HEALTHY
    assert capsys.readouterr().out.split("\n") == [
        "ok       disk   all is well",
        r"warning  keys   [/x]\x1b]0;owned\x07",
        f"                -> chmod 600 {'x' * 90}",
        "unknown  clock  unmeasured",
        "",
        "1 ok, 1 warning, 1 unknown",
        "",
    ]


def test_a_terminal_gets_colours_and_folded_lines(
    three: argparse.Namespace,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    doctor.doctor(three)
    text = capsys.readouterr().out
    assert "\x1b[33mwarning" in text
    assert "\x1b]" not in text
    assert f"{'x' * 44}\n" in text


@pytest.mark.parametrize(("publishers", "told"), [(["a"], False), ([], True)])
def test_the_wiring_of_the_program_is_told_to_an_operator_only_if_it_is_wrong(
    publishers: list[str],
    told: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {
        "/v1/status": {
            "node": {"id": "aa", "listen": "127.0.0.1:1", "version": "0.0.1"},
            "mesh": {"members": [{"id": "aa", "state": "alive", "clock_offset_ms": None,
                                  "addresses": [], "name": "me"}]},
            "problems": [],
        },
        "/v1/events": {"X": {"publishers": publishers, "subscribers": ["b"]}},
    }  # fmt: skip
    monkeypatch.setattr(client, "ask", lambda _path, _method, target: answers[target])
    cli.main(["doctor", "--home", str(tmp_path)])
    shown = capsys.readouterr().out
    assert ("events" in shown) is told
    verdicts = re.findall("^(ok|warning|failure|unknown) ", shown, re.MULTILINE)
    assert shown.splitlines()[-1].startswith(f"{verdicts.count('ok')} ok, ")
    cli.main(["doctor", "--json", "--home", str(tmp_path)])
    assert json.loads(capsys.readouterr().out)[-1]["check"] == "events"
