"""The network in memory: the contract, and what its links do when all is well."""

import random
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing
from trio._core import _run

from p2p.identity.ids import NodeId
from tests.transports.contract import TransportContract
from tests.transports.harness import (
    Network,
    Node,
    Pair,
    Source,
    bulk_bytes,
    long_s,
    nothing,
    paired,
    piece,
    served,
)
from tests.transports.memory.village import Witness, calm, outcome
from transports.base import (
    Address,
    DeadlineExceeded,
    Incoming,
    NotListening,
    Reply,
)
from transports.memory import Conditions, MemoryNetwork, MemoryTransport

pytestmark = pytest.mark.anyio


class TestMemory(TransportContract):
    """The contract that every transport keeps."""


# Latency


async def test_a_request_and_its_answer_take_the_latency_each(
    links: MemoryNetwork, network: Network
) -> None:
    links.conditions = Conditions(latency_s=(1.0, 1.0))
    witness = Witness()
    async with paired(network, witness.handle) as pair:
        start_s = trio.current_time()
        assert await outcome(pair) == "answered"
        assert witness.times_s == [start_s + 1]
        assert trio.current_time() == start_s + 2


async def test_a_latency_is_drawn_for_each_message(links: MemoryNetwork, network: Network) -> None:
    links.conditions = Conditions(latency_s=(0.5, 2.0))
    took_s = set()
    async with paired(network, nothing) as pair:
        for _ in range(8):
            start_s = trio.current_time()
            assert await outcome(pair) == "answered"
            took_s.add(trio.current_time() - start_s)
    assert len(took_s) == 8
    assert 1.0 <= min(took_s) < max(took_s) <= 4.0


async def test_each_piece_of_a_stream_takes_the_latency(
    links: MemoryNetwork, network: Network
) -> None:
    links.conditions = Conditions(latency_s=(1.0, 1.0))

    async def handler(_: Incoming) -> Reply:
        return Reply(body=Source(4).body())

    async with paired(network, handler) as pair:
        start_s = trio.current_time()
        assert await outcome(pair, deadline_s=long_s) == "answered"
        assert trio.current_time() == start_s + 2 + 4


async def test_to_be_refused_takes_the_way_there_and_back(
    links: MemoryNetwork, network: Network
) -> None:
    links.conditions = Conditions(latency_s=(1.0, 1.0))
    async with network.node() as node, network.node() as peer:
        start_s = trio.current_time()
        with pytest.raises(NotListening):
            async with node.transport.request(
                peer.id, [network.nowhere()], "/v1/x", deadline_s=long_s
            ):
                pass
        assert trio.current_time() == start_s + 2


async def test_requests_overtake_each_other(links: MemoryNetwork, network: Network) -> None:
    links.conditions = Conditions(latency_s=(0.0, 1.0))
    witness = Witness()
    sent = [b"%02d" % number for number in range(20)]
    async with paired(network, witness.handle) as pair, trio.open_nursery() as nursery:
        for body in sent:
            nursery.start_soon(outcome, pair, body)
            await trio.testing.wait_all_tasks_blocked()
    assert sorted(witness.bodies) == sent
    assert witness.bodies != sent


async def test_the_pieces_of_a_body_do_not_overtake_each_other(
    links: MemoryNetwork, network: Network
) -> None:
    links.conditions = Conditions(latency_s=(0.0, 1.0))
    pieces = [b"%02d" % number for number in range(20)]
    witness = Witness()

    async def body() -> AsyncIterator[bytes]:
        for each in pieces:
            yield each

    async with paired(network, witness.handle) as pair, pair.ask(body()):
        assert witness.bodies == [b"".join(pieces)]


# Loss and duplication


async def test_a_lost_request_is_not_acted_on(links: MemoryNetwork, network: Network) -> None:
    links.conditions = Conditions(loss=1)
    witness = Witness()
    async with paired(network, witness.handle) as pair:
        start_s = trio.current_time()
        assert await outcome(pair, deadline_s=5) == "DeadlineExceeded"
        assert trio.current_time() == start_s + 5
        assert not witness.bodies
        assert links.traffic.lost == 1
        links.conditions = calm
        await pair.assert_usable()


async def test_a_body_whose_request_was_lost_goes_nowhere(
    links: MemoryNetwork, network: Network
) -> None:
    links.conditions = Conditions(loss=1)
    source = Source()
    witness = Witness()
    async with paired(network, witness.handle) as pair:
        with pytest.raises(DeadlineExceeded):
            async with pair.ask(source.body(), deadline_s=5):
                pass
        assert source.closed.is_set()
        assert source.taken_bytes <= 2 * len(piece)
        assert links.traffic.lost == 1
        assert not witness.bodies


