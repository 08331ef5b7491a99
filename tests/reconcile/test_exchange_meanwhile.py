"""Whatever happens while two stores compare, nothing is lost and the next exchange converges."""

import contextlib
import dataclasses
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2p.envelope import RecordId, record_id
from p2p.reconcile import ping
from tests.reconcile.peers import Course, Cut, Peer, exchange, make, pairs, rngs


@given(pairs(), st.integers(0, 14), rngs)
@settings(max_examples=25, deadline=None)
def test_after_a_cut_at_any_message_the_next_exchange_converges(
    pair: tuple[Peer, Peer], cut_at: int, rng: random.Random
) -> None:
    ours, theirs = pair
    had, they_had = ours.known, theirs.known

    def cut(message: int) -> None:
        if message == cut_at:
            raise Cut

    course = Course(ours, theirs, rng)
    try:
        course.run(cut)
    except Cut:
        assert not course.seen.outcome.complete
    assert ours.known >= had
    assert theirs.known >= they_had
    exchange(ours, theirs, rng)
    assert ours.known == theirs.known == had | they_had


@given(pairs(), rngs)
@settings(max_examples=15, deadline=None)
def test_messages_and_records_that_arrive_twice_do_no_harm(
    pair: tuple[Peer, Peer], rng: random.Random
) -> None:
    ours, theirs = pair
    union = ours.known | theirs.known
    seen = Course(ours, theirs, rng, copies=2).run()
    assert seen.outcome.complete
    assert seen.outcome.proves_copies
    assert ours.known == theirs.known == union


@given(pairs(), st.lists(st.integers(0, 9), min_size=1, max_size=9), rngs)
@settings(max_examples=25, deadline=None)
def test_after_answers_that_come_late_the_next_exchange_converges(
    pair: tuple[Peer, Peer], late: list[int], rng: random.Random
) -> None:
    ours, theirs = pair
    had, they_had = ours.known, theirs.known
    old: list[bytes] = []

    def remember(answer: bytes) -> bytes:
        old.append(answer)
        return answer

    with contextlib.suppress(StopIteration):
        course = Course(ours, theirs, rng, tamper=remember).messages()
        for _ in range(6):  # and then it is given up
            next(course)
    turns = iter(late)

    def mix(answer: bytes) -> bytes:
        turn = next(turns, 0)
        return old[turn % len(old)] if turn else answer

    seen = Course(ours, theirs, rng, tamper=mix).run()
    assert seen.outcome.reason or ours.known == theirs.known
    assert ours.known >= had
    assert theirs.known >= they_had
    assert ours.known | theirs.known == had | they_had
    exchange(ours, theirs, rng)
    assert ours.known == theirs.known == had | they_had


@given(pairs(), st.booleans(), rngs)
@settings(max_examples=12, deadline=None)
def test_records_that_arrive_meanwhile_do_no_harm(
    pair: tuple[Peer, Peer], same: bool, rng: random.Random
) -> None:
    ours, theirs = pair
    union = ours.known | theirs.known
    segments = rng.choice([1, 3])

    def produce(message: int) -> None:
        first = 20_000 + 100 * message
        ours.ingest([make(first + i, segments) for i in range(5)], 0)
        their_first = first if same else first + 3
        theirs.ingest([make(their_first + i, segments) for i in range(8)], 0)

    held_then = ours.known
    seen = exchange(ours, theirs, rng, before=produce)
    assert ours.known >= union
    assert theirs.known >= union
    later = [record_id(make(serial)) for serial in range(20_000, 22_000)]
    assert not set(seen.given).intersection(later)
    assert not set(seen.taken).intersection(later[100:])  # the first came before the first answer
    assert seen.outcome.proves_copies
    assert theirs.known >= held_then
    exchange(theirs, ours, rng)
    assert ours.known == theirs.known


@dataclasses.dataclass
class Running:
    """An exchange that is under way."""

    ours: Peer
    theirs: Peer
    course: Course
    messages: Iterator[int]
    known_at_start: set[RecordId]

    @classmethod
    def begin(cls, ours: Peer, theirs: Peer, rng: random.Random) -> "Running":
        course = Course(ours, theirs, rng)
        return cls(ours, theirs, course, course.messages(), ours.known)

    def advance(self) -> bool:
        """Move one message; tell whether there are more. At the end, check what it has proved."""
        if next(self.messages, None) is not None:
            return True
        assert self.course.seen.outcome.proves_copies
        assert self.theirs.known >= self.known_at_start
        return False


