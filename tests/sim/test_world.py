"""The simulator itself: the same in every process, and a disk that forgets as it should."""

import hashlib
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.testing

from p2p.envelope import RecordId
from tests.rig import pass_s
from tests.sim.__main__ import main
from tests.sim.disk import Disk
from tests.sim.ledger import Ledger
from tests.sim.loop import Loop
from tests.sim.mesh import Mesh
from tests.sim.run import random_run
from tests.sim.scenario import perform
from tests.sim.seeds import Origins
from tests.sim.world import World

stories = sorted(Path(__file__).with_name("scenarios").glob("*.txt"))


@pytest.mark.parametrize("story", stories, ids=lambda story: story.stem)
def test_agents_say_what_the_story_tells(story: Path) -> None:
    text = story.read_text()
    assert perform(text, seed=1) == text


# The same seed gives the same run


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same_run_in_every_process(seed: int) -> None:
    nodes, steps = 4, 10
    command = [sys.executable, "-m", "tests.sim", "--seed", str(seed)]
    command += ["--nodes", str(nodes), "--steps", str(steps)]
    traces = {
        subprocess.run(
            command,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    (trace,) = traces
    assert "every promise was kept" in trace
    assert trace.splitlines()[:-1] == random_run(seed, nodes, steps).trace


def test_another_seed_gives_another_run() -> None:
    assert random_run(1, nodes=3, steps=3).trace != random_run(2, nodes=3, steps=3).trace


def test_tasks_run_in_an_order_that_follows_from_the_seed() -> None:
    alive: list[object] = []  # so that no two runs have their tasks at the same addresses

    def order(seed: int) -> list[int]:
        ran: list[int] = []
        gun = trio.Event()

        async def run(number: int) -> None:
            alive.append(trio.lowlevel.current_task())
            await gun.wait()
            ran.append(number)

        async def run_all() -> None:
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(run, number)
                await trio.testing.wait_all_tasks_blocked()
                gun.set()

        loop = Loop(seed)
        loop.run(run_all)
        loop.close()
        return ran

    assert len({tuple(order(1)) for _ in range(5)}) == 1
    assert len({tuple(order(seed)) for seed in range(20)}) > 1


def test_a_failed_run_says_so_and_what_was_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Mesh) -> float:
        raise AssertionError("a lacks 3 games")

    monkeypatch.setattr(Mesh, "settle", fail)
    assert main(["--seed", "1", "--nodes", "3", "--steps", "0"]) == 1
    out, err = capsys.readouterr()
    assert "a starts" in out
    assert "FAILED: a lacks 3 games" in err


@pytest.mark.parametrize("words", [["--nodes", "2"], ["--nodes", "27"], ["--steps", "-1"]])
def test_a_command_that_makes_no_sense_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--seed", "1", *words])


# The world stands still between two calls


def test_time_passes_only_when_it_is_told_to() -> None:
    with World(1) as world:
        world.start("a")
        before = list(world.trace.lines)
        assert world.status("a")["node"]["uptime_s"] == 0.0
        assert world.trace.lines == before
        world.advance(90)
        assert world.status("a")["node"]["uptime_s"] == pytest.approx(90, abs=0.2)


def test_what_an_agent_raises_ends_the_call_that_let_it_run() -> None:
    async def fail() -> None:
        raise LookupError("on purpose")

    loop = Loop(1)
    loop.nursery.start_soon(fail)
    with pytest.raises(ExceptionGroup) as raised:
        loop.run(pass_s, 1)
    assert raised.group_contains(LookupError, match="on purpose")
    with pytest.raises(RuntimeError, match="has ended"):
        loop.run(pass_s, 1)


def test_an_older_copy_learns_that_it_is_one_although_the_first_to_notice_is_not_heard() -> None:
    with World(1) as world:
        for name in "abc":
            world.start(name)
        world.advance(10)
        world.produce("b", 2)
        world.back_up("b")
        world.crash("b")
        world.start("b")
        world.advance(5)
        world.produce("b", 2)
        world.advance(5)
        world.crash("b")
        world.restore("b")
        world.cut("a", "b")
        world.cut("c", "b")
        world.start("b")
        world.advance(30)
        assert not any("older copy of itself" in line for line in world.trace.lines)
        world.mend()
        world.advance(60)
        assert any("older copy of itself" in line for line in world.trace.lines)


def test_a_produced_game_is_a_real_one_and_goes_the_usual_way() -> None:
    with World(1) as world:
        world.start("a")
        assert len(world.produce("a", 2)) == 2
        status = world.status("a")
        assert status["records"]["games"]["stored"] == 2
        assert [job["games"] for job in status["jobs"]] == [2]
        world.advance(61)
        counts = world.boxes["a"].up.store.view().root().known.count
        assert counts == 3  # two games, and the batch that vouches for them


def test_a_choosy_box_refuses_some_games_of_others_and_nobody_counts_on_it_for_these() -> None:
    with World(2, choosy="b") as world:
        for name in "ab":
            world.start(name)
        world.advance(5)
        world.produce("b", 9)
        world.produce("a", 9)
        world.advance(30)
        (a, b) = (world.boxes[name].up for name in "ab")
        refused = a.held() - b.held()
        assert 0 < len(refused) < 9
        assert len(world.games("a")) == 18
        assert a.trusted()[world.boxes["b"].node] == (b.store.id, b.held())


def test_a_box_that_lacks_what_another_counts_on_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with World(1) as world:
        for name in "ab":
            world.start(name)
        world.advance(5)
        world.produce("a", 3)
        world.advance(5)
        world.check_evidence(older={})
        monkeypatch.setattr(world.boxes["b"].up, "held", set)
        with pytest.raises(AssertionError, match="a counts on 3 records that b lacks"):
            world.check_evidence(older={})
        world.check_evidence(older={"b": world.boxes["b"].up.store.id})


def test_two_games_of_one_producer_from_one_seed_are_replays_unless_excused() -> None:
    origins = Origins()
    with World(1) as world:
        world.start("a")
        made = world.produce("a", 2)
        origins.learn(world.bodies("a"))
    assert origins.replays(set()) == set()
    one, other = sorted(made)
    origins._origins[other] = origins._origins[one]
    assert origins.replays(set()) == {other}
    assert origins.replays({other}) == set()


def test_a_push_to_a_box_without_room_is_refused_and_no_fault_of_its_handler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with World(1) as world:
        world.start("a")
        world.start("b")
        world.advance(5)
        world.fill("b")
        world.produce("a", 3)
        world.advance(20)
        assert world.games("b") == []
        assert "no room left" in caplog.text
        assert "Traceback" not in caplog.text
        world.clear("b")


# The disk


def fresh(folder: Path) -> tuple[Disk, sqlite3.Connection]:
    """Make a disk with a table on it, as the store would."""
    folder.mkdir()
    disk = Disk(folder)
    writer = opened(disk)
    write(writer, "CREATE TABLE numbers (number INTEGER)")
    return disk, writer


def opened(disk: Disk) -> sqlite3.Connection:
    """Open a connection as the store does."""
    writer = disk.connect()
    writer.isolation_level = None
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA synchronous = FULL")
    return writer


def write(writer: sqlite3.Connection, *statements: str) -> None:
    """Change something in one transaction."""
    writer.execute("BEGIN IMMEDIATE")
    for statement in statements:
        writer.execute(statement)
    writer.execute("COMMIT")


def add(writer: sqlite3.Connection, number: int) -> None:
    """Commit a number."""
    write(writer, f"INSERT INTO numbers VALUES ({number})")


def numbers(disk: Disk) -> list[int]:
    """Return what is there after a start."""
    reader = opened(disk)
    found = [number for (number,) in reader.execute("SELECT number FROM numbers ORDER BY number")]
    reader.close()
    return found


def test_a_disk_keeps_what_was_committed_and_synced(tmp_path: Path) -> None:
    disk, writer = fresh(tmp_path / "disk")
    add(writer, 1)
    disk.crash()
    add(writer, 2)  # by the dead process, which does not know that it is dead
    assert numbers(disk) == [1]
    writer.close()


def test_a_disk_forgets_what_was_not_committed(tmp_path: Path) -> None:
    disk, writer = fresh(tmp_path / "disk")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO numbers VALUES (1)")
    disk.crash()
    assert numbers(disk) == []
    writer.close()


def test_a_disk_forgets_what_was_committed_without_a_sync(tmp_path: Path) -> None:
    disk, writer = fresh(tmp_path / "disk")
    add(writer, 1)
    writer.execute("PRAGMA synchronous = NORMAL")
    add(writer, 2)
    disk.crash()
    assert numbers(disk) == [1]
    writer.close()


def test_a_disk_keeps_what_was_synced_through_any_number_of_checkpoints(tmp_path: Path) -> None:
    rng = random.Random(1)
    for case in range(20):
        disk, writer = fresh(tmp_path / str(case))
        count = rng.randrange(12)
        for number in range(count):
            add(writer, number)
            if rng.random() < 0.3:
                writer.execute("PRAGMA wal_checkpoint(RESTART)")
        disk.crash()
        writer.close()
        disk.crash()
        assert numbers(disk) == list(range(count))


def test_a_sync_of_an_earlier_log_says_nothing_of_a_later_one(tmp_path: Path) -> None:
    disk, writer = fresh(tmp_path / "disk")
    for number in range(5):
        add(writer, number)
    writer.execute("PRAGMA wal_checkpoint(RESTART)")
    writer.execute("PRAGMA synchronous = NORMAL")
    add(writer, 5)
    disk.crash()
    assert numbers(disk) == [0, 1, 2, 3, 4]
    writer.close()


def test_a_disk_without_room_takes_no_change_and_loses_nothing(tmp_path: Path) -> None:
    disk, writer = fresh(tmp_path / "disk")
    add(writer, 1)
    disk.is_full = True
    with pytest.raises(sqlite3.OperationalError, match="full"):
        add(writer, 2)
    writer.execute("ROLLBACK")
    disk.is_full = False
    add(writer, 3)
    disk.crash()
    assert numbers(disk) == [1, 3]
    writer.close()


def test_a_backup_brings_back_what_was_there_then(tmp_path: Path) -> None:
    disk, writer = fresh(tmp_path / "disk")
    add(writer, 1)
    disk.back_up()
    add(writer, 2)
    disk.crash()
    disk.restore()
    assert numbers(disk) == [1]
    disk.crash()
    assert numbers(disk) == [1]
    writer.close()


# What is owed


def game(number: int) -> RecordId:
    """Name a game."""
    return RecordId(hashlib.sha256(bytes([number])).digest())


def test_a_stored_game_is_owed_while_its_producers_disk_is_whole() -> None:
    ledger = Ledger()
    ledger.produced("a", [game(1)])
    ledger.produced("b", [game(2)])
    ledger.disk_lost("a")
    assert ledger.owed() == {game(2)}


def test_a_safe_game_is_owed_as_long_as_no_more_disks_are_lost_than_it_has_holders() -> None:
    ledger = Ledger()
    ledger.produced("a", [game(1), game(2)])
    ledger.promised({game(1): 1})
    ledger.promised({game(2): 2})
    ledger.disk_lost("a")
    assert ledger.owed() == {game(1), game(2)}
    ledger.disk_lost("b")
    assert ledger.owed() == {game(2)}


def test_a_game_is_owed_for_a_promise_alone_once_its_producers_disk_is_lost() -> None:
    ledger = Ledger()
    ledger.produced("a", [game(1), game(2), game(3)])
    ledger.promised({game(1): 2})
    ledger.everywhere([game(2)])
    assert ledger.owed_for_a_promise() == set()
    ledger.disk_lost("a")
    assert ledger.owed_for_a_promise() == {game(1)}


def test_what_is_everywhere_is_owed_anew() -> None:
    ledger = Ledger()
    ledger.disk_lost("a")
    ledger.disk_lost("b")
    ledger.everywhere([game(1)])
    ledger.disk_lost("b")
    ledger.disk_lost("c")
    assert ledger.owed() == {game(1)}