async def test_a_request_is_acted_on_whose_answer_is_lost(
    links: MemoryNetwork, network: Network
) -> None:
    async def lose(_: Incoming) -> Reply:
        links.conditions = Conditions(loss=1)
        return Reply()

    witness = Witness(lose)
    async with paired(network, witness.handle) as pair:
        assert await outcome(pair, b"x") == "DeadlineExceeded"
        assert witness.bodies == [b"x"]
        assert links.traffic.lost == 1


async def test_a_stream_that_has_begun_is_not_lost_by_chance(
    links: MemoryNetwork, network: Network
) -> None:
    async def body() -> AsyncIterator[bytes]:
        links.conditions = Conditions(loss=1)
        for _ in range(4):
            yield piece

    async def handler(_: Incoming) -> Reply:
        return Reply(body=body())

    async with paired(network, handler) as pair:
        assert await outcome(pair) == "answered"


async def test_requests_and_answers_are_lost_as_often_as_stated(
    links: MemoryNetwork, network: Network
) -> None:
    links.conditions = Conditions(loss=0.25)
    witness = Witness()
    async with paired(network, witness.handle) as pair:
        outcomes = [await outcome(pair, deadline_s=0.2) for _ in range(100)]
    assert 60 <= len(witness.bodies) <= 90
    assert 40 <= outcomes.count("answered") < len(witness.bodies)
    assert outcomes.count("answered") + outcomes.count("DeadlineExceeded") == 100
    assert links.traffic.lost == outcomes.count("DeadlineExceeded")


async def test_a_request_that_arrives_twice_is_acted_on_twice_and_answered_once(
    links: MemoryNetwork, network: Network
) -> None:
    links.conditions = Conditions(duplication=1)
    sources: list[Source] = []

    async def stream(_: Incoming) -> Reply:
        sources.append(Source(4))
        return Reply(body=sources[-1].body())

    witness = Witness(stream)
    async with paired(network, witness.handle) as pair:
        async with pair.ask(b"x") as answer:
            assert await answer.read(bulk_bytes) == piece * 4
        links.conditions = calm
        while len(sources) < 2:
            await pair.assert_usable()
        for source in sources:
            await source.closed.wait()
        assert trio.current_time() < links.limits.stall_s
        assert witness.bodies == [b"x", b"x"]
        assert sorted(source.taken_bytes for source in sources) == [len(piece), 4 * len(piece)]
        assert links.traffic.duplicated == 1


async def test_a_body_in_pieces_arrives_once(links: MemoryNetwork, network: Network) -> None:
    links.conditions = Conditions(duplication=1)
    witness = Witness()
    async with paired(network, witness.handle) as pair:
        async with pair.ask(Source(2).body()):
            pass
        assert witness.bodies == [piece * 2]
        assert links.traffic.duplicated == 0


# Serving


async def test_a_node_that_has_not_begun_to_serve_refuses(network: Network) -> None:
    async with network.node(), network.node() as peer:
        with pytest.raises(NotListening, match="refused"):
            async with peer.transport.introduce(
                Address("10.0.0.1", 8770), "/v1/x", deadline_s=long_s
            ):
                pass


async def test_an_address_is_used_by_one_node_only(links: MemoryNetwork, network: Network) -> None:
    async with paired(network, nothing) as pair:
        other = links.transport(NodeId(b"other".ljust(16)), *pair.addresses)
        with pytest.raises(OSError, match="in use"):
            await other.serve(nothing)


async def test_a_request_that_comes_after_the_end_of_serving_is_not_acted_on(
    links: MemoryNetwork, network: Network
) -> None:
    links.conditions = Conditions(latency_s=(0.5, 0.5))
    witness = Witness()
    async with served(network, witness.handle) as service, trio.open_nursery() as nursery:
        ended: list[str] = []

        async def ask() -> None:
            ended.append(await outcome(service.pair))

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        service.stop()
        await service.stopped.wait()
    assert ended == ["Interrupted"]
    assert not witness.bodies


async def test_a_request_is_acted_on_though_its_sender_has_left(
    links: MemoryNetwork, network: Network
) -> None:
    links.conditions = Conditions(latency_s=(1.0, 1.0))
    witness = Witness()
    async with paired(network, witness.handle) as pair:
        assert await outcome(pair, b"x", deadline_s=0.5) == "DeadlineExceeded"
        assert not witness.bodies
        links.conditions = calm
        while not witness.bodies:
            await pair.assert_usable()
        assert witness.bodies == [b"x"]


