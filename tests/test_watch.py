"""`status --watch`: what is shown when, in virtual time, and how it ends."""

import argparse
import functools
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from rich.console import Console

from ringrift import cli, client
from ringrift.commands import watch
from ringrift.commands.watch import Seen, Watch
from ringrift.exits import Exit
from tests.rig import in_virtual_time, pass_s

Answers = list[dict[str, Any] | Exception]


def report(uptime_s: float, stored: int, **changes: object) -> dict[str, Any]:
    return {
        "measured_at": "2026-11-22T10:00:00.000+00:00",
        "node": {
            "id": "aa" * 16, "name": "desk", "version": "0.1.0", "uptime_s": uptime_s,
            "listen": "[::]:8770",
        },
        "mesh": {"id": "bb" * 8, "members": []},
        "records": {"games": {"stored": stored, "safe": 0, "by_config": {}}},
        "traffic": {
            "sync": dict.fromkeys(
                ("exchanges", "filters", "false_positives", "exact_lists", "message_bytes",
                "pushed", "given", "taken"), 0,
            ),
        },
        "selfplay": {"by_config": {"square8_2p": {"games": 1, "spent_s": 1.0}}},
        "replays": {
            "share": 0.02, "good": 0, "bad": 0, "unknown": 0, "not_replayed": 0, "waiting": 0,
        },
        "paused": False,
        "jobs": [
            {"id": f"job-{n}", "state": "playing", "config": None, "games": n, "pid": n}
            for n in range(9)
        ],
        "problems": [],
    } | changes  # fmt: skip


