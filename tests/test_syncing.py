"""What the operator is told of a sync, and what becomes of one that nobody watches any more."""

import dataclasses
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from managers.sync_planner.exchange import path_exchange
from p2p.identity.ids import NodeId
from p2p.membership import Member, MemberState
from ringrift.syncing import NoSuchMember, Syncing, member_named
from tests.managers.sync_mesh import Mesh, Node, game, member, mesh, names, tell
from tests.rig import pass_s
from transports.base import Incoming, Reply


def syncing(node: Node) -> Syncing:
    return Syncing(node.runtime, node.planner)


async def told(node: Node, peer: str | None = None) -> list[dict[str, Any]]:
    """Sync, and return all that is told."""
    asked = syncing(node)
    lines = await asked.begin("games", asked.partners(peer))
    return [json.loads(line) async for line in lines]


async def hold_games(at: Mesh, *counts: int) -> None:
    """Let each node hold so many games of its own."""
    for node, count in zip(at.nodes, counts, strict=True):
        games = [game(node.runtime.node, number) for number in range(count)]
        await node.runtime.store.ingest(games, 0)


def test_a_peer_with_the_same_games_costs_one_question(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await a.play(7)
            await pass_s(1)
            lines = await told(a)
            peer = b.runtime.node.hex()
            assert [line["event"] for line in lines if line["event"] != "progress"] == [
                "begun",
                "result",
            ]
            result = lines[-1]
            assert result["seconds"] >= 0
            assert result["message_bytes"] < 200
            del result["seconds"], result["message_bytes"]
            assert result == {
                "event": "result", "peer": peer, "name": "42", "complete": True, "reason": "",
                "games_on_both": 7, "phases": 1, "requests": 1, "filters": 0, "false_positives": 0,
                "exact_lists": 0, "taken": 0, "given": 0, "refused": 0,
            }  # fmt: skip

    tell(story)


def test_every_alive_peer_is_synced_with_and_told_of(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 4) as at:
            a, _, c, d = at.nodes
            await hold_games(at, 3, 40, 2, 1)
            a.seats.seated[3] = member(d.runtime.node, MemberState.SUSPECT)
            at.net.cut.add(c.runtime.node)
            results = {line["name"]: line for line in await told(a) if line["event"] == "result"}
            assert results.keys() == {"42", "43"}
            assert (results["42"]["taken"], results["42"]["given"]) == (40, 3)
            assert results["42"]["games_on_both"] is None  # some came that nobody has counted
            again = await told(a, "42")
            assert again[-1]["games_on_both"] == 43
            assert (results["43"]["complete"], results["43"]["reason"]) == (False, "cut")

    tell(story)


def test_while_nothing_happens_there_is_a_line_every_second(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            at.net.silent.add(b.runtime.node)
            lines = await told(a)
            progress = [line for line in lines if line["event"] == "progress"]
            assert 55 <= len(progress) <= 65
            assert not progress[-1]["waiting"]
            assert lines[-1]["reason"] == "no answer within 60 s"

    tell(story)


def test_an_exchange_goes_on_when_nobody_watches_any_more(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 2) as at:
            a, b = at.nodes
            await hold_games(at, 0, 300)
            honest = at.net.handlers[b.runtime.node][path_exchange]

            async def slow(request: Incoming) -> Reply:
                await pass_s(5)
                return await honest(request)

            at.net.handlers[b.runtime.node][path_exchange] = slow
            asked = syncing(a)
            lines = await asked.begin("games", asked.partners(None))
            first = await anext(lines)
            assert json.loads(first)["event"] == "progress"
            assert isinstance(lines, AsyncGenerator)
            await lines.aclose()
            await pass_s(60)
            assert await a.stored() == 300

    tell(story)


def test_partners_are_others_that_have_not_left(tmp_path: Path) -> None:
    async def story() -> None:
        async with mesh(tmp_path, 4) as at:
            a = at.nodes[0]
            a.seats.leave(names[1])
            a.seats.seated[2] = member(names[2], MemberState.DEAD)
            found = syncing(a)
            assert [each.id for each in found.partners(None)] == [names[3]]
            assert [each.id for each in found.partners("43")] == [names[2]]
            said = {names[0]: "is this node; the", names[1]: "there is no other member .*; the"}
            for gone, why in said.items():
                with pytest.raises(
                    NoSuchMember, match=rf"{why} others are 43 \(434343434343\), 44 \(44"
                ):
                    found.partners(gone.hex())

    tell(story)


def node(start: str) -> NodeId:
    return NodeId(bytes.fromhex(start.ljust(32, "0")))


me = node("ff")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("aa11", "aa11"),
        ("ab", "ab"),
        (node("aa22").hex(), "aa22"),
        ("aa2", "aa22"),
        (node("aa22").hex().upper(), "aa22"),
        ("AA2", "aa22"),
    ],
)
def test_a_member_is_found_by_its_id_its_name_or_how_its_id_begins(text: str, found: str) -> None:
    ids = ["aa11", "aa22", "ab"]
    assert member_named(text, [member(node(each)) for each in ids], me).id == node(found)


