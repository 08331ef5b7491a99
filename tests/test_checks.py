"""What `doctor` finds: every check, driven into every verdict that it can give."""

import contextlib
import datetime
import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from managers.state.dead_letters import DeadLetter, add
from managers.state.store import SqliteStore
from p2p.envelope import RecordId
from p2p.identity.keyring import Keyring
from p2p.identity.tokens import Token, grant_token, new_mesh
from p2p.kinds import Kinds
from ringrift.checks import Finding, Verdict, disk, keys, running
from ringrift.commands import doctor
from ringrift.home import Home
from transports.base import Address

ok, warning, failure, unknown = Verdict.OK, Verdict.WARNING, Verdict.FAILURE, Verdict.UNKNOWN

now = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
days = datetime.timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The home of a box that made a mesh, with a grant for a hundred days."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    keyring = Keyring(folder)
    root = new_mesh(now)
    keyring.save_root(root)
    token = Token.parse(grant_token(root, now, 100 * days), now)
    keyring.save_credentials(token.admit(now, None))
    return Home(folder, folder)


@pytest.fixture
def keyring(home: Home) -> Keyring:
    return Keyring(home.config)


def test_a_private_home_is_ok(home: Home) -> None:
    assert keys.check_folders(home).verdict is ok


def test_a_home_that_is_open_is_a_failure_with_the_command_that_closes_it(home: Home) -> None:
    home.config.chmod(0o750)
    found = keys.check_folders(home)
    assert (found.verdict, found.advice) == (failure, f"chmod 700 {home.config}")
    assert "mode 0750" in found.finding


def test_each_folder_of_a_home_is_looked_at(home: Home, tmp_path: Path) -> None:
    assert keys.check_folders(Home(home.config, tmp_path / "none")).verdict is warning
    (tmp_path / "file").touch()
    found = keys.check_folders(Home(home.config, tmp_path / "file"))
    assert (found.verdict, found.finding) == (failure, f"{tmp_path}/file is a file, not a folder")


