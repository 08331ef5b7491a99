"""What links in memory do that are cut, and nodes that crash."""

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from tests.rig import pass_s
from tests.transports.harness import (
    Network,
    Pair,
    Source,
    bulk_bytes,
    for_ever,
    long_s,
    nothing,
    paired,
    piece,
    served,
)
from tests.transports.memory.village import Witness, outcome
from transports.base import (
    Address,
    DeadlineExceeded,
    Incoming,
    Interrupted,
    NotListening,
    Reply,
)
from transports.memory import Conditions, MemoryNetwork

pytestmark = pytest.mark.anyio


async def test_nothing_passes_a_cut_one_way(links: MemoryNetwork, network: Network) -> None:
    witness = Witness()
    async with paired(network, witness.handle) as pair:
        here, there = pair.caller.id, pair.server.id
        links.cut(here, there)
        assert await outcome(pair, b"never heard") == "DeadlineExceeded"
        links.mend(here, there)
        links.cut(there, here)
        assert await outcome(pair, b"heard") == "DeadlineExceeded"
        assert witness.bodies == [b"heard"]
        assert links.traffic.lost == 2
        links.mend(there, here)
        assert await outcome(pair, b"again") == "answered"


async def test_an_isolated_node_reaches_nobody_until_all_is_healed(
    links: MemoryNetwork, network: Network
) -> None:
    witness = Witness()
    async with paired(network, witness.handle) as pair, paired(network, nothing) as other:
        links.isolate(pair.caller.id)
        assert await outcome(pair) == "DeadlineExceeded"
        assert await outcome(other) == "answered"
        links.heal()
        links.isolate(pair.server.id)
        links.cut(pair.caller.id, pair.server.id)
        assert await outcome(pair) == "DeadlineExceeded"
        assert not witness.bodies
        links.heal()
        assert await outcome(pair) == "answered"


async def test_an_isolated_node_reaches_itself(links: MemoryNetwork, network: Network) -> None:
    async with paired(network, nothing) as pair:
        links.isolate(pair.server.id)
        assert await outcome(Pair(pair.server, pair.server, pair.addresses)) == "answered"


@pytest.mark.parametrize("way", [0, 1])
async def test_a_dead_node_behind_a_cut_is_silent(
    links: MemoryNetwork, network: Network, way: int
) -> None:
    async with served(network, nothing) as service:
        service.stop()
        await service.stopped.wait()
        ends = [service.pair.caller.id, service.pair.server.id]
        links.cut(ends[way], ends[1 - way])
        assert await outcome(service.pair) == "Unreachable"
        links.heal()
        assert await outcome(service.pair) == "NotListening"


@pytest.mark.parametrize(("cut_s", "mended_s"), [(0.5, 1.5), (1.5, 2.5)])
async def test_a_cut_catches_what_sets_out_meanwhile_or_would_have_arrived(
    links: MemoryNetwork, network: Network, cut_s: float, mended_s: float
) -> None:
    links.conditions = Conditions(latency_s=(1.0, 1.0))
    witness = Witness()

    async def set_out_at_1_and_arrive_at_2() -> None:
        await pass_s(1.0)
        assert await outcome(pair) == "DeadlineExceeded"

    async def meddle() -> None:
        await pass_s(cut_s)
        links.cut(pair.caller.id, pair.server.id)
        await pass_s(mended_s - cut_s)
        links.mend(pair.caller.id, pair.server.id)

    async with paired(network, witness.handle) as pair, trio.open_nursery() as nursery:
        nursery.start_soon(set_out_at_1_and_arrive_at_2)
        nursery.start_soon(meddle)
    assert not witness.bodies


async def test_a_cut_in_the_middle_of_a_request_leaves_both_ends_waiting(
    links: MemoryNetwork, network: Network
) -> None:
    over = trio.Event()
    got_bytes = 0

    async def handler(incoming: Incoming) -> Reply:
        nonlocal got_bytes
        try:
            async for chunk in incoming.chunks(bulk_bytes):
                got_bytes += len(chunk)
                if got_bytes == 4 * len(piece):
                    links.cut(pair.caller.id, pair.server.id)
        except DeadlineExceeded:
            over.set()
            raise
        return Reply()

    source = Source(8)
    async with paired(network, handler) as pair:
        start_s = trio.current_time()
        with pytest.raises(DeadlineExceeded):
            async with pair.ask(source.body(), deadline_s=5):
                pass
        assert trio.current_time() == start_s + 5
        links.heal()
        await pair.assert_usable()
        await over.wait()
        assert trio.current_time() == pytest.approx(start_s + links.limits.stall_s, abs=0.1)
    assert got_bytes == 4 * len(piece)


async def test_a_cut_in_the_middle_of_an_answer_leaves_both_ends_waiting(
    links: MemoryNetwork, network: Network
) -> None:
    source = Source(8)

    async def handler(_: Incoming) -> Reply:
        return Reply(body=source.body())

    async def read_on(pair: Pair) -> None:
        async with pair.ask(deadline_s=5) as answer:
            await anext(answer.chunks(bulk_bytes))
            links.isolate(pair.server.id)
            await answer.read(bulk_bytes)

    async with paired(network, handler) as pair:
        start_s = trio.current_time()
        with pytest.raises(DeadlineExceeded):
            await read_on(pair)
        assert trio.current_time() == start_s + 5
        assert not source.closed.is_set()
        links.heal()
        await pair.assert_usable()
        await source.closed.wait()
        assert trio.current_time() == pytest.approx(start_s + links.limits.stall_s, abs=0.1)


