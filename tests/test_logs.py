"""The log: lines that nothing logged can break, and that nobody has to wait for."""

import json
import os
import pty
import re
import subprocess
import sys
import threading

import pytest

from ringrift import logs

pytestmark = pytest.mark.usefixtures("root_logger", "unhurried_log")

hostile = "took it from \x1b[2Jme\nfake: line"


class Reader(threading.Thread):
    """Reads a descriptor to its end, beside whoever writes."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._text = b""
        self.start()

    def run(self) -> None:
        try:
            while chunk := os.read(self._descriptor, 65536):
                self._text += chunk
        except OSError:
            pass  # how a pseudo-terminal ends
        os.close(self._descriptor)

    def lines(self) -> list[str]:
        """Return all lines; the other end must be closed."""
        self.join()
        return self._text.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")


def test_on_a_terminal_a_message_stays_one_line_and_steers_nothing() -> None:
    reading, writing = pty.openpty()
    reader = Reader(reading)
    with logs.set_up(writing) as log:
        log.getChild("sync").info("%s", hostile)
        try:
            raise ValueError(hostile)
        except ValueError:
            log.exception("odd")
    os.close(writing)
    lines = reader.lines()
    assert re.fullmatch(r"..:..:.. sync: took it from \\x1b\[2Jme\\nfake: line", lines[0])
    assert lines[1].endswith("error: ringrift: odd")
    assert lines[2] == "Traceback (most recent call last):"
    assert r"ValueError: took it from \x1b[2Jme" in lines
    assert not any("\x1b" in line for line in lines)


def test_elsewhere_a_line_is_one_object() -> None:
    reading, writing = os.pipe()
    reader = Reader(reading)
    with logs.set_up(writing) as log:
        log.getChild("sync").warning("%s", hostile)
    os.close(writing)
    (line,) = reader.lines()
    told = json.loads(line)
    assert (told["level"], told["source"], told["message"]) == ("warning", "sync", hostile)


def test_what_finds_no_room_is_dropped_and_counted_once_there_is_room_again() -> None:
    reading, writing = os.pipe()
    filled_bytes = fill(writing)
    count = logs.lines_max + 50
    with logs.set_up(writing) as log:
        for number in range(count):
            log.info("line %d", number)
        reader = Reader(reading)
    os.close(writing)
    lines = reader.lines()
    lines[0] = lines[0][filled_bytes:]
    *written, last = [json.loads(line)["message"] for line in lines]
    assert len(written) < count
    assert last == f"dropped {count - len(written)} lines of the log: it was read too slowly"
    assert written == [f"line {number}" for number in range(len(written))]


def fill(descriptor: int) -> int:
    """Write into a pipe until it is full; return how much."""
    filled_bytes = 0
    os.set_blocking(descriptor, False)
    try:
        while True:
            filled_bytes += os.write(descriptor, b"x")
    except BlockingIOError:
        os.set_blocking(descriptor, True)
    return filled_bytes


def test_a_reader_that_has_left_does_not_end_the_log() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with logs.set_up(writing) as log:
        log.info("to nobody")
        log.info("to nobody")
    os.close(writing)


def test_a_log_that_nobody_reads_keeps_no_program_from_ending() -> None:
    program = (
        "from ringrift import logs\n"
        "with logs.set_up() as log:\n"
        "    for number in range(3 * logs.lines_max):\n"
        "        log.info('x' * 1000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) as process:
        try:
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            assert process.stderr is not None
            process.stderr.close()
