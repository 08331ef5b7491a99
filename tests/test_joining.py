"""How a box comes into a mesh, and what becomes of the secret that lets it in."""

import datetime
import os
import subprocess
import sys
from pathlib import Path

import pytest

from p2p.identity.keyring import Keyring, KeyringError
from p2p.identity.tokens import grant_token
from ringrift.home import Home
from ringrift.joining import CannotJoin, Joined, enter, leave, read_token, token_variable

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
    with pytest.raises(CannotJoin, match=r"this home belongs to the mesh .*moving \S*/mesh.pem"):
        enter(home(tmp_path / "c"), token=other, seeds=["a seed"], now=now)
    with pytest.raises(CannotJoin, match=r"/root\.pem, \S*/mesh\.pem and \S*/node\.pem elsewhere"):
        enter(home(tmp_path / "a"), token=other, seeds=["a seed"], now=now)


def test_where_the_root_is_kept_it_comes_with_what_was_joined(tmp_path: Path) -> None:
    founded = enter(home(tmp_path / "a"), token=None, seeds=(), now=now)
    again = enter(home(tmp_path / "a"), token=None, seeds=(), now=now)
    for each in (founded, again):
        assert each.root is not None
        assert each.root.mesh == founded.credentials.mesh
    joined, _ = joined_box(tmp_path / "others")
    assert joined.root is None


def test_a_damaged_root_key_stops_a_start_that_could_do_without(tmp_path: Path) -> None:
    _, token = joined_box(tmp_path)
    keyring = Keyring(tmp_path / "b")
    keyring.root_key_path.write_text("rubbish")
    keyring.root_key_path.chmod(0o600)
    before = keyring.node_path.read_bytes()
    for given in (None, token):
        with pytest.raises(KeyringError, match=r"root\.pem is damaged"):
            enter(home(tmp_path / "b"), token=given, seeds=["a seed"], now=now)
    assert keyring.node_path.read_bytes() == before


def joined_box(folder: Path) -> tuple[Joined, str]:
    """Let the box `b` join the mesh of the box `a`; return how, and a token for others."""
    enter(home(folder / "a"), token=None, seeds=(), now=now)
    root = Keyring(folder / "a").load_root()
    assert root is not None
    token = grant_token(root, now)
    return enter(home(folder / "b"), token=token, seeds=["a seed"], now=now), token


def test_without_its_key_a_box_makes_no_other_mesh(tmp_path: Path) -> None:
    joined_box(tmp_path)
    keyring = Keyring(tmp_path / "b")
    keyring.node_path.unlink()
    mesh = keyring.mesh_path.read_bytes()
    with pytest.raises(KeyringError, match=r"node\.pem is missing.*join again, as a new node"):
        enter(home(tmp_path / "b"), token=None, seeds=(), now=now)
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["mesh.pem"]
    assert keyring.mesh_path.read_bytes() == mesh


def test_without_the_meshs_certificate_a_box_makes_no_other_mesh(tmp_path: Path) -> None:
    joined_box(tmp_path)
    Keyring(tmp_path / "b").mesh_path.unlink()
    with pytest.raises(KeyringError, match=r"mesh\.pem is missing; restore it"):
        enter(home(tmp_path / "b"), token=None, seeds=(), now=now)
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["node.pem"]


def test_a_box_that_lost_its_key_comes_back_as_a_new_node(tmp_path: Path) -> None:
    before, token = joined_box(tmp_path)
    assert not before.renewed
    Keyring(tmp_path / "b").node_path.unlink()
    after = enter(home(tmp_path / "b"), token=token, seeds=["a seed"], now=now)
    assert after.credentials.mesh == before.credentials.mesh
    assert after.credentials.node != before.credentials.node
    assert (after.founded, after.fresh, after.renewed) == (False, True, True)
    leave(home(tmp_path / "b"), after)
    with pytest.raises(KeyringError, match="is missing"):
        enter(home(tmp_path / "b"), token=None, seeds=(), now=now)


def test_who_was_never_admitted_is_free_to_make_a_mesh(tmp_path: Path) -> None:
    joined, _ = joined_box(tmp_path)
    leave(home(tmp_path / "b"), joined)
    assert enter(home(tmp_path / "b"), token=None, seeds=(), now=now).founded


def test_with_the_root_key_a_lost_key_makes_a_new_node_of_the_same_mesh(tmp_path: Path) -> None:
    box = home(tmp_path / "a")
    before = enter(box, token=None, seeds=(), now=now)
    box.store.touch()
    Keyring(tmp_path / "a").node_path.unlink()
    after = enter(box, token=None, seeds=(), now=now)
    assert after.credentials.mesh == before.credentials.mesh
    assert after.credentials.node != before.credentials.node
    assert (after.founded, after.renewed) == (False, True)


def test_founding_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    before = enter(home(tmp_path / "a"), token=None, seeds=(), now=now)
    Keyring(tmp_path / "a").node_path.unlink()
    after = enter(home(tmp_path / "a"), token=None, seeds=(), now=now)
    assert after.credentials.mesh == before.credentials.mesh
    assert (after.founded, after.renewed) == (True, False)