def test_a_home_of_another_user_is_a_failure(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = home.config.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    found = keys.check_folders(home)
    assert (found.verdict, found.finding) == (failure, f"{home.config} belongs to another user")


def test_a_home_that_cannot_be_looked_at_is_a_failure(home: Home) -> None:
    (home.config / "file").touch()
    below = home.config / "file" / "below"
    assert keys.check_folders(Home(below, below)).verdict is failure


def test_keys_that_fit_together_are_ok(keyring: Keyring) -> None:
    found, credentials = keys.check_keys(keyring)
    assert found.verdict is ok
    assert credentials is not None
    assert credentials.node.hex()[:12] in found.finding
    assert credentials.mesh.hex() in found.finding


def test_no_keys_are_a_warning(tmp_path: Path) -> None:
    found, credentials = keys.check_keys(Keyring(tmp_path / "none"))
    assert (found.verdict, credentials) == (warning, None)


def test_a_lost_key_is_a_failure_unless_the_root_key_is_here(keyring: Keyring) -> None:
    keyring.node_path.unlink()
    found, credentials = keys.check_keys(keyring)
    assert (found.verdict, credentials) == (warning, None)
    assert "it becomes a new node" in found.advice
    keyring.root_key_path.unlink()
    found, credentials = keys.check_keys(keyring)
    assert (found.verdict, credentials) == (failure, None)
    assert found.finding.startswith(f"{keyring.node_path} is missing")
    assert "join again, as a new node, with --join and a token" in found.advice


def test_a_lost_certificate_of_the_mesh_is_a_failure(keyring: Keyring) -> None:
    keyring.mesh_path.unlink()
    found, _ = keys.check_keys(keyring)
    assert (found.verdict, found.finding) == (failure, f"{keyring.mesh_path} is missing")
    assert found.advice.startswith("restore it from any other node")


def test_what_needs_attention_cannot_be_told_without_what_to_do() -> None:
    for verdict in (warning, failure):
        with pytest.raises(ValueError, match="no advice for disk: full"):
            Finding("disk", verdict, "full")


@pytest.mark.parametrize("name", ["node.pem", "mesh.pem"])
def test_a_key_file_that_is_open_is_a_warning(name: str, keyring: Keyring) -> None:
    path = keyring.directory / name
    path.chmod(0o604)
    found, credentials = keys.check_keys(keyring)
    assert (found.verdict, found.advice) == (warning, f"chmod 600 {path}")
    assert "mode 0604" in found.finding
    assert credentials is not None


@pytest.mark.parametrize("name", ["node.pem", "mesh.pem"])
def test_a_damaged_key_file_is_a_failure(name: str, keyring: Keyring) -> None:
    (keyring.directory / name).write_text("rubbish")
    found, credentials = keys.check_keys(keyring)
    assert (found.verdict, credentials) == (failure, None)
    assert f"{name} is damaged" in found.finding
    assert found.advice.startswith("restore it from")


def test_a_key_that_does_not_match_its_certificate_is_a_failure(keyring: Keyring) -> None:
    root = new_mesh(now)
    other = Keyring(keyring.directory.parent / "other")
    other.save_credentials(Token.parse(grant_token(root, now), now).admit(now, None))
    separator = "-----BEGIN CERTIFICATE-----"
    key = other.node_path.read_text().split(separator)[0]
    _, *certificates = keyring.node_path.read_text().split(separator)
    keyring.node_path.write_text(separator.join([key, *certificates]))
    found, _ = keys.check_keys(keyring)
    assert found.verdict is failure
    assert "does not match" in found.finding


@pytest.mark.parametrize(
    ("at", "of_leaf", "of_grant"),
    [
        (now, ok, ok),
        (now + 89 * days, ok, ok),
        (now + 91 * days, ok, warning),
        (now + 100 * days, ok, failure),
        (now + 3600 * days, warning, failure),
        (now + 3650 * days, failure, failure),
        (now - 2 * days, failure, failure),
    ],
)
def test_lives_that_end_are_told_in_time(
    at: datetime.datetime, of_leaf: Verdict, of_grant: Verdict, keyring: Keyring
) -> None:
    leaf, grant = keys.check_lives(keyring.load_credentials(), at)
    assert (leaf.check, leaf.verdict) == ("certificate", of_leaf)
    assert (grant.check, grant.verdict) == ("grant", of_grant)
    assert all(bool(each.advice) is (each.verdict is not ok) for each in (leaf, grant))


def test_the_end_of_a_life_is_shown(keyring: Keyring) -> None:
    _, grant = keys.check_lives(keyring.load_credentials(), now)
    assert grant.finding == "valid until 2026-09-09 00:00 UTC, 100 days from now"
    _, grant = keys.check_lives(keyring.load_credentials(), now + 100 * days)
    _, grant = keys.check_lives(keyring.load_credentials(), now + 99 * days)
    assert grant.finding.endswith(", 1 day from now")
    _, grant = keys.check_lives(keyring.load_credentials(), now + 100 * days)
    assert grant.finding == "has expired on 2026-09-09 00:00 UTC"
    assert "ringrift-agent token" in grant.advice


def test_without_keys_their_lives_are_unknown() -> None:
    assert [each.verdict for each in keys.check_lives(None, now)] == [unknown, unknown]


def test_a_root_key_is_ok_and_to_be_backed_up(keyring: Keyring) -> None:
    found = keys.check_root(keyring, now)
    assert (found.verdict, found.advice.startswith("keep a copy")) == (ok, True)


def test_on_most_boxes_there_is_no_root_key(keyring: Keyring) -> None:
    keyring.root_key_path.unlink()
    found = keys.check_root(keyring, now)
    assert (found.verdict, found.advice) == (ok, "")
    assert "not here" in found.finding


def test_a_root_key_that_is_open_damaged_or_old_is_told(keyring: Keyring) -> None:
    assert keys.check_root(keyring, now + 3600 * days).verdict is warning
    assert keys.check_root(keyring, now + 3650 * days).verdict is failure
    keyring.root_key_path.chmod(0o640)
    found = keys.check_root(keyring, now)
    assert (found.verdict, found.advice) == (warning, f"chmod 600 {keyring.root_key_path}")
    keyring.root_key_path.write_text("rubbish")
    assert keys.check_root(keyring, now).verdict is failure


@pytest.mark.parametrize(
    ("gib", "verdict"), [(100.0, ok), (5.0, ok), (4.99, warning), (1.0, warning), (0.99, failure)]
)
def test_little_room_is_told(gib: float, verdict: Verdict) -> None:
    found = disk.judge_space(Path("/h"), round(gib * disk.gib))
    assert found.verdict is verdict
    assert bool(found.advice) is (verdict is not ok)


def test_room_is_measured_where_the_home_will_be(tmp_path: Path) -> None:
    assert "GiB free" in disk.check_space(tmp_path / "not" / "yet").finding


@pytest.mark.parametrize(
    ("kind", "verdict"), [("ext4", ok), ("nfs4", failure), ("fuse.sshfs", failure), (None, unknown)]
)
def test_a_network_file_system_is_a_failure(kind: str | None, verdict: Verdict) -> None:
    assert disk.judge_file_system(Path("/h"), kind, read_only=False).verdict is verdict


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_the_file_system_of_a_folder_is_found(tmp_path: Path) -> None:
    assert disk.check_file_system(tmp_path).finding.startswith("local (")


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ((3, 6, 23), ok),
        ((3, 7, 0), warning),
        ((3, 40, 1), warning),
        ((3, 44, 5), warning),
        ((3, 44, 6), ok),
        ((3, 45, 0), warning),
        ((3, 50, 6), warning),
        ((3, 50, 7), ok),
        ((3, 51, 2), warning),
        ((3, 51, 3), ok),
        ((3, 52, 0), ok),
    ],
)
def test_the_versions_of_sqlite_with_the_fault_are_known(
    version: tuple[int, int, int], verdict: Verdict
) -> None:
    assert disk.check_sqlite(version).verdict is verdict


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """A store that is open in an agent, as far as another process can see."""
    path = tmp_path / "records ?#.db"
    with contextlib.closing(SqliteStore(path, Kinds([]), bytes)) as opened:
        opened.set_setting("x", 1)
        yield path