# Cost


class Counter(trio.abc.Instrument):
    """Counts the tasks that begin."""

    def __init__(self) -> None:
        self.tasks = 0

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.tasks += 1


async def test_an_exchange_costs_one_task_however_large_its_bodies(network: Network) -> None:
    counter = Counter()

    async def handler(incoming: Incoming) -> Reply:
        return Reply(body=await incoming.read(bulk_bytes))

    async with paired(network, handler) as pair:
        trio.lowlevel.add_instrument(counter)
        for body in [b"", bytes(bulk_bytes)]:
            assert await outcome(pair, body) == "answered"
        trio.lowlevel.remove_instrument(counter)
    assert counter.tasks == 2


async def test_a_piece_is_taken_before_the_next_is_made(network: Network) -> None:
    source = Source()

    async def handler(incoming: Incoming) -> Reply:
        await anext(incoming.chunks(bulk_bytes))
        await trio.testing.wait_all_tasks_blocked(0.1)
        assert source.taken_bytes <= 3 * len(piece)
        return Reply()

    async with paired(network, handler) as pair, pair.ask(source.body()) as answer:
        assert answer.status == 200


async def test_a_request_that_has_ended_is_forgotten(network: Network) -> None:
    async with paired(network, nothing) as pair:
        assert await outcome(pair) == "answered"
        assert isinstance(pair.caller.transport, MemoryTransport)
        assert not pair.caller.transport._exchanges


async def test_traffic_is_counted(links: MemoryNetwork, network: Network) -> None:
    async def handler(incoming: Incoming) -> Reply:
        await incoming.read(bulk_bytes)
        return Reply(body=b"answer")

    async with paired(network, handler) as pair:
        assert await outcome(pair, b"question") == "answered"
        async with pair.ask(Source(2).body()):
            pass
    traffic = links.traffic
    assert (traffic.requests, traffic.answers) == (2, 2)
    assert traffic.body_bytes == len("question") + 2 * len(piece) + 2 * len("answer")
    assert (traffic.lost, traffic.duplicated) == (0, 0)


@pytest.mark.parametrize(
    ("knob", "setting"),
    [("latency_s", (1.0, 0.5)), ("latency_s", (-1.0, 0.5)), ("loss", 1.5), ("duplication", -0.1)],
)
def test_conditions_that_are_none_are_refused(knob: str, setting: object) -> None:
    with pytest.raises(ValueError, match=knob):
        Conditions(**{knob: setting})  # type: ignore[arg-type]  # what a caller may do unchecked


# One seed, one course


def course(seed: int, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """Let five nodes gossip over bad links; return what happened, and when."""
    monkeypatch.setattr(_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    _run._r.seed(seed)
    rng = random.Random(seed)
    links = MemoryNetwork(rng, Conditions((0.01, 0.5), loss=0.2, duplication=0.2))
    ids = [NodeId(b"node %011d" % number) for number in range(5)]
    homes = [Address(f"10.0.0.{number}", 8770) for number in range(5)]
    events: list[tuple[float, str]] = []

    def note(what: str) -> None:
        events.append((trio.current_time(), what))

    async def live(me: int) -> None:
        async def handler(incoming: Incoming) -> Reply:
            note(f"{me} was told {(await incoming.read()).decode()}")
            return Reply()

        transport = links.transport(ids[me], homes[me])
        async with trio.open_nursery() as nursery:
            await nursery.start(transport.serve, handler)
            for number in range(10):
                to = rng.randrange(5)
                pair = Pair(Node(ids[me], transport), Node(ids[to], transport), [homes[to]])
                ended = await outcome(pair, b"%d by %d" % (number, me), deadline_s=1.0)
                note(f"{me} asked {to}: {ended}")
            if me == 0:
                links.crash(ids[4])
                links.isolate(ids[3])
            nursery.cancel_scope.cancel()

    async def story() -> None:
        async with trio.open_nursery() as nursery:
            for me in range(5):
                nursery.start_soon(live, me)

    trio.run(story, clock=trio.testing.MockClock(autojump_threshold=0))
    return events


def test_the_seed_alone_decides_what_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert course(1, monkeypatch) == course(1, monkeypatch)
    assert course(1, monkeypatch) != course(2, monkeypatch)
