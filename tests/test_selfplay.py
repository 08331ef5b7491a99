"""The worker that plays games: a process at the end of two pipes."""

import contextlib
import os
import pathlib
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

import pytest
import trio

from mixins.child import Child
from p2p.codec import record_bytes_max
from p2p.envelope import parse_record
from p2p.frames import Frames
from p2p.identity.ids import NodeId
from ringrift import selfplay
from ringrift.game_record import Game, decode_game, replay
from ringrift.rules import Config
from ringrift.selfplay import UsageError, parse_seed, play
from tests.rules.boards import square8_2p

root = pathlib.Path(__file__).resolve().parent.parent
deadline_s = 60.0

nobody = NodeId(bytes(16))
worker = [sys.executable, "-m", "ringrift.selfplay"]
game = ["--config", "square8_2p", "--players", "random,random"]


def games_in(stream: bytes) -> list[Game]:
    """Return the games in a worker's output, every one of which must replay."""
    frames = Frames(record_bytes_max)
    games = [decode_game(parse_record(data)) for data in frames.feed(stream)]
    frames.finish()
    for each in games:
        replay(each)
    return games


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run a worker to its end."""
    return subprocess.run(
        [*worker, *arguments],
        input=stdin.encode(),
        capture_output=True,
        timeout=deadline_s,
        cwd=root,
        check=False,
    )


@contextlib.contextmanager
def started(*arguments: str) -> Iterator["Conversation"]:
    """Start a worker, and see to it that it is gone in the end."""
    with subprocess.Popen(
        [*worker, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=root,
    ) as process:
        try:
            yield Conversation(process)
        finally:
            process.kill()


class Conversation:
    """What an agent says to a worker and hears from it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr

    def say(self, line: str) -> None:
        """Send a line."""
        self.stdin.write(f"{line}\n".encode())
        self.stdin.flush()

    def hear(self) -> Game:
        """Wait for one record and return its game."""
        header = self.stdout.read(4)
        (heard,) = games_in(header + self.stdout.read(int.from_bytes(header, "big")))
        return heard

    def status(self) -> int:
        """Wait for the end and return the exit status."""
        return self.process.wait(deadline_s)


# Seeds make games


def test_the_worker_plays_one_game_for_each_seed_in_their_order() -> None:
    done = run(*game, "--seeds", "1,ab,FFF", "--producer", "0f" * 16)
    games = games_in(done.stdout)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [each.seed for each in games] == [b"\1", b"\xab", b"\x0f\xff"]
    for each in games:
        assert each.config == square8_2p
        assert each.players == ("random", "random")
        assert each.producer == NodeId(b"\x0f" * 16)


def test_the_moves_depend_on_seed_players_and_config_alone() -> None:
    (first,) = games_in(run(*game, "--seeds", "c0ffee").stdout)
    again = play(square8_2p, ("random", "random"), parse_seed("c0ffee"), 5, nobody)
    assert (again.moves, again.outcome) == (first.moves, first.outcome)
    assert again.time_ms == 5
    others = [
        play(square8_2p, ("random", "random"), parse_seed("c0ffef"), 5, nobody),
        play(square8_2p, ("greedy", "random"), parse_seed("c0ffee"), 5, nobody),
        play(Config("hex8", 2), ("random", "random"), parse_seed("c0ffee"), 5, nobody),
    ]
    assert len({again.moves, *(other.moves for other in others)}) == 4


def test_a_game_of_three_is_played_too() -> None:
    arguments = ["--config", "hex8_3p", "--players", "random,greedy,random", "--seeds", "7"]
    (played,) = games_in(run(*arguments).stdout)
    assert len(played.outcome.ranking) == 3


def test_the_start_is_the_clock_plus_the_offset() -> None:
    before = time.time()
    (played,) = games_in(run(*game, "--seeds", "1", "--time-offset-ms", "86400000000").stdout)
    assert 0 <= played.time_ms / 1000 - 86_400_000 - before + 0.001 <= deadline_s


@pytest.mark.parametrize(
    ("text", "seed"),
    [("0", b"\0"), ("1", b"\1"), ("0001", b"\0\1"), ("aBc", b"\x0a\xbc"), ("f" * 64, b"\xff" * 32)],
)
def test_a_seed_is_hexadecimal(text: str, seed: bytes) -> None:
    assert parse_seed(text) == seed


@pytest.mark.parametrize("text", ["", "g", "0x1", "-1", "1 2", "f" * 65, "\u0661", "1\n"])
def test_what_is_no_seed_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no seed; expected 1 to 64 hexadecimal digits"):
        parse_seed(text)


# Stdin, with and without a leash


def test_seeds_are_read_from_stdin_as_they_come_until_it_ends() -> None:
    with started(*game, "--seeds", "-") as agent:
        for seed in ("1", "2"):
            agent.say(seed)
            assert agent.hear().seed == parse_seed(seed)
        agent.stdin.close()
        assert agent.status() == 0


def test_on_a_leash_the_seeds_asked_for_are_finished_before_the_end() -> None:
    done = run(*game, "--leashed", "--seeds", "1,2", stdin="3\n4\nend\n5\n")
    assert (done.returncode, done.stderr) == (0, b"")
    assert [each.seed for each in games_in(done.stdout)] == [b"\1", b"\2", b"\3", b"\4"]