def test_a_sound_store_is_ok_while_an_agent_has_it_open(store: Path) -> None:
    sound, letters = disk.check_store(store, deep=False)
    assert (sound.verdict, letters.verdict) == (ok, ok)


def test_what_a_crash_left_behind_is_read_with_its_log_and_stays_as_it_is(
    store: Path, tmp_path: Path
) -> None:
    left = tmp_path / "left" / "records.db"
    left.parent.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{store}{suffix}", f"{left}{suffix}")
    before = left.read_bytes(), Path(f"{left}-wal").read_bytes()
    sound, _ = disk.check_store(left, deep=False)
    assert sound.verdict is ok
    assert (left.read_bytes(), Path(f"{left}-wal").read_bytes()) == before


def test_a_store_that_is_not_there_is_unknown_and_not_made(tmp_path: Path) -> None:
    sound, letters = disk.check_store(tmp_path / "records.db", deep=False)
    assert (sound.verdict, letters.verdict) == (unknown, unknown)
    assert list(tmp_path.iterdir()) == []


def test_a_large_store_is_read_through_only_if_asked_for(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "looked_through_bytes_max", 0)
    sound, letters = disk.check_store(store, deep=False)
    assert (sound.verdict, sound.advice, letters.verdict) == (
        unknown,
        "`--deep` reads all of it",
        ok,
    )
    assert disk.check_store(store, deep=True)[0].verdict is ok


def test_a_damaged_store_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with contextlib.closing(SqliteStore(path, Kinds([]), bytes)):
        pass
    with contextlib.closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'members'").fetchone()
        (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xff" * 200)
    found, letters = disk.check_store(path, deep=False)
    assert (found.verdict, letters.verdict) == (failure, unknown)
    assert str(path) in found.finding
    assert "move" in found.advice


def test_a_file_that_is_no_store_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.write_bytes(b"rubbish" * 1000)
    found, letters = disk.check_store(path, deep=False)
    assert (found.verdict, letters.verdict) == (failure, unknown)
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x)")
    found, letters = disk.check_store(path, deep=False)
    assert (found.verdict, found.finding) == (
        failure, f"{path} is no record store of this program",
    )  # fmt: skip
    path.unlink()
    path.mkdir()
    found, letters = disk.check_store(path, deep=False)
    assert (found.verdict, letters.verdict) == (failure, unknown)


def test_dead_letters_are_counted_and_the_newest_reasons_told(store: Path) -> None:
    letters = [
        DeadLetter(RecordId(bytes([number]) * 32), reason, None, 1_780_272_000_000, None, b"")
        for number, reason in enumerate(["old", "bad\x1bmove", "same", "same"])
    ]
    with contextlib.closing(sqlite3.connect(store)) as db, db:
        add(db, letters)
    _, found = disk.check_store(store, deep=False)
    assert found.verdict is warning
    assert found.finding == "4 refused, the last on 2026-06-01 00:00 UTC: same; bad\x1bmove"


def status(**changes: Any) -> dict[str, Any]:
    return {
        "node": {"id": "aa", "listen": "[::]:8770, 10.0.0.1:8770", "version": "1"},
        "mesh": {"members": [member("aa", None), member("bb", 0.0)]},
        "problems": [],
    } | changes


