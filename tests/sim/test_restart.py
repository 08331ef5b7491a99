"""What the others hear of an agent that starts again, and what it says of them."""

import pytest

from managers.job_manager import JobManager
from managers.node_selector import NodeSelector
from managers.sync_planner import SyncPlanner
from p2p.identity.ids import NodeId
from p2p.membership.registry import Registry
from p2p.records import Core, Signed
from p2p.store import StoreFault
from ringrift.exits import Exit
from tests.rig import pass_s
from tests.sim.world import World
from transports.memory import MemoryTransport


def back_again(seed: int) -> World:
    """Return a world in which `a` was killed for a moment while the others went on."""
    world = World(seed)
    for name in "abc":
        world.start(name)
    world.advance(10)
    world.crash("a")
    world.advance(2)
    world.start("a")
    world.advance(5)
    return world


@pytest.mark.parametrize("seed", range(1, 5))
def test_nobody_hears_of_an_agent_before_it_can_say_where_to_dial_it(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = set()
    take_core = Registry._take_core

    def note(self: Registry, source: NodeId, core: Core, signed: Signed) -> None:
        told.add((core.node, core.addresses))
        take_core(self, source, core, signed)

    look_up = NodeSelector.look_up_addresses

    async def look_up_slowly(self: NodeSelector) -> None:
        await pass_s(2)  # meanwhile the others call
        await look_up(self)

    monkeypatch.setattr(Registry, "_take_core", note)
    monkeypatch.setattr(NodeSelector, "look_up_addresses", look_up_slowly)
    with back_again(seed) as world:
        assert {node for node, _ in told} == {world.boxes[name].node for name in "abc"}
    assert all(addresses for _, addresses in told)


def test_who_starts_suspects_nobody_whom_it_has_had_no_time_to_hear() -> None:
    with back_again(1) as world:
        states = [line.split(None, 1)[1] for line in world.trace.lines if "node_selector" in line]
        of_a = [line for line in states if line.startswith("a ")]
        assert [line.split()[-1] for line in of_a] == ["alive"] * 4


def test_an_agent_whose_disk_is_full_comes_up_and_catches_up_once_there_is_room() -> None:
    with World(1) as world:
        for name in "ab":
            world.start(name)
        world.advance(10)
        world.crash("b")
        world.fill("b")
        world.start("b")
        made = world.produce("a", 2)
        world.advance(30)
        problems = world.status("b")["problems"]
        assert any(problem.startswith("notes cannot be stored: no room") for problem in problems)
        world.clear("b")
        world.advance(120)
        assert set(world.games("b")) == set(made)
        assert world.status("b")["problems"] == []


def test_an_agent_that_cannot_come_up_gives_its_connections_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[MemoryTransport] = []

    async def refuse(*_: object, **__: object) -> None:
        raise LookupError("no socket")

    async def note(self: MemoryTransport) -> None:
        closed.append(self)

    monkeypatch.setattr("tests.sim.box._Process.serve_local", refuse)
    monkeypatch.setattr(MemoryTransport, "aclose", note)
    with World(1) as world:
        with pytest.raises(ExceptionGroup):
            world.start("a")
        assert len(closed) == 1


@pytest.mark.parametrize("fails", [(JobManager, "stop"), (SyncPlanner, "only_here")])
@pytest.mark.parametrize("fault", [StoreFault("worn out"), OSError("worn out")])
def test_a_store_that_fails_at_the_end_keeps_no_agent_from_taking_leave(
    fails: tuple[type, str], fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise fault

    with World(1) as world:
        for name in "ab":
            world.start(name)
        world.advance(10)
        monkeypatch.setattr(*fails, fail)
        ended = world.stop("b")
        assert ended == (Exit.DEGRADED if fails[1] == "only_here" else Exit.HEALTHY)
        members = {member["name"]: member for member in world.status("a")["mesh"]["members"]}
        assert members["b"]["state"] == "left"
        monkeypatch.undo()
    assert any("failed: worn out" in line for line in world.trace.lines)
