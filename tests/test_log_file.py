"""The log file: bounded, private, followed where it is moved to, and never in the agent's way."""

import errno
import json
import os
import re
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringrift import log_file, logs
from ringrift.exits import Exit
from ringrift.log_file import CannotOpenLog, LogFile

pytestmark = pytest.mark.usefixtures("root_logger", "unhurried_log")


@pytest.fixture
def devnull() -> Iterator[int]:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "file_bytes_max", 20)
    monkeypatch.setattr(log_file, "kept_max", 2)


def messages(path: Path) -> list[str]:
    return [json.loads(line)["message"] for line in path.read_text().splitlines()]


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_stderr_and_the_file_get_the_same_lines(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    file = LogFile(tmp_path / "log")
    with logs.set_up(writing, file) as log:
        log.info("one")
        log.getChild("sync").warning("two\nlines")
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == (tmp_path / "log").read_text()
    assert messages(tmp_path / "log") == ["one", "two\nlines"]


def test_the_file_is_private_and_keeps_the_mode_that_its_owner_gave_it(tmp_path: Path) -> None:
    LogFile(tmp_path / "new")
    (tmp_path / "old").touch(mode=0o640)
    LogFile(tmp_path / "old")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "old")]
    assert modes == [0o600, 0o640]


@pytest.mark.usefixtures("small")
def test_a_full_file_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = LogFile(path)
    for number in range(7):
        file.write(f"{number} 345678\n".encode())
    assert names(tmp_path) == ["log", "log.1", "log.2"]
    assert path.read_text() == "6 345678\n"
    assert (tmp_path / "log.1").read_text() == "4 345678\n5 345678\n"
    assert (tmp_path / "log.2").read_text() == "2 345678\n3 345678\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.usefixtures("small")
def test_a_line_may_fill_a_file_to_its_last_byte(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "log")
    file.write(b"123456789\n")
    file.write(b"123456789\n")
    assert names(tmp_path) == ["log"]
    file.write(b"\n")
    assert names(tmp_path) == ["log", "log.1"]


@pytest.mark.usefixtures("small")
def test_a_line_larger_than_a_file_is_written_alone(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "log")
    file.write(b"x" * 30 + b"\n")
    file.write(b"y\n")
    assert names(tmp_path) == ["log", "log.1"]


@pytest.mark.usefixtures("small")
def test_only_the_files_before_a_gap_move_up(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x" * 19 + "\n")
    (tmp_path / "log.2").write_text("stays")
    file = LogFile(tmp_path / "log")
    file.write(b"y\n")
    assert (tmp_path / "log.1").read_text() == "x" * 19 + "\n"
    assert (tmp_path / "log.2").read_text() == "stays"


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = LogFile(path)
    file.write(b"1\n")
    path.rename(tmp_path / "aside")
    file.write(b"2\n")
    path.rename(tmp_path / "further")
    path.touch(mode=0o640)
    file.write(b"3\n")
    assert (tmp_path / "aside").read_text() == "1\n"
    assert (tmp_path / "further").read_text() == "2\n"
    assert path.read_text() == "3\n"


def test_a_file_that_was_cut_is_written_from_its_new_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = LogFile(path)
    file.write(b"1\n")
    os.truncate(path, 0)
    file.write(b"2\n")
    assert path.read_bytes() == b"2\n"


def test_a_line_that_broke_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('{"half')
    file = LogFile(path)
    file.write(b"1\n")
    file.write(b"2\n")
    assert path.read_text() == '{"half\n1\n2\n'


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, why in (
        (tmp_path, "Is a directory"),
        (tmp_path / "none" / "log", "No such file"),
        (Path("/dev/null"), "no ordinary file"),
        (tmp_path / "pipe", "no ordinary file"),
    ):
        with pytest.raises(CannotOpenLog, match=why):
            LogFile(path)


def test_a_folder_in_which_no_file_can_be_put_aside_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK))
    with pytest.raises(CannotOpenLog, match="closed to this user"):
        LogFile(tmp_path / "log")


def limit_file_size(size_bytes: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))