def member(id_: str, offset_ms: float | None, state: str = "alive") -> dict[str, Any]:
    return {
        "id": id_, "name": f"box-{id_}", "state": state, "clock_offset_ms": offset_ms,
        "addresses": ["10.0.0.1:8770", "[fd00::1]:8770"] if id_ == "aa" else [],
    }  # fmt: skip


def test_an_agent_with_problems_is_a_warning() -> None:
    assert running.check_agent(status()).verdict is ok
    found = running.check_agent(status(problems=["one", "two"]))
    assert (found.verdict, found.finding) == (warning, "runs, and reports: one (1 more)")


def test_without_an_agent_what_only_it_knows_is_unknown() -> None:
    agent, *others = running.without_agent("nobody there")
    assert (agent.verdict, agent.finding) == (warning, "nobody there")
    checks = ["version", "listening", "addresses", "clock", "events"]
    assert [(each.check, each.verdict) for each in others] == [(each, unknown) for each in checks]
    agent, *others = running.without_answer("too slow; it sleeps", "")
    assert (agent.verdict, agent.finding) == (failure, "too slow; it sleeps")
    assert "look at its log" in agent.advice
    assert [each.check for each in others] == checks


def test_an_agent_of_another_version_is_to_be_restarted() -> None:
    assert running.check_version("1", "1").verdict is ok
    found = running.check_version("1", "2")
    assert (found.verdict, found.advice) == (warning, "restart the agent")


def test_every_socket_is_dialled_on_this_box() -> None:
    dialled: list[Address] = []

    def answers(address: Address) -> None:
        dialled.append(address)

    assert running.check_listening(status(), answers).verdict is ok
    assert dialled == [Address("localhost", 8770), Address("10.0.0.1", 8770)]
    found = running.check_listening(status(), lambda _: "refused")
    assert found.verdict is failure
    assert "[::]:8770" in found.finding


def test_an_address_that_others_are_told_must_answer() -> None:
    assert running.check_addresses(status(), lambda _: None).verdict is ok
    found = running.check_addresses(
        status(), lambda address: "no route" if ":" in address.host else None
    )
    assert (found.verdict, found.finding) == (
        warning, "cannot connect to [fd00::1]:8770 from here: no route",
    )  # fmt: skip
    lonely = status(mesh={"members": [member("aa", None) | {"addresses": []}]})
    assert running.check_addresses(lonely, lambda _: None).verdict is warning


@pytest.mark.parametrize(
    ("offsets_ms", "verdict", "said"),
    [
        ([4999.0], ok, "5.00 s behind that of box-0"),
        ([-5000.0], warning, "5.00 s ahead of that of box-0"),
        ([12 * 3_600_000.0], failure, "43,200.00 s behind that of box-0"),
        (
            [-20.0, 30.0, 9_000_000.0],
            ok,
            "0.03 s behind the median of 3 peers, and at most 9,000.00 s behind that of box-2",
        ),
    ],
)
def test_the_median_of_the_living_judges_the_clock(
    offsets_ms: list[float], verdict: Verdict, said: str
) -> None:
    peers = [member(str(number), each) for number, each in enumerate(offsets_ms)]
    others = [member("d", 1e9, "dead"), member("n", None), member("aa", None)]
    found = running.check_clock(status(mesh={"members": [*peers, *others]}))
    assert (found.verdict, found.finding) == (verdict, said)


def test_without_a_measured_peer_the_clock_is_unknown() -> None:
    found = running.check_clock(status(mesh={"members": [member("aa", None)]}))
    assert found.verdict is unknown


def test_an_event_that_nobody_publishes_is_a_failure_if_somebody_waits() -> None:
    heard = {"publishers": ["a"], "subscribers": ["b"]}
    unheard = {"publishers": ["a"], "subscribers": []}
    unused: dict[str, list[str]] = {"publishers": [], "subscribers": []}
    found = running.check_events({"X": heard, "Y": unheard, "Z": unused})
    assert (found.verdict, found.finding) == (
        ok, "3 kinds; without a subscriber: Y, Z; without a publisher: Z",
    )  # fmt: skip
    found = running.check_events({"X": heard, "W": {"publishers": [], "subscribers": ["b"]}})
    assert (found.verdict, "W" in found.finding) == (failure, True)


def test_a_port_is_dialled_for_real() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert running.dial(Address("127.0.0.1", port)) is None
    assert running.dial(Address("127.0.0.1", port)) == "Connection refused"


def test_settings_that_make_no_sense_are_a_failure(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {})
    assert doctor._check_settings(home).verdict is ok
    home.settings.write_text("listen = 'h:99999'")
    found = doctor._check_settings(home)
    assert (found.verdict, str(home.settings) in found.finding) == (failure, True)
