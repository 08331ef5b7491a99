"""What every transport must do: subclass `TransportContract` beside a fixture `network`.

Nothing here knows what carries the bytes. Where a test must wait, it waits for what it is about.
"""

import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator

import pytest
import trio

from p2p.codec import CodecError
from p2p.identity.ids import NodeId
from tests.transports.harness import (
    Network,
    Pair,
    Source,
    bulk_bytes,
    for_ever,
    long_s,
    nothing,
    paired,
    patient,
    piece,
    served,
    short_s,
    under_way_bytes_max,
)
from transports.base import (
    Body,
    DeadlineExceeded,
    Incoming,
    Interrupted,
    NotListening,
    Refused,
    Reply,
    TooLarge,
    Unreachable,
)


class TransportContract:
    # One exchange

    async def test_a_request_brings_its_answer(self, network: Network) -> None:
        async def handler(incoming: Incoming) -> Reply:
            return Reply(201, incoming.path.encode() + await incoming.read())

        async with paired(network, handler) as pair, pair.ask(b" body", path="/v1/some") as answer:
            assert answer.status == 201
            assert await answer.read() == b"/v1/some body"

    async def test_both_sides_know_who_the_other_is(self, network: Network) -> None:
        peers: list[NodeId | None] = []

        async def handler(incoming: Incoming) -> Reply:
            peers.append(incoming.peer)
            return Reply()

        async with paired(network, handler) as pair, pair.ask() as answer:
            assert answer.peer == pair.server.id
            assert peers == [pair.caller.id]

    async def test_an_introduction_tells_who_answered(self, network: Network) -> None:
        async def handler(incoming: Incoming) -> Reply:
            return Reply(body=(incoming.peer or b"") + await incoming.read())

        async with (
            paired(network, handler) as pair,
            pair.caller.transport.introduce(
                pair.addresses[0], "/v1/join", b"hello", deadline_s=long_s
            ) as answer,
        ):
            assert answer.peer == pair.server.id
            assert await answer.read() == pair.caller.id + b"hello"

    @pytest.mark.parametrize("pieces", [[], [b""], [b"a"], [b"", b"ab", b"", b"c"], [piece] * 3])
    async def test_a_body_in_pieces_arrives_whole(
        self, network: Network, pieces: list[bytes]
    ) -> None:
        async def body() -> AsyncIterator[bytes]:
            for each in pieces:
                yield each

        async def handler(incoming: Incoming) -> Reply:
            whole = await incoming.read(bulk_bytes)
            assert whole == b"".join(pieces)
            return Reply(body=body())

        async with paired(network, handler) as pair, pair.ask(body()) as answer:
            assert await answer.read(bulk_bytes) == b"".join(pieces)

    async def test_requests_to_one_peer_run_side_by_side(self, network: Network) -> None:
        waiting = 0
        all_wait = trio.Event()

        async def handler(incoming: Incoming) -> Reply:
            nonlocal waiting
            waiting += 1
            if waiting == 4:
                all_wait.set()
            await all_wait.wait()
            return Reply(body=await incoming.read())

        async def ask(pair: Pair, number: int) -> None:
            async with pair.ask(b"%d" % number) as answer:
                assert await answer.read() == b"%d" % number

        async with paired(network, handler) as pair, trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(ask, pair, number)

    async def test_a_path_that_is_none_is_our_own_fault(self, network: Network) -> None:
        async with paired(network, nothing) as pair:
            for path in ["v1/x", "/v1/x y", "/v1/x?y=1", "/v1/\r\nx: y", "/" + "x" * 300]:
                with pytest.raises(ValueError, match="path"):
                    async with pair.ask(path=path):
                        pass

    # Bulk

    async def test_a_request_streams_no_faster_than_it_is_read(self, network: Network) -> None:
        source = Source()
        gap_bytes_max = 0

        async def handler(incoming: Incoming) -> Reply:
            nonlocal gap_bytes_max
            received_bytes = 0
            async for chunk in incoming.chunks(bulk_bytes):
                received_bytes += len(chunk)
                gap_bytes_max = max(gap_bytes_max, source.taken_bytes - received_bytes)
            return Reply(body=b"%d" % received_bytes)

        async with paired(network, handler) as pair, pair.ask(source.body()) as answer:
            assert await answer.read() == b"%d" % bulk_bytes
        assert gap_bytes_max < under_way_bytes_max

    async def test_an_answer_streams_no_faster_than_it_is_read(self, network: Network) -> None:
        source = Source()

        async def handler(_: Incoming) -> Reply:
            return Reply(body=source.body())

        received_bytes = 0
        async with paired(network, handler) as pair, pair.ask() as answer:
            async for chunk in answer.chunks(bulk_bytes):
                received_bytes += len(chunk)
                assert source.taken_bytes - received_bytes < under_way_bytes_max
        assert received_bytes == bulk_bytes

    async def test_an_answer_may_be_left_half_way(self, network: Network) -> None:
        source = Source()

        async def handler(_: Incoming) -> Reply:
            return Reply(body=source.body())

        async with paired(network, handler) as pair:
            async with pair.ask() as answer:
                await anext(answer.chunks(bulk_bytes))
            await source.closed.wait()
            assert source.taken_bytes < bulk_bytes
            await pair.assert_usable()

    async def test_a_handler_may_answer_before_it_has_read_the_body(self, network: Network) -> None:
        source = Source()

        async def handler(_: Incoming) -> Reply:
            return Reply(507, b"no space left")

        async with paired(network, handler) as pair:
            async with pair.ask(source.body()) as answer:
                assert (answer.status, await answer.read()) == (507, b"no space left")
            assert source.closed.is_set()
            assert source.taken_bytes < bulk_bytes
            await pair.assert_usable()

    # Too much

    async def test_an_answer_larger_than_asked_for_is_not_read(self, network: Network) -> None:
        async def handler(incoming: Incoming) -> Reply:
            return Reply(body=bytes(101) if incoming.path == "/v1/whole" else Source(2).body())

        async with paired(network, handler) as pair:
            for path in ["/v1/whole", "/v1/pieces"]:
                async with pair.ask(path=path) as answer:
                    with pytest.raises(TooLarge, match="100 bytes"):
                        await answer.read(100)
            await pair.assert_usable()

    @pytest.mark.parametrize("streamed", [False, True])
    async def test_a_body_larger_than_the_handler_takes_is_refused(
        self, network: Network, streamed: bool
    ) -> None:
        async def handler(incoming: Incoming) -> Reply:
            return Reply(body=await incoming.read())

        async with paired(network, handler) as pair:
            body: Body = Source().body() if streamed else bytes(bulk_bytes)
            async with pair.ask(body) as answer:
                assert answer.status == 413
                assert b"65536 bytes" in await answer.read()
            await pair.assert_usable()

    # Faults

    async def test_a_message_that_cannot_be_decoded_is_the_senders_fault(
        self, network: Network, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def handler(_: Incoming) -> Reply:
            raise CodecError("field 3 is no number")

        async with paired(network, handler) as pair, pair.ask(b"?") as answer:
            assert answer.status == 400
            assert await answer.read() == b"field 3 is no number\n"
        assert not caplog.records

    async def test_a_fault_is_told_in_so_many_words(self, network: Network) -> None:
        async def handler(_: Incoming) -> Reply:
            raise CodecError("x" * 5000)

        async with paired(network, handler) as pair, pair.ask() as answer:
            assert await answer.read() == b"x" * 1024 + b"\n"

    async def test_a_handlers_bug_is_logged_and_harms_no_other_request(
        self, network: Network, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def handler(_: Incoming) -> Reply:
            raise KeyError("bug")

        async with paired(network, handler) as pair:
            async with pair.ask(path="/v1/bug") as answer:
                assert answer.status == 500
                assert b"bug" not in await answer.read()
            await pair.assert_usable()
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert "/v1/bug" in record.getMessage()
        assert record.exc_info is not None
        assert record.exc_info[0] is KeyError

    async def test_an_error_from_another_exchange_is_not_blamed_on_the_sender(
        self, network: Network, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def handler(_: Incoming) -> Reply:
            raise TooLarge("what a third node said")

        async with paired(network, handler) as pair, pair.ask() as answer:
            assert answer.status == 500
        assert len(caplog.records) == 1

    async def test_an_answer_that_breaks_off_is_not_taken_for_whole(
        self, network: Network, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield piece
            raise KeyError("bug")

        async def handler(_: Incoming) -> Reply:
            return Reply(body=pieces())

        async with paired(network, handler) as pair:
            async with pair.ask() as answer:
                with pytest.raises(Interrupted):
                    await answer.read(bulk_bytes)
            await pair.assert_usable()
        assert len(caplog.records) == 1

    async def test_a_body_that_breaks_off_is_not_taken_for_whole(self, network: Network) -> None:
        outcome: list[Exception] = []
        reading = trio.Event()
        over = trio.Event()

        async def handler(incoming: Incoming) -> Reply:
            try:
                async for _ in incoming.chunks(bulk_bytes):
                    reading.set()
            except Interrupted as error:
                outcome.append(error)
                raise
            finally:
                over.set()
            return Reply()

        async def pieces() -> AsyncIterator[bytes]:
            yield piece
            await reading.wait()
            raise KeyError("the sender's own bug")

        async with paired(network, handler) as pair:
            with pytest.raises(KeyError):
                async with pair.ask(pieces()):
                    pass
            await over.wait()
            assert outcome
            await pair.assert_usable()

    @pytest.mark.parametrize("reason", ["revoked", "\N{NO ENTRY SIGN}" * 1024])
    async def test_a_sender_that_is_not_welcome_is_refused(
        self, network: Network, reason: str
    ) -> None:
        async def handler(_: Incoming) -> Reply:
            return Reply(403, f"{reason}\n".encode())

        async with paired(network, handler) as pair:
            with pytest.raises(Refused, match=rf"^the peer refused us: {reason}\Z"):
                async with pair.ask():
                    pass

    # Finding the peer

    async def test_a_killed_agent_is_told_from_a_lost_box(self, network: Network) -> None:
        async with network.node() as node, network.node() as peer, network.silence() as silent:
            with pytest.raises(NotListening):
                async with node.transport.request(
                    peer.id, [network.nowhere()], "/v1/x", deadline_s=long_s
                ):
                    pass
            for addresses in [[silent], [network.nowhere(), silent], [silent, network.nowhere()]]:
                with pytest.raises(Unreachable) as caught:
                    async with node.transport.request(
                        peer.id, addresses, "/v1/x", deadline_s=short_s
                    ):
                        pass
                assert not isinstance(caught.value, NotListening)

    async def test_a_node_without_address_is_unreachable(self, network: Network) -> None:
        async with network.node() as node, network.node() as peer:
            with pytest.raises(Unreachable, match="no address"):
                async with node.transport.request(peer.id, [], "/v1/x", deadline_s=long_s):
                    pass

    async def test_nobody_is_introduced_where_nobody_listens(self, network: Network) -> None:
        async with network.node() as node:
            with pytest.raises(NotListening):
                async with node.transport.introduce(
                    network.nowhere(), "/v1/join", deadline_s=long_s
                ):
                    pass

    async def test_the_right_node_is_found_behind_any_of_its_addresses(
        self, network: Network
    ) -> None:
        async with (
            paired(network, nothing) as pair,
            paired(network, for_ever) as other,
            network.silence() as silent,
        ):
            addresses = [network.nowhere(), silent, *other.addresses, *pair.addresses]
            async with pair.caller.transport.request(
                pair.server.id, addresses, "/v1/x", deadline_s=long_s
            ) as answer:
                assert answer.peer == pair.server.id

    async def test_the_wrong_node_is_told_nothing(self, network: Network) -> None:
        asked = False

        async def handler(_: Incoming) -> Reply:
            nonlocal asked
            asked = True
            return Reply()

        async with paired(network, handler) as pair, network.node() as other:
            with pytest.raises(Refused):
                async with pair.caller.transport.request(
                    other.id, pair.addresses, "/v1/secret", deadline_s=long_s
                ):
                    pass
            assert not asked
            with pytest.raises(Unreachable):
                async with pair.caller.transport.request(
                    other.id, [*pair.addresses, network.nowhere()], "/v1/x", deadline_s=long_s
                ):
                    pass
            await pair.assert_usable()

    # Deadlines and cancellation

    async def test_a_deadline_covers_the_handler(self, network: Network) -> None:
        async with paired(network, for_ever) as pair:
            await pair.assert_usable()
            with pytest.raises(DeadlineExceeded):
                async with pair.ask(deadline_s=short_s):
                    pass
            await pair.assert_usable()

    async def test_a_handler_that_takes_too_long_is_stopped(
        self, network: Network, caplog: pytest.LogCaptureFixture
    ) -> None:
        network.limits = dataclasses.replace(network.limits, request_s=short_s)
        async with paired(network, for_ever) as pair:
            async with pair.ask() as answer:
                assert answer.status == 503
                assert await answer.read() == b"the request took longer than %.1f s\n" % short_s
            await pair.assert_usable()
        assert f"/v1/test took more than {short_s} s" in caplog.text

    async def test_a_deadline_covers_the_block_that_reads(self, network: Network) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield piece
            await trio.sleep_forever()

        async def handler(_: Incoming) -> Reply:
            return Reply(body=pieces())

        async with paired(network, handler) as pair:
            await pair.assert_usable()
            with pytest.raises(DeadlineExceeded):
                async with pair.ask(deadline_s=short_s) as answer:
                    await answer.read(bulk_bytes)
            await pair.assert_usable()  # so that the deadline need not cover a handshake
            with pytest.raises(DeadlineExceeded):
                async with pair.ask(deadline_s=short_s):
                    await trio.sleep_forever()
            await pair.assert_usable()

    async def test_a_deadline_covers_the_body(self, network: Network) -> None:
        begun = closed = False

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal begun, closed
            begun = True
            try:
                yield piece
                await trio.sleep_forever()
            finally:
                closed = True

        async def handler(incoming: Incoming) -> Reply:
            return Reply(body=await incoming.read(bulk_bytes))

        async with paired(network, handler) as pair:
            await pair.assert_usable()
            with pytest.raises(DeadlineExceeded):
                async with pair.ask(pieces(), deadline_s=short_s):
                    pass
            assert closed == begun  # on a slow machine the deadline may come first
            await pair.assert_usable()

    async def test_a_cancelled_request_leaves_the_transport_usable(self, network: Network) -> None:
        asked = trio.Event()

        async def handler(_: Incoming) -> Reply:
            asked.set()
            return await for_ever(_)

        async def ask(pair: Pair) -> None:
            async with pair.ask(b"x"):
                pass

        async with paired(network, handler) as pair:
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(ask, pair)
                await asked.wait()
                nursery.cancel_scope.cancel()
            await pair.assert_usable()

    async def test_an_error_in_the_block_leaves_the_transport_usable(
        self, network: Network
    ) -> None:
        async def handler(_: Incoming) -> Reply:
            return Reply(body=Source().body())

        async with paired(network, handler) as pair:
            with pytest.raises(KeyError):
                async with pair.ask():
                    raise KeyError("the caller's own")
            await pair.assert_usable()

    # The end

    async def test_whatever_peers_do_serving_ends_after_a_moment(self, network: Network) -> None:
        network.limits = patient
        paths = {"/v1/unread", "/v1/body", "/v1/silent"}
        all_started = trio.Event()
        ended = trio.Event()

        async def handler(incoming: Incoming) -> Reply:
            paths.discard(incoming.path)
            if not paths:
                all_started.set()
            if incoming.path == "/v1/unread":
                return Reply(body=Source(1 << 20).body())
            async for _ in incoming.chunks(1 << 40):
                pass
            return await for_ever(incoming)

        async def ask(pair: Pair, path: str, body: Body) -> None:
            with contextlib.suppress(Interrupted):
                async with pair.ask(body, path=path) as answer:
                    await ended.wait()
                    with pytest.raises(Interrupted):
                        await answer.read(1 << 40)
                return
            assert path != "/v1/unread"

        async with served(network, handler) as service, trio.open_nursery() as nursery:
            nursery.start_soon(ask, service.pair, "/v1/unread", b"")
            nursery.start_soon(ask, service.pair, "/v1/body", Source(1 << 20).body())
            nursery.start_soon(ask, service.pair, "/v1/silent", b"")
            await all_started.wait()
            service.stop()
            await service.stopped.wait()
            ended.set()

    @pytest.mark.parametrize("before", [0, 1, 4])
    async def test_requests_under_way_get_their_moment_however_many_came_before(
        self, network: Network, before: int
    ) -> None:
        network.limits = dataclasses.replace(network.limits, grace_s=long_s)
        turns = [trio.Event() for _ in range(4)]
        all_asked = trio.Event()
        asked = 0

        async def handler(incoming: Incoming) -> Reply:
            nonlocal asked
            asked += 1
            if asked == len(turns):
                all_asked.set()
            await turns[int(await incoming.read())].wait()
            return Reply(body=b"in time")

        async def ask(pair: Pair, turn: int) -> None:
            async with pair.ask(b"%d" % turn) as answer:
                assert await answer.read() == b"in time"
            for following in turns[turn + 1 : turn + 2]:
                following.set()

        async with served(network, handler) as service, trio.open_nursery() as nursery:
            for _ in range(before):
                await service.pair.assert_usable()
            for turn in range(len(turns)):
                nursery.start_soon(ask, service.pair, turn)
            await all_asked.wait()
            service.stop()
            turns[0].set()
            await service.stopped.wait()

    async def test_nothing_is_served_after_serving_has_ended(self, network: Network) -> None:
        async with served(network, nothing) as service:
            await service.pair.assert_usable()
            service.stop()
            await service.stopped.wait()
            with pytest.raises(NotListening):
                await service.pair.assert_usable()

    async def test_closing_a_transport_ends_its_requests(self, network: Network) -> None:
        asked = trio.Event()

        async def handler(incoming: Incoming) -> Reply:
            asked.set()
            return await for_ever(incoming)

        async def ask(pair: Pair) -> None:
            with pytest.raises(Interrupted):
                async with pair.ask():
                    pass

        async def introduce(pair: Pair) -> None:
            with pytest.raises(Interrupted):
                async with pair.caller.transport.introduce(
                    pair.addresses[0], "/v1/test", deadline_s=long_s
                ):
                    pass

        async with paired(network, handler) as pair, trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask, pair)
            nursery.start_soon(introduce, pair)
            await asked.wait()
            await pair.caller.transport.aclose()

    async def test_a_closed_transport_asks_nobody(self, network: Network) -> None:
        async with paired(network, nothing) as pair:
            await pair.assert_usable()
            await pair.caller.transport.aclose()
            with pytest.raises(RuntimeError, match="the transport is closed"):
                await pair.assert_usable()
