"""Whatever happens to a mesh of agents, in the end all agree, and no game that was safe is lost.

Hypothesis chooses what happens; `tests.sim.mesh` says what must hold, and `tests.sim.ledger` which
games are owed. These runs are not shrunk, for that takes many minutes: the trace tells more.
"""

import collections
import contextlib

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, note, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.sim.mesh import Mesh
from tests.sim.run import random_run

boxes = st.integers(0, 7)


class Gossip(RuleBasedStateMachine):
    """A mesh to which things happen."""

    mesh: Mesh
    is_settling = False

    def name(self, box: int) -> str:
        """Return the box of a number, whatever the mesh's size."""
        return self.mesh.names[box % len(self.mesh.names)]

    @initialize(seed=st.integers(0, 2**32 - 1), nodes=st.integers(3, 8))
    def boot(self, seed: int, nodes: int) -> None:
        self.mesh = Mesh(seed, nodes)

    @rule(box=boxes, count=st.integers(1, 5), seconds=st.sampled_from([0.02, 0.3, 3.0]))
    def produce(self, box: int, count: int, seconds: float) -> None:
        running = self.mesh.world.running or self.mesh.names[:1]
        self.mesh.produce(running[box % len(running)], count)
        self.mesh.advance(seconds)

    @rule(box=boxes)
    def crash(self, box: int) -> None:
        self.mesh.crash(self.name(box))

    @rule(box=boxes, count=st.integers(1, 3))
    def reboot(self, box: int, count: int) -> None:
        self.mesh.crash(self.name(box))
        self.mesh.start(self.name(box))
        self.mesh.produce(self.name(box), count)

    @rule(box=boxes)
    def stop(self, box: int) -> None:
        self.mesh.stop(self.name(box))

    @rule()
    def start_one(self) -> None:
        for name in self.mesh.world.down[:1]:
            self.mesh.start(name)

    @precondition(lambda self: self.mesh.may_lose_a_disk)
    @rule(box=boxes, new_key=st.sampled_from([False, False, False, True]))
    def wipe(self, box: int, *, new_key: bool) -> None:
        self.mesh.wipe(self.name(box), new_key=new_key)

    @precondition(lambda self: self.mesh.may_lose_a_disk)
    @rule(box=boxes, count=st.integers(1, 5), seconds=st.sampled_from([0.1, 0.3, 3.0]))
    def preempt(self, box: int, count: int, seconds: float) -> None:
        self.mesh.preempt(self.name(box), count, seconds)

    @precondition(lambda self: self.mesh.may_lose_a_disk)
    @rule(box=boxes, observer=boxes, seconds=st.sampled_from([0.3, 3.0]))
    def replace(self, box: int, observer: int, seconds: float) -> None:
        self.mesh.replace(self.name(box), self.name(observer))
        self.mesh.advance(seconds)

    @rule(box=boxes)
    def back_up(self, box: int) -> None:
        self.mesh.back_up(self.name(box))

    @precondition(lambda self: self.mesh.may_lose_a_disk)
    @rule(box=boxes, count=st.integers(0, 2))
    def restore(self, box: int, count: int) -> None:
        name = self.name(box)
        if name not in self.mesh.backed_up:
            self.mesh.back_up(name)
            self.mesh.produce(name, 1)
        self.mesh.restore(name)
        self.mesh.start(name)
        self.mesh.advance(1.0)
        self.mesh.produce(name, count)

    @rule(box=boxes)
    def fill(self, box: int) -> None:
        self.mesh.fill(self.name(box))

    @rule()
    def clear(self) -> None:
        self.mesh.clear()

    @rule(one=boxes, other=boxes)
    def cut_one_way(self, one: int, other: int) -> None:
        self.mesh.cut(self.name(one), self.name(other))

    @rule(count=st.integers(1, 3))
    def cut_both_ways(self, count: int) -> None:
        self.mesh.split(count)

    @rule(loss=st.sampled_from([0.0, 0.1, 0.4]), duplication=st.sampled_from([0.0, 0.3]))
    def weather(self, loss: float, duplication: float) -> None:
        self.mesh.weather(loss, duplication)

    @rule(seconds=st.sampled_from([0.02, 0.2, 2.0, 20.0]))
    def advance(self, seconds: float) -> None:
        self.mesh.advance(seconds)

    @rule()
    def settle(self) -> None:
        self.is_settling = True
        try:
            self.mesh.settle()
        except AssertionError:
            note("\n".join(self.mesh.world.trace.lines))
            raise
        self.is_settling = False

    def teardown(self) -> None:
        with contextlib.closing(self.mesh):
            if not (self.is_settling or self.mesh.world.has_ended):
                self.settle()