stores = st.integers(0, 2)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), stores, stores),
        *[st.tuples(st.just("advance"), st.integers(0, 30), st.integers(1, 4))] * 3,
        st.tuples(st.just("produce"), stores, st.integers(1, 20)),
        st.tuples(st.just("push"), stores, stores),
        st.tuples(st.just("drop"), st.integers(0, 30), st.just(0)),
    ),
    max_size=40,
)


@given(actions, st.sampled_from([0, 30, 700]), rngs)
@settings(max_examples=40, deadline=None)
def test_exchanges_between_three_stores_at_once_do_no_harm(
    script: list[tuple[str, int, int]], shared: int, rng: random.Random
) -> None:
    base = [make(serial, 2) for serial in range(shared)]
    peers = [
        Peer(n, base + [make(8000 + 50 * n + i, 2) for i in range(20 + 10 * n)]) for n in range(3)
    ]
    running = [Running.begin(peers[one], peers[other], rng) for one, other in [(0, 1), (1, 0)]]
    serial = 9000
    for action, one, other in script:
        match action:
            case "begin" if one != other:
                running.append(Running.begin(peers[one], peers[other], rng))
            case "advance" if running:
                chosen = running[one % len(running)]
                if not all(chosen.advance() for _ in range(other)):
                    running.remove(chosen)
            case "produce":
                peers[one].ingest([make(serial + i, 2) for i in range(other)], 0)
                serial += other
            case "push":
                newest = [row.id for row in peers[one].rows[-30:]]
                peers[other].ingest(peers[one].bodies(newest).values(), 0)
            case "drop" if running:
                del running[one % len(running)]
    for left in running:
        while left.advance():
            pass
    union = set().union(*(peer.known for peer in peers))
    for one, other in [(0, 1), (1, 2), (0, 1)]:
        exchange(peers[one], peers[other], rng)
    assert [peer.known for peer in peers] == [union] * 3


Graph = tuple[int, list[tuple[int, int]]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A connected graph: its number of nodes, and its edges in the order of their exchanges."""
    nodes = draw(st.integers(2, 8))
    kind = draw(st.sampled_from(["path", "ring", "star", "complete", "tree and more"]))
    edges = {
        "path": [(node - 1, node) for node in range(1, nodes)],
        "ring": [(node - 1, node) for node in range(1, nodes)] + [(nodes - 1, 0)],
        "star": [(0, node) for node in range(1, nodes)],
        "complete": [(one, other) for one in range(nodes) for other in range(one)],
    }.get(kind, [])
    if not edges:
        edges = [(node, draw(st.integers(0, node - 1))) for node in range(1, nodes)]
        more = st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1))
        edges += [(a, b) for a, b in draw(st.lists(more, max_size=3)) if a != b]
    turned = [(b, a) if draw(st.booleans()) else (a, b) for a, b in edges]
    return nodes, draw(st.permutations(turned))


def diameter(graph: Graph) -> int:
    """Return the number of edges between the two nodes that are furthest apart."""
    nodes, edges = graph
    reached = [{node} for node in range(nodes)]
    rounds = 0
    while any(len(found) < nodes for found in reached):
        now = [set(found) for found in reached]
        for one, other in edges:
            now[one] |= reached[other]
            now[other] |= reached[one]
        reached = now
        rounds += 1
    return rounds


def rounds_of_exchanges(graph: Graph, rounds: int, rng: random.Random) -> list[Peer]:
    """Return the stores of a graph after so many rounds: one exchange over each edge."""
    nodes, edges = graph
    peers = [Peer(node) for node in range(nodes)]
    for serial in range(60):
        peers[serial % nodes if serial < nodes else rng.randrange(nodes)].ingest(
            [make(serial, 5)], 0
        )
    for _ in range(rounds):
        for one, other in edges:
            exchange(peers[one], peers[other], rng)
    return peers


@given(graphs(), rngs)
@settings(max_examples=20, deadline=None)
def test_stores_on_a_connected_graph_are_equal_after_as_many_rounds_as_its_diameter(
    graph: Graph, rng: random.Random
) -> None:
    peers = rounds_of_exchanges(graph, diameter(graph), rng)
    assert {len(peer.known) for peer in peers} == {60}
    assert len({ping(peer.view()).known for peer in peers}) == 1


@pytest.mark.parametrize(("rounds", "equal"), [(4, False), (5, True)])
def test_no_fewer_rounds_suffice_for_every_order(rounds: int, equal: bool) -> None:
    against_the_way: Graph = 6, [(node - 1, node) for node in reversed(range(1, 6))]
    assert diameter(against_the_way) == 5
    peers = rounds_of_exchanges(against_the_way, rounds, random.Random(1))
    assert ({len(peer.known) for peer in peers} == {60}) == equal
