"""The built-in worker, `python -m ringrift.selfplay`: plays one game for every seed it is given.

Finished records go to stdout. `docs/workers.md` tells what an agent and its workers say to each
other; this module is one side of it.
"""

import argparse
import io
import os
import queue
import re
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NoReturn

from p2p.envelope import RecordRefused, time_ms_max
from p2p.frames import frame
from p2p.identity.ids import NodeId, node_id_bytes
from ringrift.arguments import Parser, integer
from ringrift.game_record import Game, encode_game, seed_bytes_max
from ringrift.players import UnknownPlayer, make_player, match
from ringrift.printable import quoted
from ringrift.rules import Config
from ringrift.streams import give_up_stdout, need_stdout, open_stdin, speak_to_nobody

_line_bytes_max = 256
_failed, _misused = 1, 2


class UsageError(ValueError):
    """An argument, or a line on stdin, that makes no sense; the message names it."""


def play(
    config: Config, players: Sequence[str], seed: bytes, time_ms: int, producer: NodeId
) -> Game:
    """Play a game from its first move to its last, as `ringrift.players.match` does.

    The moves are a function of config, players, seed and engine version. Raises
    `ringrift.players.UnknownPlayer`.
    """
    moves, result = match.play(config, players, seed)
    return Game(config, tuple(players), seed, moves, result, time_ms, producer)


def parse_seed(text: str) -> bytes:
    """Read a seed: 1 to 64 hexadecimal digits, an odd number being filled up with a leading 0."""
    if not re.fullmatch(f"[0-9a-fA-F]{{1,{2 * seed_bytes_max}}}", text):
        expected = f"1 to {2 * seed_bytes_max} hexadecimal digits"
        raise UsageError(f"{quoted(text)} is no seed; expected {expected}")
    return bytes.fromhex(text.zfill(len(text) + len(text) % 2))


class _Parser(Parser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line; the caller prints it."""
        raise UsageError(message)


def _config(text: str) -> Config:
    try:
        return Config.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _producer(text: str) -> NodeId:
    if not re.fullmatch(f"[0-9a-f]{{{2 * node_id_bytes}}}", text):
        expected = f"{2 * node_id_bytes} hexadecimal digits"
        raise argparse.ArgumentTypeError(f"{quoted(text)} is no node id; expected {expected}")
    return NodeId(bytes.fromhex(text))


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog="ringrift.selfplay",
        description="Play one game for every seed, and write the records to stdout, each after "
        "its length in 4 bytes.",
        epilog="Example: python -m ringrift.selfplay --config square8_2p --players random,greedy "
        "--seeds 1,2,3 > games.bin",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--config", required=True, type=_config, metavar="NAME", help="such as square8_2p")
    add(
        "--players",
        required=True,
        metavar="A,B",
        help="one for each seat: random, greedy, uct or uct_N, which visits N nodes",
    )
    add("--seeds", metavar="HEX,HEX", help="or -, to read one a line from stdin")
    add("--producer", type=_producer, default="0" * 32, metavar="HEX", help="who plays: a node id")
    add(
        "--time-offset-ms",
        type=integer(-time_ms_max, time_ms_max),
        default=0,
        metavar="N",
        help="added to this box's clock",
    )
    add("--leashed", action="store_true", help="take seeds from an agent, and end when it does")
    return parser.parse_args(words)


def _lines(stdin: io.FileIO) -> Iterator[bytes]:
    return iter(lambda: stdin.readline(_line_bytes_max), b"")


def _leashed_lines(stdin: io.FileIO) -> Iterator[bytes]:
    """Yield lines up to `end`. If stdin ends before, so does the process, whatever it is doing."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def hold() -> None:
        for line in _lines(stdin):
            lines.put(line)
            if line.strip() == b"end":
                return
        os._exit(_failed)

    threading.Thread(target=hold, daemon=True).start()
    return iter(lambda: lines.get().strip(), b"end")


def _seeds(arguments: argparse.Namespace) -> Iterator[bytes]:
    """Yield the seeds given on the command line, then those on stdin as they come."""
    if arguments.seeds not in (None, "-"):
        yield from [parse_seed(text) for text in arguments.seeds.split(",")]
        if not arguments.leashed:
            return
    elif arguments.seeds is None and not arguments.leashed:
        raise UsageError("no seeds; expected --seeds or --leashed")
    stdin = open_stdin()
    lines = _leashed_lines(stdin) if arguments.leashed else _lines(stdin)
    for line in lines:
        yield parse_seed(line.strip().decode("ascii", "replace"))


def _start_ms(offset_ms: int) -> int:
    """Return the time by this box's clock and the offset. Raises `UsageError`."""
    now_ms = round(time.time() * 1000)
    if not 0 <= now_ms + offset_ms <= time_ms_max:
        expected = f"a number from {-now_ms} to {time_ms_max - now_ms}, by this box's clock"
        raise UsageError(f"--time-offset-ms is {offset_ms}; expected {expected}")
    return now_ms + offset_ms


def _play_all(arguments: argparse.Namespace, seeds: Iterable[bytes], stdout: BinaryIO) -> None:
    players = arguments.players.split(",")
    if len(players) != arguments.config.players:
        name, count = arguments.config.name, arguments.config.players
        expected = f"{count} names, one for each seat of {name}"
        raise UsageError(f"--players is {quoted(arguments.players)}; expected {expected}")
    for name in players:
        make_player(name)
    for seed in seeds:
        time_ms = _start_ms(arguments.time_offset_ms)
        record = encode_game(play(arguments.config, players, seed, time_ms, arguments.producer))
        stdout.write(frame(record))
        stdout.flush()


def main(words: Sequence[str] | None = None) -> int:
    """Run the worker and return its exit status."""
    speak_to_nobody()
    try:
        arguments = _arguments(words)
        need_stdout()
        if sys.stdout.isatty():
            raise UsageError("records are binary; send stdout to a file or a pipe")
        _play_all(arguments, _seeds(arguments), sys.stdout.buffer)
    except OSError as error:
        give_up_stdout(error, "ringrift.selfplay")
        return _failed
    except (RecordRefused, UsageError, UnknownPlayer) as error:
        print(f"ringrift.selfplay: {error}", file=sys.stderr)
        return _misused if isinstance(error, UsageError | UnknownPlayer) else _failed
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback for what a person asked for
    sys.exit(main())
