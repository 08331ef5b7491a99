"""The search: what it finds, for whom it counts, and what it costs."""

import math
import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringrift.players import Player, make_player, uct
from ringrift.players.evaluation import chances
from ringrift.players.match import play
from ringrift.players.uct import Node, UctPlayer, budget_default
from ringrift.rules import (
    Config,
    Move,
    State,
    apply,
    configs,
    initial_state,
    legal_moves,
    outcome,
)
from tests.players.reached import reach
from tests.rules.boards import nobody, position, square8_2p

square8_3p = Config("square8", 3)
seeds = st.integers(0, 2**32 - 1)

win_2p = position("11 . a . . . b .\n.\n.\n2", hand=(1, 1), eliminated=(17, 17))
win_3p = position(
    "11 . a . . . b .\n.\n.\n2 . . . . . . 3",
    square8_3p,
    hand=(1, 1, 1),
    eliminated=(23, 23, 23),
)
loss_2p = position(". 1\n.\n.\n.\n.\n.\n.\n1 . . . . . . 2", eliminated=(0, 17))
"""Player 2 lacks one elimination, and has one ring, in a corner. If the stack at (0, 7) leaves a
marker there, that ring can land on it. The other stack leaves its marker where it does no harm."""
loss_3p = position(". 12\n.\n.\n.\n.\n.\n.\n1 . . . . . . 3", square8_3p, eliminated=(0, 0, 23))
"""The same with player 3 in the corner; player 2, all buried, has no choice in between."""


def nodes(root: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    yield root
    for child in root.children.values():
        yield from nodes(child)


def grown(state: State, visits: int, seed: int = 1) -> Node:
    """Return the root of a tree visited so often."""
    root, rng = Node(state), random.Random(seed)
    for _ in range(visits):
        root.grow(rng)
    return root


@pytest.mark.parametrize("state", [win_2p, win_3p], ids=["2p", "3p"])
@pytest.mark.parametrize("seed", range(2))
def test_it_wins_at_once_where_it_can(state: State, seed: int) -> None:
    chosen = UctPlayer(50).choose(state, random.Random(seed))
    result = outcome(apply(state, chosen))
    assert result is not None
    assert result.winner == 1


@pytest.mark.parametrize("state", [loss_2p, loss_3p], ids=["2p", "3p"])
@pytest.mark.parametrize("seed", range(4))
def test_it_avoids_what_loses_at_once(state: State, seed: int) -> None:
    corner = state.variant.board.cell(0, 7)
    assert {move.origin == corner for move in legal_moves(state)} == {True, False}
    chosen = UctPlayer(150).choose(state, random.Random(seed))
    assert chosen.origin != corner


@pytest.mark.parametrize(("state", "rival"), [(loss_2p, 2), (loss_3p, 3)], ids=["2p", "3p"])
def test_an_opponent_is_expected_to_play_for_themselves(state: State, rival: int) -> None:
    corner = state.variant.board.cell(0, 7)
    blunder = next(move for move in legal_moves(state) if move.origin == corner)
    node = grown(apply(state, blunder), 100)
    assert node.state.player == rival
    expected = node.children[node.most_visited()]
    result = outcome(expected.state)
    assert result is not None
    assert result.winner == rival
    assert expected.value(rival) == 1
    assert node.value(rival) > max(node.value(seat) for seat in (1, 2, 3)[: rival - 1])


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(configs), seeds, st.integers(0, 60))
def test_every_value_is_counted_once_in_every_node_above(
    config: Config, seed: int, moves: int
) -> None:
    root = grown(reach(config, seed, moves), 12, seed)
    for node in nodes(root):
        own_visits = node.visits - sum(child.visits for child in node.children.values())
        assert own_visits == 1 or outcome(node.state) is not None
        for index, value in enumerate(chances(node.state)):
            below = sum(child.totals[index] for child in node.children.values())
            assert math.isclose(node.totals[index], below + own_visits * value)
        assert math.isclose(sum(node.totals), node.visits)


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(configs), seeds, st.integers(0, 60))
def test_nodes_are_choices_or_ends(config: Config, seed: int, moves: int) -> None:
    for node in nodes(grown(reach(config, seed, moves), 6, seed)):
        assert len(legal_moves(node.state)) != 1
        assert all(move in legal_moves(node.state) for move in node.children)


def test_the_budget_limits_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[State] = []

    class Counted(Node):
        def __init__(self, state: State) -> None:
            made.append(state)
            super().__init__(state)

    monkeypatch.setattr(uct, "Node", Counted)
    player, rng = UctPlayer(30), random.Random(1)
    state = initial_state(square8_2p)
    state = apply(state, player.choose(state, rng))
    assert len(made) == 1 + 30
    assert len(legal_moves(state)) > 1
    state = apply(state, player.choose(state, rng))
    assert 1 + 30 < len(made) < 1 + 2 * 30, "the second search does not use the first"
    others = random.Random(2)
    while state.player == 1 or len(legal_moves(state)) == 1:
        state = apply(state, others.choice(legal_moves(state)))
    made.clear()
    UctPlayer(1).choose(state, rng)
    assert len(made) == 2


def test_a_forced_move_costs_nothing() -> None:
    state = position("1 . a . . . b .", hand=nobody, player=2)
    assert len(legal_moves(state)) == 1
    rng = random.Random(1)
    before = rng.getstate()
    assert UctPlayer(10**5).choose(state, rng) == legal_moves(state)[0]
    assert rng.getstate() == before


def test_a_wide_node_is_searched_in_depth_too() -> None:
    root = grown(initial_state(Config("hexagonal", 2)), 31)
    assert len(legal_moves(root.state)) > 1000
    assert len(root.children) == 6


def test_the_move_of_most_visits_is_made_and_the_better_of_equals() -> None:
    root = Node(win_2p)
    moves = legal_moves(win_2p)[:3]
    for move, visits, total in zip(moves, (5, 9, 9), (5.0, 1.0, 2.0), strict=True):
        root.children[move] = child = Node(apply(win_2p, move))
        child.visits, child.totals = visits, [total, visits - total]
    assert root.most_visited() == moves[2]


def test_a_budget_must_be_positive_and_bounded() -> None:
    for budget in (0, -1, 1_000_000):
        with pytest.raises(ValueError, match=f"budget is {budget}; expected 1 to 999999"):
            UctPlayer(budget)


def test_a_name_carries_a_budget() -> None:
    def choices(make: Callable[[], Player]) -> list[Move]:
        return [make().choose(loss_2p, random.Random(seed)) for seed in range(4)]

    few, default = choices(lambda: UctPlayer(2)), choices(lambda: UctPlayer(budget_default))
    assert few != default
    assert choices(lambda: make_player("uct_2")) == few
    assert choices(lambda: make_player("uct")) == default


def test_uct_beats_greedy() -> None:
    config, won = Config("hex8", 2), 0
    for number in range(6):
        seats = ("uct_40", "greedy") if number % 2 else ("greedy", "uct_40")
        _, result = play(config, seats, bytes([number]))
        won += seats[result.winner - 1] == "uct_40"
    assert won >= 5