def test_on_a_leash_seeds_are_played_as_they_come() -> None:
    with started(*game, "--leashed") as agent:
        agent.say("1")
        assert agent.hear().seed == b"\1"
        agent.say("2")
        assert agent.hear().seed == b"\2"
        agent.say("end")
        assert agent.status() == 0


def test_when_the_agent_is_gone_the_worker_ends_in_mid_game() -> None:
    large = ["--config", "hexagonal_2p", "--players", "random,random"]
    with started(*large, "--leashed") as agent:
        agent.say("0")
        agent.hear()
        for seed in range(100):
            agent.say(f"{seed:x}")
        agent.stdin.close()
        assert agent.status() == 1
        assert agent.stderr.read() == b""
        frames = Frames(record_bytes_max)
        assert len(frames.feed(agent.stdout.read())) < 100


# Endings


def test_a_listener_that_has_gone_ends_it_quietly() -> None:
    with started(*game, "--seeds", ",".join("1" * 500)) as agent:
        agent.hear()
        agent.stdout.close()
        assert agent.status() == 1
        assert agent.stderr.read() == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device here is always full")
def test_a_full_disk_is_named() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*worker, *game, "--seeds", "1"],
            stdout=full, stderr=subprocess.PIPE, timeout=deadline_s, cwd=root, check=False,
        )  # fmt: skip
    told = b"ringrift.selfplay: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device here is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_help_that_cannot_be_written_is_an_error(unbuffered: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*worker, "--help"], stdout=full, stderr=subprocess.PIPE,
            timeout=deadline_s, check=False, env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    told = b"ringrift.selfplay: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.parametrize(
    ("seeds", "closing", "told"),
    [("1", "1>&-", "stdout is closed"), ("-", "0<&-", "stdin is closed")],
)
def test_a_stream_that_it_was_started_without_is_named(seeds: str, closing: str, told: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closing}', "sh", *worker, *game, "--seeds", seeds],
        capture_output=True, text=True, timeout=deadline_s, cwd=root, check=False,
    )  # fmt: skip
    expected = f"ringrift.selfplay: {told}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_without_a_stderr_records_are_not_mixed_with_talk() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *worker, *game, "--seeds", "1,x"],
        capture_output=True, timeout=deadline_s, cwd=root, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


def test_an_interrupt_ends_it_quietly() -> None:
    with started(*game, "--leashed") as agent:
        agent.say("1")
        agent.hear()
        agent.process.send_signal(signal.SIGINT)
        assert agent.status() == -signal.SIGINT
        assert agent.stderr.read() == b""


def test_records_are_not_written_to_a_terminal() -> None:
    master, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [*worker, *game, "--seeds", "1"],
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.PIPE,
            timeout=deadline_s,
            cwd=root,
            check=False,
        )
    finally:
        os.close(terminal)
        os.close(master)
    assert done.returncode == 2
    assert b"records are binary; send stdout to a file or a pipe" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: --config, --players"),
        (["--config", "chess", *game[2:], "--seeds", "1"], "no config 'chess'; expected one of"),
        ([*game[:3], "random", "--seeds", "1"], "--players is 'random'; expected 2 names"),
        (
            [*game[:3], "random,me", "--seeds", "1"],
            "no player 'me'; expected one of greedy, random",
        ),
        ([*game, "--seeds", "1,x"], "'x' is no seed"),
        ([*game], "no seeds; expected --seeds or --leashed"),
        (
            [*game, "--seeds", "1", "--producer", "ff"],
            "--producer: 'ff' is no node id; expected 32",
        ),
        *(
            (
                [*game, "--seeds", "1", "--time-offset-ms", offset],
                f"--time-offset-ms: {offset!r}; expected a number from -253402300799999 to 2534023",
            )
            for offset in ("x", "1.5", "99999999999999999999", "-253402300800000")
        ),
        ([*game, "--seed", "1"], "unrecognized arguments: --seed 1"),
        ([*game, "--seeds", "1", "--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_bad_arguments_are_named_in_one_line(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert message in done.stderr.decode()


def test_a_bad_seed_on_stdin_is_named_after_the_games_before_it() -> None:
    done = run(*game, "--seeds", "-", stdin="1\nno\n2\n")
    assert done.returncode == 2
    assert [each.seed for each in games_in(done.stdout)] == [b"\1"]
    assert (
        done.stderr == b"ringrift.selfplay: 'no' is no seed; expected 1 to 64 hexadecimal digits\n"
    )


@pytest.mark.parametrize("offset", ["-9999999999999", "253402300799999"])
def test_a_start_that_no_record_can_hold_is_named_before_a_game_is_played(
    offset: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def played(*arguments: object) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr(selfplay, "play", played)
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert selfplay.main([*game, "--seeds", "1", f"--time-offset-ms={offset}"]) == 2
    expected = "expected a number from -1000000 to 253402299799999, by this box's clock"
    told = f"ringrift.selfplay: --time-offset-ms is {offset}; {expected}\n"
    assert capsys.readouterr() == ("", told)


def test_a_worker_that_may_not_be_made_nicer_plays_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*arguments: object) -> NoReturn:
        raise PermissionError

    async def heard() -> bytes:
        child = await Child.start([*worker, *game, "--seeds", "1"], {"PYTHONPATH": str(root)})
        try:
            return await child.receive()
        finally:
            await child.stop()

    monkeypatch.setattr(os, "setpriority", refused)
    assert trio.run(heard)
