"""How a box comes into a mesh, and what becomes of the secret that lets it in."""

import datetime
import os
import subprocess
import sys
from pathlib import Path

import pytest

from p2p.identity.keyring import Keyring
from p2p.identity.tokens import grant_token
from ringrift.home import Home
from ringrift.joining import CannotJoin, enter, read_token, token_variable

now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def home(path: Path) -> Home:
    return Home.find(str(path))


def test_no_worker_inherits_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(token_variable, "secret")
    assert read_token(None, None) == "secret"
    assert token_variable not in os.environ
    program = f"import os; print(os.environ.get({token_variable!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "None\n"


def test_a_token_that_is_not_used_is_taken_out_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(token_variable, "secret")
    assert read_token("given", None) == "given"
    assert token_variable not in os.environ


def test_a_box_without_anything_founds_a_mesh_and_comes_back_to_it(tmp_path: Path) -> None:
    founded = enter(home(tmp_path / "a"), token=None, seeds=(), now=now)
    again = enter(home(tmp_path / "a"), token=None, seeds=(), now=now)
    assert (founded.founded, again.founded) == (True, False)
    assert again.credentials.node == founded.credentials.node


def test_a_token_lets_a_box_into_its_mesh_and_into_no_second_one(tmp_path: Path) -> None:
    tokens = []
    for name in ("a", "b"):
        made = enter(home(tmp_path / name), token=None, seeds=(), now=now)
        root = Keyring(tmp_path / name).load_root()
        assert root is not None
        tokens.append((made.credentials.mesh, grant_token(root, now)))
    (mesh, token), (_, other) = tokens
    joined = enter(home(tmp_path / "c"), token=token, seeds=["a seed"], now=now)
    assert joined.credentials.mesh == mesh
    assert not joined.founded
    with pytest.raises(CannotJoin, match="this home belongs to the mesh"):
        enter(home(tmp_path / "c"), token=other, seeds=["a seed"], now=now)
