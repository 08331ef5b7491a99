"""The built-in replayer, `python -m ringrift.replaying`: says of game records whether they replay.

`docs/workers.md` tells what it and an agent say to each other; this module is one side of it.
"""

import io
import signal
import sys
from collections.abc import Iterator

from p2p.codec import record_bytes_max
from p2p.envelope import RecordRefused, parse_record
from p2p.frames import FrameError, Frames
from ringrift.game_record import ReplayFailed, decode_game, format_version, replay
from ringrift.printable import printable
from ringrift.rules import engine_version
from ringrift.stdout import abandon_stdout

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


def main() -> int:
    """Run the replayer and return its exit status."""
    try:
        for data in _records(io.FileIO(0, closefd=False)):
            signal.alarm(_record_s_max)
            line = verdict(data)
            signal.alarm(0)
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever listened has gone, and nobody is left to say it to.
        abandon_stdout()
        return _failed
    except (FrameError, OSError) as error:
        print(f"ringrift.replaying: {error}", file=sys.stderr)
        return _failed
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback for what a person asked for
    sys.exit(main())
