"""What holds in every position of every game, whoever plays it."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from ringrift.rules import Config, Move, MoveType, State, apply, configs, legal_moves, outcome
from ringrift.rules.json_move import read_move, write_move
from ringrift.rules.state import cap_height
from tests.rules.walks import opening, walk

small_configs = [config for config in configs if config.board in ("square8", "hex8")]
large_configs = [config for config in configs if config not in small_configs]
seeds = st.integers(0, 2**32 - 1)

steps = {
    MoveType.MOVE_STACK,
    MoveType.OVERTAKING_CAPTURE,
    MoveType.CONTINUE_CAPTURE_SEGMENT,
}


def rings(state: State) -> int:
    """Return how many rings there are, wherever they are."""
    return sum(state.hand) + sum(state.on_board) + sum(state.eliminated)


def progress(state: State) -> int:
    """Return S, section 16 of the rules."""
    return state.marked.bit_count() + state.collapsed.bit_count() + sum(state.eliminated)


def moves_bound(state: State) -> int:
    """Return more moves than a game can have: every round adds to S or collapses cells, and takes
    each player few moves."""
    players = state.variant.config.players
    return 8 * players * (3 * len(state.variant.board.cells) + rings(state))


def check_counts(state: State) -> None:
    """Check that masks and counts agree, and that no cell is two things."""
    seats, stacks = state.variant.seats, state.stacks
    assert sum(1 << cell for cell in stacks) == state.occupied
    for seat in seats:
        controlled = sum(1 << cell for cell, pile in stacks.items() if pile[0] == seat)
        assert state.controlled[seat] == controlled
        assert state.on_board[seat] == sum(pile.count(seat) for pile in stacks.values())
    assert sum(state.markers) == state.marked
    assert sum(state.territory) == state.collapsed
    assert state.occupied + state.marked + state.collapsed == (
        state.occupied | state.marked | state.collapsed
    )
    assert (state.occupied | state.marked | state.collapsed) & ~state.variant.board.all == 0
    assert all(cap_height(pile) >= 1 for pile in stacks.values())


def check_move(before: State, chosen: Move, after: State) -> None:
    """Check what a move may do to the counts of the game."""
    assert rings(after) == rings(before)
    gained = progress(after) - progress(before)
    assert gained == 1 if chosen.type in steps else gained >= 0
    for seat in before.variant.seats:
        assert before.territory[seat] & ~after.territory[seat] == 0
        assert before.eliminated[seat] <= after.eliminated[seat]
        assert after.hand[seat] <= before.hand[seat]
        if seat != before.player:
            assert after.eliminated[seat] == before.eliminated[seat]
            assert after.territory[seat] == before.territory[seat]
            assert after.hand[seat] == before.hand[seat]


def check_options(state: State) -> None:
    """Check that something is offered, and no move twice."""
    options = legal_moves(state)
    assert options
    assert len(set(options)) == len(options)


def check(config: Config, seed: int, moves_max: int | None = None) -> None:
    """Play a game, or its first moves, and check every position and every move."""
    rng = random.Random(seed)
    state = after = opening(config, rng)
    for before, chosen, after in walk(state, rng, moves_max or moves_bound(state)):
        check_options(before)
        check_move(before, chosen, after)
        check_counts(after)
    assert moves_max or outcome(after), "the game does not end"


@given(st.sampled_from(small_configs), seeds)
@settings(max_examples=80, deadline=None)
def test_a_random_game_keeps_the_laws_and_ends(config: Config, seed: int) -> None:
    check(config, seed)


@given(st.sampled_from(large_configs), seeds)
@settings(max_examples=8, deadline=None)
def test_so_do_the_first_moves_on_a_large_board(config: Config, seed: int) -> None:
    check(config, seed, moves_max=100)


@given(st.sampled_from(small_configs), seeds)
@settings(max_examples=15, deadline=None)
def test_every_legal_move_applies_and_leaves_its_state_alone(config: Config, seed: int) -> None:
    rng = random.Random(seed)
    for before, _, _ in walk(opening(config, rng), rng, 200):
        if rng.random() < 0.1:
            untouched = before.copy()
            for option in legal_moves(before):
                after = apply(before, option)
                check_move(before, option, after)
                check_counts(after)
            assert before == untouched


@given(st.sampled_from(configs), seeds)
@settings(max_examples=20, deadline=None)
def test_every_legal_move_reads_back_from_json(config: Config, seed: int) -> None:
    rng = random.Random(seed)
    for before, chosen, _ in walk(opening(config, rng), rng, 40):
        for option in (chosen, *rng.sample(legal_moves(before), 1)):
            assert read_move(before, write_move(before, option)) == option


@given(st.sampled_from(small_configs), seeds)
@settings(max_examples=5, deadline=None)
def test_the_same_choices_lead_to_the_same_game(config: Config, seed: int) -> None:
    first, second = (random.Random(seed) for _ in range(2))
    game = list(walk(opening(config, first), first, 100))
    assert game == list(walk(opening(config, second), second, 100))
