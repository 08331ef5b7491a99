"""`games export --output`: what becomes of the file that it names."""

import contextlib
import errno
import json
import os
import resource
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2p.envelope import Record
from ringrift import cli, client
from ringrift.exits import Exit
from tests.game_view.games import random_record


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Record:
    """A game that the agent hands out."""
    record = random_record("square8_2p")
    monkeypatch.setattr(client, "stream", lambda *_: iter([record.data]))
    return record


def export(output: str) -> int:
    return cli.main(["games", "export", "abc", "--output", output])


@pytest.mark.parametrize("name", ["game.json", "no-such-folder/game.json", ".", "x" * 300, "full"])
def test_an_export_that_cannot_be_written_names_the_file_and_leaves_the_old_one(
    name: str, held: Record, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "game.json").write_text("an older one")
    (tmp_path / "full").symlink_to("/dev/full")
    path = f"{tmp_path}/{name}"
    with files_of_at_most(1000):
        assert export(path) == Exit.ERROR
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"ringrift-agent: cannot write {path}: ")
    assert len(shown.err.splitlines()) == 1
    assert (tmp_path / "game.json").read_text() == "an older one"
    assert sorted(os.listdir(tmp_path)) == ["full", "game.json"]


@contextlib.contextmanager
def files_of_at_most(count_bytes: int) -> Iterator[None]:
    """Have the system refuse what is written beyond that, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_an_export_is_on_the_disk_before_it_takes_the_older_ones_place(
    held: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "game.json"
    file.write_text("an older one")

    def failing(descriptor: int) -> None:
        assert os.fstat(descriptor).st_size > 1000
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", failing)
    assert export(str(file)) == Exit.ERROR
    assert file.read_text() == "an older one"
    assert os.listdir(tmp_path) == ["game.json"]


def test_an_export_keeps_the_mode_of_a_file_and_what_points_to_it(
    held: Record, tmp_path: Path
) -> None:
    file, link, fresh = (tmp_path / name for name in ("game.json", "link.json", "fresh.json"))
    file.touch(mode=0o640)
    file.chmod(0o646)
    link.symlink_to("game.json")
    for path in (link, fresh):
        assert export(str(path)) == Exit.HEALTHY
    assert link.is_symlink()
    assert file.read_text() == fresh.read_text() == link.read_text() != ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o646
    (tmp_path / "plain").touch()
    assert fresh.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_export_to_a_pipe_is_written_into_it(held: Record, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    copy = tmp_path / "copy"
    with copy.open("wb") as file, subprocess.Popen(["cat", pipe], stdout=file) as reader:
        assert export(str(pipe)) == Exit.HEALTHY
        assert reader.wait(timeout=60) == 0
    assert json.loads(copy.read_text())["id"] == held.id.hex()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("mode", ["ab", "wb"])
@pytest.mark.parametrize("descriptor", [1, 2])
def test_an_export_to_where_output_goes_stands_between_what_comes_before_and_after(
    descriptor: int, mode: str, held: Record, tmp_path: Path
) -> None:
    file = tmp_path / "out"
    before = os.dup(descriptor)
    with open(file, mode) as ours:
        os.dup2(ours.fileno(), descriptor)
        try:
            os.write(descriptor, b"before\n")
            assert export(f"/dev/fd/{descriptor}") == Exit.HEALTHY
            os.write(descriptor, b"after\n")
        finally:
            os.dup2(before, descriptor)
            os.close(before)
        assert os.path.samestat(os.fstat(ours.fileno()), file.stat())
    first, *between, last = file.read_text().splitlines()
    assert (first, last) == ("before", "after")
    assert json.loads("\n".join(between))["id"] == held.id.hex()


def refuse(refused: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the system refuse to write files, or to make them, as to who may not: root always may.

    `refused` is O_WRONLY or O_CREAT.
    """
    allowed = os.open

    def opened(path: Path, flags: int, *more: int) -> int:
        if flags & (os.O_WRONLY | os.O_CREAT) in (refused, refused | os.O_WRONLY):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return allowed(path, flags, *more)

    monkeypatch.setattr(os, "open", opened)


def test_a_file_that_may_not_be_written_is_not_replaced(
    held: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "game.json"
    file.write_text("an older one")
    refuse(os.O_WRONLY, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: pytest.fail("it was replaced"))
        assert export(str(file)) == Exit.ERROR
    assert file.read_text() == "an older one"


def test_a_file_in_a_folder_that_takes_no_new_one_is_written_in_place(
    held: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "game.json"
    file.write_text("x" * 100_000)
    before = file.stat().st_ino
    refuse(os.O_CREAT, monkeypatch)
    assert export(str(file)) == Exit.HEALTHY
    assert json.loads(file.read_text())["id"] == held.id.hex()
    assert file.stat().st_ino == before
    assert export(str(tmp_path / "fresh.json")) == Exit.ERROR


def test_what_is_named_as_a_folder_does_not_become_a_file(
    held: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(f"{tmp_path}/fresh/") == Exit.ERROR
    assert capsys.readouterr().err.endswith("fresh/: Is a directory\n")
    assert os.listdir(tmp_path) == []