async def test_a_cut_before_the_end_of_an_answer_leaves_its_reader_waiting(
    links: MemoryNetwork, network: Network
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield piece
        links.cut(pair.server.id, pair.caller.id)

    async def handler(_: Incoming) -> Reply:
        return Reply(body=body())

    async with paired(network, handler) as pair:
        assert await outcome(pair) == "DeadlineExceeded"


# Crashes


async def test_whoever_waits_for_a_node_that_crashes_is_interrupted(
    links: MemoryNetwork, network: Network
) -> None:
    over = trio.Event()

    async def handler(incoming: Incoming) -> Reply:
        links.crash(pair.server.id)
        try:
            return await for_ever(incoming)
        finally:
            over.set()

    async with paired(network, handler) as pair:
        start_s = trio.current_time()
        assert await outcome(pair) == "Interrupted"
        assert trio.current_time() < start_s + 1
        await over.wait()
        assert trio.current_time() < start_s + 1
        assert await outcome(pair) == "NotListening"


async def test_an_answer_whose_sender_crashes_breaks_off(
    links: MemoryNetwork, network: Network
) -> None:
    source = Source()

    async def handler(_: Incoming) -> Reply:
        return Reply(body=source.body())

    async with paired(network, handler) as pair, pair.ask() as answer:
        await anext(answer.chunks(bulk_bytes))
        links.crash(pair.server.id)
        with pytest.raises(Interrupted):
            await answer.read(bulk_bytes)
        await source.closed.wait()


async def test_a_request_whose_reader_crashes_is_interrupted(
    links: MemoryNetwork, network: Network
) -> None:
    async def handler(incoming: Incoming) -> Reply:
        await anext(incoming.chunks(bulk_bytes))
        links.crash(pair.server.id)
        return Reply(body=await incoming.read(bulk_bytes))

    source = Source()
    async with paired(network, handler) as pair:
        with pytest.raises(Interrupted):
            async with pair.ask(source.body()):
                pass
        assert source.taken_bytes < bulk_bytes


async def test_a_crashed_caller_is_noticed_by_the_handler_and_hears_nothing(
    links: MemoryNetwork, network: Network
) -> None:
    noticed: list[float] = []

    async def handler(incoming: Incoming) -> Reply:
        try:
            await incoming.read(bulk_bytes)
        except Interrupted:
            noticed.append(trio.current_time())
            raise
        return Reply()

    async def body() -> AsyncIterator[bytes]:
        yield piece
        links.crash(pair.caller.id)
        yield piece

    async with paired(network, handler) as pair:
        start_s = trio.current_time()
        with pytest.raises(DeadlineExceeded):
            async with pair.ask(body(), deadline_s=5):
                pass
        assert trio.current_time() == start_s + 5
        assert noticed[0] < start_s + 1
        assert await outcome(pair) == "Unreachable"
        assert trio.current_time() == start_s + 10


async def test_a_caller_that_has_crashed_asks_nobody(
    links: MemoryNetwork, network: Network
) -> None:
    links.conditions = Conditions(latency_s=(1.0, 1.0))
    witness = Witness()

    async def crash() -> None:
        await pass_s(1.5)
        links.crash(pair.caller.id)

    async with paired(network, witness.handle) as pair, trio.open_nursery() as nursery:
        nursery.start_soon(crash)
        detour = Pair(pair.caller, pair.server, [network.nowhere(), *pair.addresses])
        assert await outcome(detour) == "DeadlineExceeded"
        assert not witness.bodies


async def test_a_crash_behind_a_cut_is_not_noticed(links: MemoryNetwork, network: Network) -> None:
    async def handler(incoming: Incoming) -> Reply:
        links.cut(pair.server.id, pair.caller.id)
        links.crash(pair.server.id)
        return await for_ever(incoming)

    async with paired(network, handler) as pair:
        assert await outcome(pair) == "DeadlineExceeded"


async def test_a_crashed_node_may_live_again_at_the_same_address(
    links: MemoryNetwork, network: Network
) -> None:
    async with paired(network, for_ever) as pair, trio.open_nursery() as nursery:
        again = links.transport(pair.server.id, *pair.addresses)
        assert await outcome(pair) == "NotListening"
        await nursery.start(again.serve, nothing)
        assert await outcome(pair) == "answered"
        nursery.cancel_scope.cancel()


async def test_the_tasks_of_a_crashed_node_serve_nobody(
    links: MemoryNetwork, network: Network
) -> None:
    async with network.node() as dead, network.node() as peer, trio.open_nursery() as nursery:
        links.crash(dead.id)
        nursery.start_soon(dead.transport.serve, nothing)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(NotListening):
            async with peer.transport.introduce(
                Address("10.0.0.1", 8770), "/v1/x", deadline_s=long_s
            ):
                pass
        nursery.cancel_scope.cancel()
