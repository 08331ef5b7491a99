"""`games show` and `games export`: how a game is asked for, shown, stepped through and written."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from mixins.store_access import StoreAccess
from p2p.envelope import Record, make_record, record_id
from p2p.store import StoreFault
from ringrift import cli, client
from ringrift.api import LocalApi
from ringrift.commands import completion
from ringrift.commands.games_show import pressed
from ringrift.exits import Exit
from ringrift.game_view.keys import Keyboard
from ringrift.game_view.positions import positions
from ringrift.lookup import find, found_max
from ringrift.report import Reporter
from ringrift.rules import configs
from tests.game_view.games import damaged, producer, random_record
from tests.rig import epoch_ms, in_virtual_time, pass_s, rig
from transports.base import Incoming, Reply

nobody: Any = None


def asked_of_agent(folder: Path, id_: str, *stored: bytes) -> Reply:
    """Ask an agent whose store holds these records for one of them."""

    async def story() -> Reply:
        with rig(folder) as runtime:
            await runtime.store.ingest(stored, epoch_ms)
            api = LocalApi(runtime, nobody, nobody, nobody)
            query = {"id": id_}
            request = Incoming("/v1/games/record", None, nobody, method="GET", query=query)
            return await api.handle(request)

    return in_virtual_time(story)


def said(reply: Reply) -> tuple[int, str]:
    assert isinstance(reply.body, bytes)
    return reply.status, reply.body.decode().rstrip()


def records(kind: str, count: int) -> list[bytes]:
    """Return records of one kind, over many days and a few configs."""
    return [
        make_record(kind, 1, ("square8_2p", "hex8_3p")[n % 2], n * 40_000_000, producer, n)
        for n in range(count)
    ]


def beginning_alike(bodies: list[bytes], count: int) -> str:
    """Return the first digit of the ids of exactly so many."""
    ids = [record_id(body).hex() for body in bodies]
    return next(d for d in "0123456789abcdef" if sum(id_.startswith(d) for id_ in ids) == count)


games = records("game", 40)


def test_a_store_that_does_not_work_is_an_answer_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreFault("the file is damaged: move it away")

    monkeypatch.setattr(StoreAccess, "read", fail)
    assert said(asked_of_agent(tmp_path, "3f9a")) == (507, "the file is damaged: move it away")


@pytest.mark.parametrize("digits", [64, 63, 12, 11, 5])
def test_a_game_is_found_by_its_id_and_by_how_it_begins(digits: int, tmp_path: Path) -> None:
    for body in games[:2]:
        reply = asked_of_agent(tmp_path, record_id(body).hex()[:digits].upper(), *games)
        assert (reply.status, reply.body) == (200, body)


def test_an_id_that_several_begin_with_names_them(tmp_path: Path) -> None:
    digit = beginning_alike(games, 2)
    ids = sorted(id_ for body in games if (id_ := record_id(body).hex()).startswith(digit))
    assert said(asked_of_agent(tmp_path, digit, *games)) == (
        400, f"{digit} is how 2 ids begin: {ids[0][:12]}, {ids[1][:12]}; give more digits",
    )  # fmt: skip


def test_of_many_ids_that_begin_alike_a_few_are_named(tmp_path: Path) -> None:
    many = records("game", 300)
    status, text = said(asked_of_agent(tmp_path, "a", *many))
    assert status == 400
    assert text.startswith(f"a is how more than {found_max} ids begin: a")
    assert text.endswith(" and others; give more digits")
    assert len(re.findall(r"a[0-9a-f]{11}", text)) == found_max


def test_of_many_ids_that_begin_alike_no_kind_is_picked(tmp_path: Path) -> None:
    status, text = said(asked_of_agent(tmp_path, "a", *records("model", 300)))
    assert (status, text[:14]) == (400, "a is how more ")


def test_what_is_not_held_is_not_found(tmp_path: Path) -> None:
    absent = record_id(b"absent").hex()
    for id_ in (absent, absent[:30]):
        reply = said(asked_of_agent(tmp_path, id_, *games))
        assert reply == (404, f"no game held here has an id that begins with {id_}")


def test_a_refused_record_is_not_found(tmp_path: Path) -> None:
    bad = make_record("game", 1, "square8_2p", 0, producer, ["bad"])
    for id_ in (record_id(bad).hex(), record_id(bad).hex()[:20]):
        assert said(asked_of_agent(tmp_path, id_, *games, bad))[0] == 404


def test_a_record_of_another_kind_is_no_game(tmp_path: Path) -> None:
    (model,) = records("model", 1)
    id_ = record_id(model).hex()
    assert said(asked_of_agent(tmp_path, id_[:20], *games, model)) == (
        404, f"{id_} is no game but a record of the kind model",
    )  # fmt: skip


def test_a_game_is_found_among_other_kinds_that_begin_alike(tmp_path: Path) -> None:
    others = records("model", 40)
    alike = [
        (digit, body)
        for body in games
        if beginning_alike(games, 1) == (digit := record_id(body).hex()[0])
    ]
    (digit, body), *_ = alike
    beside = [other for other in others if record_id(other).hex().startswith(digit)]
    assert beside
    reply = asked_of_agent(tmp_path, digit, *games, *beside[: found_max - 1])
    assert (reply.status, reply.body) == (200, body)


@pytest.mark.parametrize("id_", ["", "xyz", "a" * 65, "a-b", "../a"])
def test_what_is_no_id_is_refused(id_: str, tmp_path: Path) -> None:
    status, text = said(asked_of_agent(tmp_path, id_))
    assert status == 400
    assert text.endswith("is not 1 to 64 digits of 0-9 and a-f")


def test_a_lookup_asks_no_more_than_it_tells(tmp_path: Path) -> None:
    async def story() -> None:
        with rig(tmp_path) as runtime:
            await runtime.store.ingest(records("game", 300), epoch_ms)
            found = await runtime.store.read(lambda store: find(store, "a"))
            assert (len(found.bodies), found.more) == (found_max, True)

    in_virtual_time(story)


def counted_by_agent(folder: Path, query: Mapping[str, str], *stored: bytes) -> list[Any]:
    async def story() -> Reply:
        with rig(folder) as runtime:
            await runtime.store.ingest(stored, epoch_ms)
            api = LocalApi(runtime, nobody, nobody, nobody)
            request = Incoming("/v1/games", None, nobody, method="GET", query=query)
            return await api.handle(request)

    status, text = said(in_virtual_time(story))
    assert status == 200
    return list(json.loads(text).items())


def test_games_are_counted_for_every_config_in_their_own_order(tmp_path: Path) -> None:
    counts = counted_by_agent(tmp_path, {}, *games[:7])
    assert [name for name, _ in counts] == [config.name for config in configs]
    assert {name: count for name, count in counts if count} == {"square8_2p": 4, "hex8_3p": 3}


def test_the_status_counts_those_that_are_held_in_the_same_order(tmp_path: Path) -> None:
    unknown = make_record("game", 1, "chess", epoch_ms, producer, 0)

    async def story() -> Any:
        with rig(tmp_path) as runtime:
            await runtime.store.ingest([*games[:7], unknown], epoch_ms)
            reporter = Reporter(
                runtime, (), mesh="", name="", listening=lambda: (), worries=lambda: ()
            )
            return await reporter.report()

    told = in_virtual_time(story)["records"]["games"]
    counts = [("square8_2p", 4), ("hex8_3p", 3), ("chess", 1)]
    assert (told["stored"], list(told["by_config"].items())) == (8, counts)


@pytest.mark.parametrize(("config", "count"), [("hex8_3p", 3), ("hex8_2p", 0)])
def test_games_of_one_config_are_counted(config: str, count: int, tmp_path: Path) -> None:
    assert counted_by_agent(tmp_path, {"config": config}, *games[:7]) == [(config, count)]


# The verbs


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Record:
    """A game that the agent hands out, whichever is asked for."""
    return hand_out(random_record("square8_2p"), monkeypatch)


def hand_out(record: Record, monkeypatch: pytest.MonkeyPatch) -> Record:
    def stream(_path: Path, method: str, target: str) -> Iterator[bytes]:
        assert (method, target) == ("GET", f"/v1/games/record?id={record.id.hex()[:9]}")
        yield from (record.data[:100], record.data[100:])

    monkeypatch.setattr(client, "stream", stream)
    return record


def run(record: Record, action: str, *more: str) -> int:
    return cli.main(["games", action, record.id.hex()[:9], *more])


def test_elsewhere_than_on_a_terminal_a_position_is_printed_without_any_escape(
    held: Record, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert run(held, "show") == Exit.HEALTHY
    last = capsys.readouterr().out
    number = len(positions(held).game.moves)
    assert run(held, "show", "--move", str(number)) == Exit.HEALTHY
    assert capsys.readouterr().out == last
    assert f"\nmove {number} of {number} " in last
    assert "●" in last
    assert all(line.isprintable() for line in last.splitlines())
    assert run(held, "show", "--move", "0") == Exit.HEALTHY
    assert f"the start, before {number} moves" in capsys.readouterr().out


def test_a_locale_without_unicode_gets_ascii(
    held: Record, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert run(held, "show") == Exit.HEALTHY
    assert capsys.readouterr().out.isascii()


def test_a_move_beyond_the_game_is_an_error_that_names_the_range(
    held: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    last = len(positions(held).game.moves)
    assert run(held, "show", "--move", str(last + 1)) == Exit.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"--move {last + 1}: expected 0 to {last}" in shown.err


@pytest.mark.parametrize("action", ["show", "export"])
def test_a_record_that_does_not_replay_is_shown_with_its_fault_and_status_1(
    action: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = hand_out(damaged("square8_2p", kept=30), monkeypatch)
    found = positions(record)
    assert run(record, action) == Exit.ERROR
    shown = capsys.readouterr()
    assert shown.err == f"ringrift-agent: this record does not replay: {found.fault}\n"
    assert f"move {found.last} of" in shown.out or f'"moveNumber": {found.last}' in shown.out
    if action == "show":
        assert run(record, "show", "--move", str(found.last + 1)) == Exit.USAGE


@pytest.mark.parametrize("action", ["show", "export"])
def test_what_an_agent_hands_out_and_is_no_game_is_refused(
    action: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "stream", lambda *_: iter([b"\xc1"]))
    with pytest.raises(SystemExit) as ended:
        cli.main(["games", action, "abc"])
    assert ended.value.code == Exit.ERROR
    assert capsys.readouterr().err.startswith("ringrift-agent: abc: ")


def test_an_export_goes_to_stdout_or_a_file(
    held: Record, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(held, "export") == Exit.HEALTHY
    written = capsys.readouterr().out
    assert json.loads(written)["id"] == held.id.hex()
    file = tmp_path / "game.json"
    assert run(held, "export", "--output", str(file)) == Exit.HEALTHY
    assert file.read_text(encoding="utf-8") == written
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["show"], "the following arguments are required: ID"),
        (["show", "xyz"], "'xyz' is not 1 to 64 digits of 0-9 and a-f"),
        (["export", "a" * 65], "is not 1 to 64 digits"),
        (["show", "a", "--move", "-1"], "--move: '-1'; expected a number from 0 to 99999"),
        (["show", "a", "--move", "x"], "--move: 'x'; expected a number from 0 to 99999"),
        (["export", "a", "--output", ""], "it is empty"),
        (["dance", "a"], "games: there is no action 'dance'; expected show or export\n"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse(["games", *arguments])
    assert ended.value.code == Exit.USAGE
    assert error in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--json"], ["--ids"], ["--config", "square8_2p"]])
def test_options_of_the_list_are_refused_for_one_game(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["games", *option, "show", "abc"]) == Exit.USAGE
    assert "are for the list of games, not for show" in capsys.readouterr().err


def test_a_home_may_stand_before_the_action_or_after_it() -> None:
    for words in (
        ["--home", "h", "games", "show", "a"],
        ["games", "--home", "h", "show", "a"],
        ["games", "show", "--home", "h", "a"],
        ["games", "show", "a", "--home=h"],
    ):
        assert cli.parse(words)[1].home == "h"
    assert cli.parse(["games", "show", "a"])[1].home is None
    assert cli.parse(["games"])[1].action is None


def offered(*words: str) -> dict[str, str]:
    return dict(completion.candidates(words))


def test_actions_and_their_options_are_completed() -> None:
    assert offered("games", "") == {
        "show": "Show a game on its board", "export": "Write a game as JSON",
    }  # fmt: skip
    assert set(offered("games", "show", "-")) == {"-h", "--help", "--home", "--move"}
    assert set(offered("games", "export", "-")) == {"-h", "--help", "--home", "--output"}
    assert list(offered("games", "export", "--output", "")) == [completion.files]
    assert offered("games", "show", "a", "") == {}


# A terminal


def test_esc_is_a_key_once_nothing_follows_and_no_other_key_waits() -> None:
    read, write = os.pipe()
    keyboard = Keyboard()
    keys: list[list[bytes] | None] = []

    async def follow() -> None:
        while keys[-1:] != [None]:
            keys.append(await pressed(read, keyboard))

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            for typed in (b"x\x1b", b"\x1b[", b"C"):
                await pass_s(10 if typed != b"C" else 0.01)
                os.write(write, typed)
            await pass_s(10)
            os.close(write)

    in_virtual_time(story)
    os.close(read)
    assert keys == [[b"x"], [b"\x1b"], [], [b"\x1b[C"], None]


program = """
import sys
from ringrift import cli, client
client.stream = lambda *_: iter([open(sys.argv[1], "rb").read()])
sys.exit(cli.main(sys.argv[2:]))
"""


class Terminal:
    """A program on a pseudo-terminal of 80 by 24."""

    def __init__(self, record: Record, folder: Path, *arguments: str) -> None:
        file = folder / "record"
        file.write_bytes(record.data)
        self.ours, self.its = pty.openpty()
        termios.tcsetwinsize(self.its, (24, 80))
        self.before = termios.tcgetattr(self.its)
        words = [sys.executable, "-c", program, os.fspath(file), "games", "show", "abc", *arguments]
        self.process = subprocess.Popen(
            words, stdin=self.its, stdout=self.its, stderr=self.its, start_new_session=True,
            env=os.environ | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        self.text = ""

    def until(self, words: str) -> str:
        """Read until these words have come, and return what came, up to them."""
        while words not in self.text:
            ready, _, _ = select.select([self.ours], [], [], 60)
            assert ready, f"{words!r} did not come, but {self.text!r}"
            self.text += os.read(self.ours, 65536).decode(errors="replace")
        shown, _, self.text = self.text.partition(words)
        return shown + words

    def type(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def ended(self) -> tuple[int, str]:
        """Return the exit status and the last words; the terminal must be as it was before."""
        status = self.process.wait(timeout=60)
        assert termios.tcgetattr(self.its) == self.before
        os.close(self.its)
        try:
            while chunk := os.read(self.ours, 65536):
                self.text += chunk.decode(errors="replace")
        except OSError:
            pass  # how a pseudo-terminal ends
        os.close(self.ours)
        return status, self.text


def test_on_a_terminal_keys_step_through_the_game(tmp_path: Path) -> None:
    record = random_record("square8_2p")
    last = len(positions(record).game.moves)
    terminal = Terminal(record, tmp_path)
    assert terminal.until(f"move {last} of {last}").startswith("\x1b[?1049h")
    terminal.type(b"\x1b[D")
    terminal.until(f"move {last - 1} of {last}")
    terminal.type(b"\x1b[H")
    terminal.until("the start, before")
    terminal.type(b"\x1b[C\x1b[C")
    terminal.until(f"move 2 of {last}")
    terminal.type(b"q")
    status, text = terminal.ended()
    assert status == Exit.HEALTHY
    assert "\x1b[?1049l" in text
    assert text.rindex("\x1b[?25h") > text.rfind("\x1b[?25l")  # the cursor is back


def test_on_a_terminal_a_key_tells_what_signs_and_keys_mean_and_the_next_leads_back(
    tmp_path: Path,
) -> None:
    terminal = Terminal(random_record("square8_2p"), tmp_path, "--move", "3")
    terminal.until("? help")
    terminal.type(b"?")
    terminal.until("the latest move left here")
    terminal.type(b"x")
    assert "move 3 of" in terminal.until("? help")
    terminal.type(b"?")
    terminal.until("the latest move left here")
    terminal.type(b"\x1b")
    assert "move 3 of" in terminal.until("? help")
    terminal.type(b"?")
    terminal.until("the latest move left here")
    terminal.type(b"q")
    assert terminal.ended()[0] == Exit.HEALTHY


def test_on_a_terminal_keys_push_a_large_board_aside_and_back_at_once(tmp_path: Path) -> None:
    row = "\x1b[2m{}\x1b[0m".format
    terminal = Terminal(random_record("square19_2p"), tmp_path)
    terminal.until("q quit")
    terminal.type(b"k" * 60)
    terminal.until(row(1))
    terminal.type(b"j")
    terminal.until(row(17))
    terminal.type(b"q")
    assert terminal.ended()[0] == Exit.HEALTHY


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_as_well_and_a_fault_is_told_after(
    ending: signal.Signals, tmp_path: Path
) -> None:
    record = damaged("square8_2p", kept=30)
    terminal = Terminal(record, tmp_path, "--move", "5")
    assert "This record does not replay" in terminal.until("q quit")
    terminal.process.send_signal(ending)
    status, text = terminal.ended()
    assert status == Exit.ERROR
    after = text.split("\x1b[?1049l")[1]
    assert "ringrift-agent: this record does not replay" in after
    assert "Traceback" not in after


def test_while_it_is_stopped_the_shell_has_its_terminal(tmp_path: Path) -> None:
    terminal = Terminal(random_record("square8_2p"), tmp_path, "--move", "3")
    terminal.until("q quit")
    terminal.process.send_signal(signal.SIGTSTP)
    _, status = os.waitpid(terminal.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert termios.tcgetattr(terminal.its) == terminal.before
    terminal.process.send_signal(signal.SIGCONT)
    terminal.until("\x1b[?1049l")
    terminal.until("\x1b[?1049h")
    terminal.until("q quit")
    terminal.type(b"\x1b[C")
    terminal.until("move 4 of")
    terminal.type(b"q")
    assert terminal.ended()[0] == Exit.HEALTHY