def asking(answers: Answers, *, each_s: float = 0.0) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Answer with one after the other, each after a time; then never."""
    left = iter(answers)

    async def ask() -> dict[str, Any]:
        await pass_s(each_s)
        answer = next(left, None)
        if answer is None:
            await trio.sleep_forever()
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer

    return ask


def test_the_agent_is_asked_at_the_interval_however_long_it_takes() -> None:
    shown_s: list[float] = []

    async def story() -> None:
        start_s = trio.current_time()
        watching = Watch(asking([report(1, 1)] * 3, each_s=0.5), 2.0)
        with trio.move_on_after(100):
            await watching.print_on(lambda _, now_s: shown_s.append(now_s - start_s))

    in_virtual_time(story)
    assert shown_s == [0.5, 2.5, 4.5]


def test_an_answer_later_than_the_interval_causes_no_haste() -> None:
    shown_s: list[float] = []

    async def story() -> None:
        start_s = trio.current_time()
        quick = asking([report(1, 1)] * 3)

        async def ask() -> dict[str, Any]:
            await pass_s(0.0 if shown_s else 7.0)
            return await quick()

        with trio.move_on_after(100):
            await Watch(ask, 2.0).print_on(lambda _, now_s: shown_s.append(now_s - start_s))

    in_virtual_time(story)
    assert shown_s == [7.0, 7.0, 9.0]


def test_an_agent_that_goes_is_told_with_the_age_of_what_is_known_and_comes_back() -> None:
    told: list[tuple[str, float | None]] = []
    gone = client.NotRunning("no agent answers at /s")
    broken = client.AgentError("the agent's answer broke off")

    async def story() -> None:
        watching = Watch(asking([gone, report(1, 1), gone, broken, report(2, 1)]), 2.0)
        with trio.move_on_after(100):
            await watching.print_on(
                lambda seen, now_s: told.append((seen.trouble(now_s), seen.age_s(now_s)))
            )

    in_virtual_time(story)
    assert told == [
        ("no agent answers at /s", None),
        ("", 0.0),
        ("no agent answers at /s", 2.0),
        ("the agent's answer broke off", 4.0),
        ("", 0.0),
    ]


def test_a_late_answer_is_told_before_it_is_given_up() -> None:
    seen = Seen(interval_s=2.0)
    assert seen.trouble(1000.0) == ""
    seen.answered(report(1, 1), 1000.0)
    assert seen.trouble(1004.0) == ""
    assert seen.trouble(1004.1) == "the agent does not answer"


def test_the_rate_is_measured_over_a_minute_by_the_agents_own_clock() -> None:
    seen = Seen(interval_s=2.0)
    seen.answered(report(10.0, 100), 0.0)
    assert seen.rate() == ""
    seen.answered(report(10.0, 100), 1.0)
    assert seen.rate() == ""
    seen.answered(report(14.0, 102), 2.0)
    assert seen.rate() == "0.50 games/s stored (2 in 4 s)"
    seen.answered(report(72.0, 1302), 3.0)
    assert seen.rate() == "20.69 games/s stored (1,200 in 58 s)"


def test_the_rate_begins_anew_with_the_agent() -> None:
    seen = Seen(interval_s=2.0)
    seen.answered(report(100.0, 100), 0.0)
    seen.answered(report(1.0, 200), 2.0)
    assert seen.rate() == ""
    seen.answered(report(3.0, 202), 4.0)
    assert seen.rate() == "1.00 games/s stored (2 in 2 s)"


def test_at_a_long_interval_the_rate_is_that_of_the_last_one() -> None:
    seen = Seen(interval_s=300.0)
    for number in range(4):
        seen.answered(report(300.0 * number, 30 * number), 0.0)
    assert seen.rate() == "0.10 games/s stored (30 in 5 min 0 s)"


def test_a_pipe_gets_a_block_for_each_answer(capsys: pytest.CaptureFixture[str]) -> None:
    seen = Seen(interval_s=2.0)
    seen.unanswered("no agent answers at /s")
    watch.print_block(seen, 0.0)
    seen.answered(report(1, 5), 0.0)
    watch.print_block(seen, 0.0)
    seen.answered(report(3, 9), 2.0)
    watch.print_block(seen, 2.0)
    seen.unanswered("no agent\nanswers")
    watch.print_block(seen, 92.0)
    lines = capsys.readouterr().out.split("\n")
    assert lines[0] == "no agent answers at /s; last answer: never"
    assert lines[2] == "2026-11-22T10:00:00.000+00:00"
    assert lines[5].startswith("5 games held here")
    second = lines.index("2026-11-22T10:00:00.000+00:00  2.00 games/s stored (4 in 2 s)")
    assert lines[second - 2 : second] == ["healthy", ""]
    assert lines[second + 3].startswith("9 games held here")
    assert lines[-4:] == ["", r"no agent\nanswers; last answer: 1 min 30 s ago", "", ""]


def test_a_program_gets_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    seen = Seen(interval_s=2.0)
    seen.unanswered("gone")
    watch.print_object(seen, 0.0)
    found = report(1, 5)
    seen.answered(found, 0.0)
    watch.print_object(seen, 0.0)
    seen.unanswered("gone")
    watch.print_object(seen, 1.26)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"unanswered": "gone", "last_answer_s": None},
        found,
        {"unanswered": "gone", "last_answer_s": 1.3},
    ]


def picture(found: dict[str, Any], *, height: int, width: int = 80) -> list[str]:
    seen = Seen(interval_s=2.0)
    seen.answered(found, 0.0)
    console = Console(width=width, height=height, file=io.StringIO(), highlight=False)
    with console.capture() as captured:
        console.print(watch._Picture(seen, 0.0))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_picture_that_fits_is_whole() -> None:
    whole = picture(report(1, 5), height=22)
    assert len(whole) == 22
    assert whole[-1] == "healthy"
    assert not any("window" in line for line in whole)
    lower = picture(report(1, 5), height=21)
    assert len(lower) == 21
    assert lower[-2] == "1 line more than the window has room for"


def test_in_a_low_window_tables_give_way_to_problems() -> None:
    found = report(1, 5, problems=["the disk is full", "x" * 200])
    drawn = picture(found, height=13)
    assert len(drawn) == 13
    assert drawn[-5] == "problem  the disk is full"
    assert drawn[-6] == "11 lines more than the window has room for"
    narrow = picture(found, height=10, width=20)
    assert all(len(line) <= 20 for line in narrow)


@pytest.mark.parametrize("problems", [[], ["the disk is full", "x" * 100]])
@pytest.mark.parametrize("width", [40, 60, 80])
def test_in_the_lowest_window_the_summary_gives_way_to_the_verdict(
    width: int, problems: list[str]
) -> None:
    found = report(1, 5, problems=problems, paused=True)
    whole = picture(found, height=60, width=width)
    verdict = whole[len(whole) - whole[::-1].index("") :]
    for height in range(1 + len(verdict), 30):
        drawn = picture(found, height=height, width=width)
        assert len(drawn) <= height
        assert drawn[-len(verdict) :] == verdict
        left_out = sum(map(bool, whole)) - sum(line in whole for line in drawn if line)
        if left_out and height > 1 + len(verdict):
            (more,) = (line for line in drawn if "more than the window" in line)
            assert more.split()[0] == str(left_out)


@pytest.mark.parametrize("width", [60, 80])
def test_in_no_window_do_headings_stand_without_a_row(width: int) -> None:
    found = report(1, 5)
    found["records"]["games"]["by_config"] = {"square8_2p": 3, "hex8_2p": 2}
    found["selfplay"]["by_config"]["hex8_2p"] = {"games": 1, "spent_s": 1.0}
    found["mesh"]["members"] = [
        {"id": n * 16, "name": n, "state": "alive", "last_heard_s": 1.0, "version": "0.1.0",
         "addresses": ["127.0.0.1:8770"]}
        for n in ("bb", "cc")
    ]  # fmt: skip
    tables = "\n".join(picture(found, height=60, width=width)).split("\n\n")[1:-1]
    rows = [line for table in tables for line in table.splitlines()]
    assert len(rows) == 3 + 3 + 10
    for height in range(10, 30):
        drawn = picture(found, height=height, width=width)
        assert len(drawn) <= height
        for at, line in enumerate(drawn):
            if line.startswith(("MEMBER", "GAMES HELD", "JOB ")):
                assert drawn[at + 1] in rows
                assert drawn[at - 1] == ""
        shown = [line for line in drawn if line in rows]
        left_out = [line.split()[0] for line in drawn if "than the window has" in line]
        assert left_out == ([str(len(rows) - len(shown))] if len(shown) < len(rows) else [])


def unstyled(text: str) -> str:
    """Return a text without what steers a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


