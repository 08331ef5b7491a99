"""Where an agent keeps what it has, and which places it refuses."""

import contextlib
import os
import stat
import types
from pathlib import Path

import pytest

from ringrift.home import AlreadyRunning, Home, HomeError, is_read_only


def test_the_socket_is_beside_the_records_whatever_session_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RINGRIFT_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "/d")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    from_cron = Home.find(None).socket
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    home = Home.find(None)
    assert home.socket == from_cron == home.data / "agent.sock"


def test_two_homes_have_two_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RINGRIFT_HOME", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    sockets = set()
    for folder in ("/one", "/two"):
        monkeypatch.setenv("XDG_DATA_HOME", folder)
        monkeypatch.setenv("HOME", folder)  # where the platform knows nothing of XDG
        sockets.add(Home.find(None).socket)
    assert len(sockets) == 2


def test_a_long_path_has_a_short_socket_that_no_session_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tmp_path / ("x" * 200))
    socket = Home.find(folder).socket
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert Home.find(folder).socket == socket
    assert len(str(socket)) <= 100
    assert socket != Home.find(str(tmp_path / ("y" * 200))).socket


def test_the_folder_of_a_short_socket_is_private(tmp_path: Path) -> None:
    home = Home.find(str(tmp_path / ("x" * 200)))
    home.prepare()
    assert stat.S_IMODE(home.socket.parent.stat().st_mode) == 0o700
    assert home.socket.parent.stat().st_uid == os.getuid()


def test_a_home_is_held_by_one(tmp_path: Path) -> None:
    home = Home.find(str(tmp_path))
    with contextlib.ExitStack() as held:
        held.enter_context(home.locked())
        with pytest.raises(AlreadyRunning, match="an agent already runs"):
            held.enter_context(home.locked())
    with home.locked():
        pass


def test_a_lock_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    home = Home.find(str(tmp_path))
    home.lock.mkdir()
    refused = pytest.raises(HomeError, match=r"cannot lock .*agent\.lock: Is a directory")
    with refused, home.locked():
        pass


def test_a_file_is_no_home(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(HomeError, match="is a file, not a folder; choose another --home"):
        Home.find(str(file)).prepare()
    with pytest.raises(HomeError, match=r"cannot use the folder .*: Not a directory"):
        Home.find(str(file / "home")).prepare()


def test_the_folder_of_a_user_who_does_not_exist_is_no_home() -> None:
    with pytest.raises(HomeError, match="no such user"):
        Home.find("~nobody-of-this-name/home")


@pytest.mark.parametrize(("flag", "read_only"), [(os.ST_RDONLY, True), (os.ST_NOSUID, False)])
def test_a_file_system_tells_whether_it_can_be_written(
    flag: int, read_only: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = types.SimpleNamespace(f_flag=flag)
    monkeypatch.setattr(os, "statvfs", lambda folder: told if folder == tmp_path else None)
    assert is_read_only(tmp_path) is read_only