@pytest.mark.parametrize("seed", range(3))
def test_a_game_is_safe_in_a_moment_and_then_outlives_its_producers_disk(seed: int) -> None:
    with contextlib.closing(Mesh(seed, nodes=3)) as mesh:
        mesh.settle()
        mesh.produce("a", 3)
        mesh.advance(0.5)
        assert list(mesh.world.promises("a").values()) == [2, 2, 2]
        mesh.wipe("a")
        mesh.settle()
        assert len(mesh.world.games("a")) == 3


@pytest.mark.parametrize("seed", range(3))
def test_a_game_that_nobody_has_heard_of_is_not_safe(seed: int) -> None:
    with contextlib.closing(Mesh(seed, nodes=3)) as mesh:
        mesh.settle()
        mesh.split(1)
        mesh.produce("a", 3)
        mesh.advance(30)
        assert mesh.world.promises("a") == {}
        mesh.crash("a")
        mesh.settle()
        assert len(mesh.world.games("b")) == 3


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("producer", ["a", "c"])
def test_nobody_counts_on_a_box_whose_disk_was_lost(seed: int, producer: str) -> None:
    """What c knows of b are receipts if the games are its own, and a digest if they are not."""
    with contextlib.closing(Mesh(seed, nodes=3)) as mesh:
        mesh.settle()
        mesh.produce(producer, 3)
        mesh.advance(0.3 if producer == "c" else 5)
        assert list(mesh.world.promises("c").values()) == [2, 2, 2]
        mesh.replace("b", observer="c")
        mesh.advance(5)
        assert mesh.world.games("b") == []
        assert mesh.world.promises("c") == {}
        mesh.wipe("a")
        mesh.settle()
        assert len(mesh.world.games("b")) == 3


@pytest.mark.parametrize("seed", range(2))
def test_neither_a_restart_nor_an_older_copy_that_knows_it_plays_a_game_again(seed: int) -> None:
    with contextlib.closing(Mesh(seed, nodes=3)) as mesh:
        mesh.settle()
        mesh.produce("b", 4)
        mesh.back_up("b")
        mesh.crash("b")
        mesh.start("b")
        mesh.produce("b", 4)
        mesh.settle()
        mesh.restore("b")
        mesh.settle()
        mesh.produce("b", 4)
        mesh.settle()
        assert len(mesh.world.games("b")) == 11  # one was played from a seed of the older copy


def test_whatever_happens_all_agree_in_the_end_and_no_safe_game_is_lost() -> None:
    run_state_machine_as_test(Gossip, settings=_settings)


def test_so_it_is_in_runs_in_which_everything_happens_that_matters() -> None:
    """What hypothesis draws shifts with any line of the code, so that nothing is sure to happen."""
    tally: collections.Counter[str] = collections.Counter()
    for seed in range(8):
        result = random_run(seed, nodes=3 + seed % 4, steps=40)
        assert result.failure == "", "\n".join(result.trace)
        tally.update(result.tally)
    assert tally >= _leasts


_settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
)
_leasts = collections.Counter(
    {
        "games": 40,
        "refused games": 10,
        "promises": 2000,
        "games owed for a promise": 5,
        "crashes": 15,
        "stops": 5,
        "wipes": 6,
        "empty disks": 2,
        "full disks": 3,
        "cuts": 20,
    }
)
"""What must have happened, all runs together, for their good end to mean anything."""