def test_an_id_comes_before_a_name_and_a_name_before_how_an_id_begins() -> None:
    one, other = member(node("aa11")), member(node("bb22"))
    for name in ("desk", one.id.hex(), one.id.hex().upper(), "aa1"):
        named = dataclasses.replace(other, name=name)
        found = member_named(name, [one, named], me)
        assert found is (one if name.lower() == one.id.hex() else named)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "'a' may be any of aa (aa1100000000), aa (aa2200000000), ab (ab0000000000)"),
        ("aa", "'aa' may be any of aa (aa1100000000), aa (aa2200000000)"),
        (
            "",
            "there is no other member ''; the others are aa (aa1100000000), aa (aa22",
        ),
        ("zz", "there is no other member 'zz'; the others are aa (aa1100000000), aa (aa22"),
    ],
)
def test_a_name_of_none_or_of_several_lists_who_could_be_meant(text: str, said: str) -> None:
    members = [member(node(each)) for each in ("ab", "aa22", "aa11")]
    with pytest.raises(NoSuchMember) as refused:
        member_named(text, members, me)
    assert str(refused.value).startswith(said)


def test_few_of_many_candidates_are_listed() -> None:
    members = [member(node(f"aa{number:02x}")) for number in range(30)]
    with pytest.raises(NoSuchMember, match=r"aa \(aa0900000000\), 20 more$"):
        member_named("aa", members, me)
    with pytest.raises(NoSuchMember, match="there is no other at all"):
        member_named("aa", [], me)


def called(name: str, start: str) -> Member:
    return dataclasses.replace(member(node(start)), name=name)


def test_how_a_name_begins_is_enough_if_it_is_the_only_one() -> None:
    laps = [called("lap-b", "b1"), called("lap-c", "c1"), called("desk", "1a")]
    assert member_named("des", laps, me) is laps[2]
    assert member_named("lap-c", laps, me) is laps[1]
    with pytest.raises(NoSuchMember, match=r"'lap' may be any of lap-b \(b10.*\), lap-c \(c10"):
        member_named("lap", laps, me)
    with pytest.raises(NoSuchMember, match=r"'b' may be any of box .*, lap-b"):
        member_named("b", [*laps, called("box", "d1")], me)


def test_this_node_is_told_as_such_unless_another_is_meant() -> None:
    mine, other = called("lap", "aa"), called("lap-b", "bb")
    for text in ("lap", mine.id.hex(), mine.id.hex().upper(), "aa"):
        with pytest.raises(NoSuchMember, match=rf"'{text}' is this node; the others are lap-b"):
            member_named(text, [mine, other], mine.id)
    assert member_named("la", [mine, other], mine.id) is other
    twin = called("lap", "cc")
    assert member_named("lap", [mine, twin, other], mine.id) is twin
