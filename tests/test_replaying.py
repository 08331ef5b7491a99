"""What replays the games of others: its verdicts, and the process at the end of two pipes."""

import dataclasses
import os
import signal
import subprocess
import sys

import msgspec
import pytest

from managers.replay_checker import Judgement, Verdict
from managers.replay_checker.replayer import record_s_max
from p2p.codec import record_bytes_max
from p2p.envelope import Record, make_record, parse_record
from p2p.frames import frame
from p2p.identity.ids import NodeId
from ringrift import replaying
from ringrift.game_record import Game, encode_game
from ringrift.replaying import verdict
from ringrift.rules import Config, Outcome, configs
from ringrift.selfplay import play

nobody = NodeId(bytes(16))
deadline_s = 60.0


def a_game(config: str = "square8_2p") -> Game:
    """Play a game of random players."""
    made = Config.parse(config)
    return play(made, ("random",) * made.players, b"\1", 0, nobody)


def judged(data: bytes) -> Judgement:
    """Read the verdict on a record as an agent does."""
    return Judgement.parse(verdict(data).encode())


def altered(**changes: object) -> bytes:
    """Return a game whose body has been changed after the fact."""
    record: Record = parse_record(encode_game(a_game()))
    assert isinstance(record.body, dict)
    return make_record(
        record.kind, record.format, record.config, record.time_ms, nobody, record.body | changes
    )


@pytest.mark.parametrize("config", [each.name for each in configs])
def test_a_game_of_every_config_replays(config: str) -> None:
    assert judged(encode_game(a_game(config))) == Judgement(Verdict.GOOD)


def test_the_first_wrong_move_is_named() -> None:
    game = a_game()
    data = encode_game(dataclasses.replace(game, moves=game.moves[:5] + game.moves[6:]))
    found = judged(data)
    assert found.verdict is Verdict.BAD
    assert found.reason.startswith("move 6: ")


def test_a_result_that_the_moves_do_not_lead_to_is_named() -> None:
    game = a_game()
    loser = 3 - game.outcome.winner
    ranking = tuple(reversed(game.outcome.ranking))
    data = encode_game(
        dataclasses.replace(game, outcome=Outcome(loser, game.outcome.reason, ranking))
    )
    found = judged(data)
    assert found.verdict is Verdict.BAD
    assert "the record says" in found.reason


def test_a_game_that_was_cut_short_does_not_replay() -> None:
    game = a_game()
    data = encode_game(dataclasses.replace(game, moves=game.moves[:-1]))
    assert judged(data).verdict is Verdict.BAD


def test_a_game_of_another_engine_cannot_be_judged() -> None:
    found = judged(altered(engine=7))
    assert found.verdict is Verdict.UNKNOWN
    assert "engine 7" in found.reason


def test_a_newer_format_cannot_be_judged() -> None:
    data = make_record("game", 2, "square8_2p", 0, nobody, {"moves": "in verse"})
    found = judged(data)
    assert found.verdict is Verdict.UNKNOWN
    assert "format 2" in found.reason


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\0" * 50,
        msgspec.msgpack.encode([1, 2]),
        make_record("game", 1, "square8_2p", 0, nobody, {}),
        make_record("game", 1, "square9_2p", 0, nobody, {}),
        make_record("game", 1, "square8_2p", 0, nobody, {"a\x1b]0;b\n": 1}),
    ],
)
def test_what_is_no_game_fails_in_one_printable_line(data: bytes) -> None:
    line = verdict(data)
    assert line.startswith("fails ")
    assert line.isprintable()


def test_the_longest_game_that_a_record_holds_does_not_keep_it_long() -> None:
    moves = a_game().moves
    long = tuple(moves[number % len(moves)] for number in range(65_536))
    found = judged(encode_game(dataclasses.replace(a_game(), moves=long)))
    assert found.verdict is Verdict.BAD  # the game is over before its second round of moves


def run(stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run the process to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ringrift.replaying"],
        input=stdin,
        capture_output=True,
        timeout=deadline_s,
        check=False,
    )


def test_the_process_answers_each_record_in_turn_and_ends_with_its_input() -> None:
    records = [encode_game(a_game()), altered(engine=7), b"what is this?"]
    done = run(b"".join(map(frame, records)))
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["replays", "unknown", "fails"]


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (frame(b"x")[:-1], b"the stream ended"),
        ((record_bytes_max + 1).to_bytes(4, "big"), b"exceeds"),
    ],
)
def test_what_is_no_frame_ends_the_process_with_a_reason(stdin: bytes, message: bytes) -> None:
    done = run(stdin)
    assert done.returncode == 1
    assert message in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_listener_that_has_gone_ends_it_quietly() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ringrift.replaying"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(frame(b"what is this?"))
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(deadline_s) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device here is always full")
def test_a_full_disk_is_named() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ringrift.replaying"],
            input=frame(b""), stdout=full, stderr=subprocess.PIPE, timeout=deadline_s, check=False,
        )  # fmt: skip
    told = b"ringrift.replaying: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device here is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_help_that_cannot_be_written_is_an_error(unbuffered: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ringrift.replaying", "--help"],
            stdout=full, stderr=subprocess.PIPE, timeout=deadline_s, check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    told = b"ringrift.replaying: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.parametrize(
    ("closing", "told"), [("1>&-", "stdout is closed"), ("0<&-", "stdin is closed")]
)
def test_a_stream_that_it_was_started_without_is_named(closing: str, told: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closing}', "sh", sys.executable, "-m", "ringrift.replaying"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=deadline_s, check=False,
    )  # fmt: skip
    expected = f"ringrift.replaying: {told}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


@pytest.mark.parametrize(
    ("word", "status", "told"),
    [("--help", 0, "Read game records from stdin"), ("games.bin", 2, "unrecognized arguments")],
)
def test_it_takes_no_arguments_and_says_so(
    word: str, status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        replaying.main([word])
    assert ended.value.code == status
    out, err = capsys.readouterr()
    assert told in out + err


def test_a_record_that_takes_too_long_ends_the_process() -> None:
    program = (
        "from ringrift import replaying; replaying._record_s_max = 1; "
        "replaying.verdict = lambda data: [0 for _ in iter(int, 1)]; replaying.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=frame(b"x"),
        capture_output=True,
        timeout=deadline_s,
        check=False,
    )
    assert done.returncode == -signal.SIGALRM
    assert replaying._record_s_max > record_s_max  # so an agent that waits is the first to act
