"""The built-in replayer, `python -m ringrift.replaying`: says of game records whether they replay.

`docs/workers.md` tells what it and an agent say to each other; this module is one side of it.
"""

import io
import signal
import sys
from collections.abc import Iterator, Sequence

from p2p.codec import record_bytes_max
from p2p.envelope import RecordRefused, parse_record
from p2p.frames import FrameError, Frames
from ringrift.arguments import Parser
from ringrift.game_record import ReplayFailed, decode_game, format_version, replay
from ringrift.printable import printable
from ringrift.rules import engine_version
from ringrift.streams import give_up_stdout, need_stdout, open_stdin, speak_to_nobody

_record_s_max = 120
"""Longer than an agent waits: the process ends itself when nobody is left to end it."""

_chunk_bytes = 65536
_failed = 1


def verdict(data: bytes) -> str:
    """Replay a record, and return the line that says how that went.

    It begins with `replays`, `fails` or `unknown`; after the latter two comes the reason.
    """
    try:
        record = parse_record(data)
        if record.format > format_version:
            return f"unknown it has format {record.format}; this is {format_version}"
        game = decode_game(record)
        if game.engine != engine_version:
            return f"unknown it was played by engine {game.engine}; this is {engine_version}"
        replay(game)
    except (RecordRefused, ReplayFailed) as error:
        return f"fails {printable(str(error))}"
    return "replays"


def _records(stdin: io.FileIO) -> Iterator[bytes]:
    """Yield records as they come. Raises `FrameError`."""
    frames = Frames(record_bytes_max)
    while chunk := stdin.read(_chunk_bytes):
        yield from frames.feed(chunk)
    frames.finish()


def main(words: Sequence[str] | None = None) -> int:
    """Run the replayer and return its exit status."""
    speak_to_nobody()
    parser = Parser(
        prog="ringrift.replaying",
        description="Read game records from stdin, each after its length in 4 bytes, and write a "
        "line for each to stdout: whether it replays. Exit status: 0, or 1 if stdin or stdout "
        "fails.",
        epilog="Example: python -m ringrift.replaying < games.bin",
        allow_abbrev=False,
    )
    try:
        parser.parse_args(words)
        need_stdout()
        for data in _records(open_stdin()):
            signal.alarm(_record_s_max)
            line = verdict(data)
            signal.alarm(0)
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except OSError as error:
        give_up_stdout(error, "ringrift.replaying")
        return _failed
    except FrameError as error:
        print(f"ringrift.replaying: {error}", file=sys.stderr)
        return _failed
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback for what a person asked for
    sys.exit(main())