def test_a_disk_without_room_is_told_and_what_was_lost_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    reading, writing = os.pipe()
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    file = LogFile(path)
    with logs.set_up(writing, file) as log, os.fdopen(reading) as pipe:
        log.info("first")
        pipe.readline()
        try:
            limit_file_size(500)
            log.info("x" * 1000)
            log.info("y" * 1000)
            told = [json.loads(pipe.readline())["message"] for _ in range(3)]
            told = [each for each in told if each[0] not in "xy"]
        finally:
            limit_file_size(unlimited)
        log.info("last")
        assert json.loads(pipe.readline())["message"] == "last"
    os.close(writing)
    assert told == [f"cannot write to {path}: File too large"]
    first, broken, notice, *rest = path.read_text().splitlines()
    assert json.loads(first)["message"] == "first"
    assert broken.endswith("xxx")
    text = json.loads(notice)["message"]
    said = re.fullmatch(r"could not write (\d+) lines? of the log here", text)
    assert said is not None
    logged = 5  # first, x, y, last, and that it cannot be written
    assert int(said[1]) + len([first, *rest]) == logged
    assert json.loads(rest[-1])["message"] == "last"


def test_of_a_place_that_fails_is_told_once_until_it_takes_lines_again() -> None:
    written: list[bytes] = []
    told: list[OSError] = []
    full = OSError(errno.ENOSPC, "No space left on device")
    ends = iter([full, full, None, None, None, full])

    def write(line: bytes) -> None:
        if error := next(ends):
            raise error
        written.append(line)

    writing = logs._Writing(logs._Json(), write, told.append)
    for _ in range(5):
        writing._write("line")
    assert told == [full, full]
    assert b"could not write 2 lines of the log here" in written[0]
    assert written[1:] == [b"line\n", b"line\n"]


def test_stderr_is_told_of_a_file_that_fails_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = threading.Event()
    stop = logs._Writing.stop

    def fail(_: bytes) -> None:
        ending.wait()
        raise OSError(errno.ENOSPC, "No space left on device")

    def note(writing: logs._Writing) -> None:
        ending.set()
        stop(writing)

    monkeypatch.setattr(logs._Writing, "stop", note)
    reading, writing = os.pipe()
    file = LogFile(tmp_path / "log")
    monkeypatch.setattr(file, "write", fail)
    with logs.set_up(writing, file) as log:
        log.info("last")
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = [json.loads(line)["message"] for line in pipe]
    assert told == ["last", f"cannot write to {tmp_path}/log: No space left on device"]


def test_a_disk_that_is_stuck_holds_up_neither_stderr_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    reading, writing = os.pipe()
    file = LogFile(tmp_path / "log")
    with os.fdopen(reading) as pipe:
        monkeypatch.setattr(file, "write", lambda _: released.wait())
        monkeypatch.setattr(logs, "_flush_s_max", 0.1)
        with logs.set_up(writing, file) as log:
            for number in range(logs.lines_max + 50):
                log.info("line %d", number)
                assert json.loads(pipe.readline())["message"] == f"line {number}"
        released.set()
    os.close(writing)


def test_a_stuck_terminal_does_not_hold_up_the_file(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, threading\n"
        "from ringrift import logs\n"
        "from ringrift.log_file import LogFile\n"
        "file = LogFile(pathlib.Path(sys.argv[1]))\n"
        "write, written = file.write, threading.Semaphore(0)\n"
        "file.write = lambda line: (write(line), written.release())\n"
        "with logs.set_up(file=file) as log:\n"
        "    for number in range(500):\n"
        "        log.info('%d %s', number, 'x' * 1000)\n"
        "    for number in range(500):\n"
        "        written.acquire()\n"
    )
    path = tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, "-c", program, os.fspath(path)], stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            assert process.stderr is not None
            process.stderr.close()
    assert [int(each.split()[0]) for each in messages(path)] == list(range(500))


def command(home: Path, path: Path) -> list[str]:
    arguments = ["--home", os.fspath(home), "--listen", "127.0.0.1:0", "--workers", "0"]
    return [sys.executable, "-m", "ringrift", *arguments, "--log-file", os.fspath(path)]


def test_an_agent_that_cannot_have_its_log_file_does_not_start(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path / "home", tmp_path / "none" / "log"),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == Exit.USAGE
    assert done.stderr == (
        f"ringrift-agent: cannot write the log to {tmp_path}/none/log: No such file or directory\n"
    )
    assert not (tmp_path / "home" / "mesh.pem").exists()


def test_an_agent_logs_to_its_file(tmp_path: Path) -> None:
    with subprocess.Popen(
        command(tmp_path / "home", tmp_path / "log"), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.terminate()
        logged = first + process.stderr.read()
        assert process.wait(timeout=60) == Exit.HEALTHY
    assert (tmp_path / "log").read_text() == logged
