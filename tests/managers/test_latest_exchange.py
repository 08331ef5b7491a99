"""What a planner tells of its latest exchange with each peer. In virtual time."""

from pathlib import Path
from typing import Any

from p2p.identity.ids import NodeId
from tests.managers.sync_mesh import Node, member, mesh, tell
from tests.rig import pass_s


def latest(node: Node) -> list[tuple[NodeId, dict[str, Any]]]:
    """Return what a node tells of each peer."""
    told = node.planner.status()["latest_exchanges"]
    assert isinstance(told, dict)
    return list(told.items())


def test_what_the_latest_exchange_with_a_peer_has_done_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await at.play_apart(5, 3)
            assert latest(a) == []
            a.planner.sync("all", [member(b.runtime.node)], lambda: None)
            await pass_s(4)
            (peer, told), *others = latest(a)
            assert (peer, others) == (b.runtime.node, [])
            assert told.pop("ago_s") > 3
            assert told == {"failure": "", "given": 5, "taken": 3}
            assert latest(b) == []

    tell(story)


def test_an_exchange_that_failed_is_told_with_its_reason_and_no_numbers(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            at.net.cut.add(b.runtime.node)
            a.planner.sync("all", [member(b.runtime.node)], lambda: None)
            await pass_s(1)
            ((_, told),) = latest(a)
            assert (told["failure"], told["given"], told["taken"]) == ("cut", None, None)

    tell(story)