class Screen(io.StringIO):
    """A terminal that keeps all that was drawn."""

    def isatty(self) -> bool:
        return True

    def pictures(self) -> list[str]:
        """Return each picture, without what steers the terminal."""
        drawn = re.split(r"\x1b\[H", self.getvalue())
        return [unstyled(each) for each in drawn]


def drawn_while(
    story: Callable[[], Awaitable[None]], answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> Screen:
    """Draw what is answered for as long as a story takes, and then end as by Ctrl-C."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("LINES", raising=False)
    screen = Screen()
    console = Console(file=screen, width=80, height=24, highlight=False)

    async def tell() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Watch(asking(answers), 2.0).draw_on, console)
            await story()
            signal.raise_signal(signal.SIGINT)

    in_virtual_time(tell)
    return screen


def test_the_picture_is_drawn_over_itself_and_the_last_one_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = drawn_while(lambda: pass_s(3), [report(1, 5), report(3, 9)], monkeypatch)
    text = screen.getvalue()
    assert "\x1b[2J" not in text  # which would flicker
    drawing, left = map(unstyled, text.split("\x1b[?1049l"))
    assert "5 games held here" in drawing
    assert "5 games held here" not in left
    assert "2.00 games/s stored (4 in 2 s)" in left
    assert left.rstrip().endswith("healthy")
    assert text.startswith("\x1b[?1049h")
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is back


def test_before_the_first_answer_it_says_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = drawn_while(lambda: pass_s(1), [], monkeypatch)
    assert screen.pictures()[2].splitlines()[0].rstrip() == "asking the agent"


def test_while_no_answer_comes_its_age_is_drawn_each_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = drawn_while(lambda: pass_s(7.5), [report(1, 5)], monkeypatch)
    told = [each.splitlines()[0].rstrip() for each in screen.pictures() if "games held" in each]
    assert told[1:4] == [f"the agent does not answer; last answer: {n} s ago" for n in (5, 6, 7)]


def test_a_window_of_another_size_is_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resize() -> None:
        await pass_s(0.5)
        before = len(watched)
        signal.raise_signal(signal.SIGWINCH)
        await pass_s(0.1)
        assert len(watched) == before + 1

    watched: list[object] = []
    init = watch._Picture.__init__

    def noted(self: Any, seen: Seen, now_s: float, *, cut: bool = True) -> None:
        watched.append(seen)
        init(self, seen, now_s, cut=cut)

    monkeypatch.setattr(watch._Picture, "__init__", noted)
    drawn_while(resize, [report(1, 5)], monkeypatch)


def test_while_it_is_stopped_the_shell_has_its_own_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    raise_signal = signal.raise_signal
    at_stop: list[int] = []

    async def stop() -> None:
        await pass_s(0.5)
        monkeypatch.setattr(signal, "raise_signal", at_stop.append)
        raise_signal(signal.SIGTSTP)
        await pass_s(0.1)
        monkeypatch.setattr(signal, "raise_signal", raise_signal)

    text = drawn_while(stop, [report(1, 5)], monkeypatch).getvalue()
    assert at_stop == [signal.SIGSTOP]
    assert text.count("\x1b[?1049h") == text.count("\x1b[?1049l") == 2


@pytest.mark.parametrize("text", ["0.4", "0", "-1", "x", "1e3", "nan", "100000", ""])
def test_an_interval_that_makes_no_sense_is_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse(["status", f"--watch={text}"])
    assert ended.value.code == Exit.USAGE
    assert f"{text!r}; expected a number from 0.5 to 99999" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "interval_s"), [([], None), (["--watch"], 2.0), (["--watch", "0.5"], 0.5)]
)
def test_the_interval_may_be_left_out(words: list[str], interval_s: float | None) -> None:
    assert cli.parse(["status", *words])[1].watch == interval_s


def command(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "ringrift", "status", "--home", os.fspath(home), *arguments]


def test_ctrl_c_does_not_wait_for_an_agent_that_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    answered: list[bool] = []

    def ask(*_: object) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGINT)
        answered.append(released.wait(60))
        return {}

    monkeypatch.setattr(client, "ask", ask)
    options = argparse.Namespace(json=True, home=os.fspath(tmp_path), watch=2.0)
    assert watch.watch(options) == Exit.NOT_RUNNING
    assert answered == []
    released.set()


@pytest.mark.parametrize("kind", [[], ["--json"]])
def test_on_a_pipe_ctrl_c_ends_it_well(kind: list[str], tmp_path: Path) -> None:
    with subprocess.Popen(
        command(tmp_path, "--watch", "0.5", *kind), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == Exit.NOT_RUNNING
        assert process.stderr.read() == b""


def test_on_a_terminal_ctrl_c_ends_it_well(tmp_path: Path) -> None:
    ours, its = pty.openpty()
    with subprocess.Popen(
        command(tmp_path, "--watch"), stdin=its, stdout=its, stderr=its, start_new_session=True,
        env=os.environ | {"TERM": "xterm"},
    ) as process:  # fmt: skip
        os.close(its)
        text = b""
        while b"no agent answers" not in text:
            text += os.read(ours, 65536)
        process.send_signal(signal.SIGINT)
        try:
            while chunk := os.read(ours, 65536):
                text += chunk
        except OSError:
            pass  # how a pseudo-terminal ends
        assert process.wait(timeout=60) == Exit.NOT_RUNNING
    os.close(ours)
    assert b"Traceback" not in text
    left = unstyled(text.split(b"\x1b[?1049l")[1].decode())
    assert " ".join(left.split()).endswith("last answer: never")


@pytest.mark.parametrize(
    ("answers", "passed_s", "well"),
    [
        ([report(1, 1)], 1, True),
        ([report(1, 1)], 5, False),
        ([report(1, 1), client.NotRunning("gone")], 3, False),
        ([client.NotRunning("gone"), report(1, 1)], 3, True),
        ([], 1, False),
    ],
)
def test_it_ends_well_if_the_last_answer_is_recent(
    answers: Answers, passed_s: float, well: bool
) -> None:
    watching = Watch(asking(answers), 2.0)

    async def story() -> None:
        with trio.move_on_after(passed_s):
            await watching.until_ended(
                functools.partial(watching.print_on, lambda _seen, _now_s: None)
            )

    in_virtual_time(story)
    assert watching.ended_well is well


def styled(seen: Seen, now_s: float) -> list[str]:
    """Return the lines of a picture in colours."""
    console = Console(
        width=150, height=30, file=io.StringIO(), highlight=False, force_terminal=True,
        color_system="standard", _environ={},
    )  # fmt: skip
    with console.capture() as captured:
        console.print(watch._Picture(seen, now_s))
    return captured.get().splitlines()


def test_an_old_picture_is_dim_and_its_verdict_is_gone() -> None:
    seen = Seen(interval_s=2.0)
    seen.answered(report(1, 5, paused=True), 0.0)
    fresh = styled(seen, 0.0)
    assert any("\x1b[33mpaused" in line for line in fresh)
    assert fresh[-1] == "\x1b[32mhealthy\x1b[0m"
    seen.unanswered("no agent answers at /s")
    banner, *old, verdict = styled(seen, 3.0)
    assert "last answer: 3 s ago" in banner
    assert len(old) == len(fresh) - 2
    assert {code for line in old for code in re.findall(r"\x1b\[[0-9;]*m", line)} == {
        "\x1b[2m",
        "\x1b[0m",
    }
    assert verdict == "\x1b[33mnot known: the agent does not answer\x1b[0m"


def test_what_is_left_of_an_old_picture_is_not_called_healthy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = client.NotRunning("no agent answers at /s")
    found = report(1, 5, jobs=report(1, 5)["jobs"] * 3)
    screen = drawn_while(lambda: pass_s(3), [found, gone], monkeypatch)
    left = unstyled(screen.getvalue().split("\x1b[?1049l")[1])
    assert "5 games held here" in left
    assert "healthy" not in left
    assert left.count("playing") == 27  # all of it, also where the window had no room
    assert left.rstrip().endswith("not known: the agent does not answer")
