"""What holds in every position of every game, whoever plays it."""

import random
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from ringrift.rules import (
    Config,
    Move,
    MoveType,
    State,
    apply,
    configs,
    initial_state,
    legal_moves,
    outcome,
)
from ringrift.rules.json_move import read_move, write_move
from ringrift.rules.json_state import read_state, write_state
from ringrift.rules.state import cap_height
from tests.rules.boards import square8_2p

small_configs = [config for config in configs if config.board in ("square8", "hex8")]
large_configs = [config for config in configs if config not in small_configs]
seeds = st.integers(0, 2**32 - 1)

no_actions = {
    MoveType.NO_PLACEMENT_ACTION,
    MoveType.NO_MOVEMENT_ACTION,
    MoveType.NO_LINE_ACTION,
    MoveType.NO_TERRITORY_ACTION,
}
steps = {
    MoveType.MOVE_STACK,
    MoveType.OVERTAKING_CAPTURE,
    MoveType.CONTINUE_CAPTURE_SEGMENT,
}


def walk(config: Config, seed: int) -> Iterator[tuple[State, Move, State]]:
    """Yield every move of a random game with the states before and after it.

    Every round adds to S or collapses cells, and takes each player few moves: so games end.
    """
    rng = random.Random(seed)
    state = initial_state(config)
    cells = len(state.variant.board.cells)
    moves_left = 8 * config.players * (3 * cells + config.players * config.rings)
    while outcome(state) is None:
        moves_left -= 1
        assert moves_left > 0, "the game does not end"
        chosen = rng.choice(legal_moves(state))
        after = apply(state, chosen)
        yield state, chosen, after
        state = after


def progress(state: State) -> int:
    """Return S, section 16 of the rules."""
    return state.marked.bit_count() + state.collapsed.bit_count() + sum(state.eliminated)


def check_counts(state: State) -> None:
    """Check that masks and counts agree, that no cell is two things and that no ring is lost."""
    seats, stacks = state.variant.seats, state.stacks
    assert sum(1 << cell for cell in stacks) == state.occupied
    for seat in seats:
        controlled = sum(1 << cell for cell, rings in stacks.items() if rings[0] == seat)
        assert state.controlled[seat] == controlled
        assert state.on_board[seat] == sum(rings.count(seat) for rings in stacks.values())
    assert sum(state.markers) == state.marked
    assert sum(state.territory) == state.collapsed
    assert state.occupied + state.marked + state.collapsed == (
        state.occupied | state.marked | state.collapsed
    )
    assert (state.occupied | state.marked | state.collapsed) & ~state.variant.board.all == 0
    assert sum(state.hand) + sum(state.on_board) + sum(state.eliminated) == (
        len(seats) * state.variant.rings
    )
    assert all(cap_height(rings) >= 1 for rings in stacks.values())


def check_move(before: State, chosen: Move, after: State) -> None:
    """Check what a move may do to the counts of the game."""
    gained = progress(after) - progress(before)
    assert gained == 1 if chosen.type in steps else gained >= 0
    for seat in before.variant.seats:
        assert before.territory[seat] & ~after.territory[seat] == 0
        assert before.eliminated[seat] <= after.eliminated[seat]
        assert after.hand[seat] <= before.hand[seat]


def check_options(state: State) -> None:
    """Check what is offered: something, no move twice, and no action only where nothing is."""
    options = legal_moves(state)
    assert options
    assert len(set(options)) == len(options)
    if no_actions & {option.type for option in options}:
        assert len(options) == 1


@given(st.sampled_from(small_configs), seeds)
@settings(max_examples=60, deadline=None)
def test_a_random_game_keeps_the_laws_and_ends(config: Config, seed: int) -> None:
    for before, chosen, after in walk(config, seed):
        check_options(before)
        check_move(before, chosen, after)
        check_counts(after)


@given(st.sampled_from(large_configs), seeds)
@settings(max_examples=4, deadline=None)
def test_so_do_the_first_moves_on_a_large_board(config: Config, seed: int) -> None:
    for _, (before, chosen, after) in zip(range(200), walk(config, seed), strict=False):
        check_options(before)
        check_move(before, chosen, after)
        check_counts(after)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_every_legal_move_applies_and_leaves_its_state_alone(seed: int) -> None:
    rng = random.Random(seed)
    for before, _, _ in walk(square8_2p, seed):
        if rng.random() < 0.1:
            untouched = before.copy()
            for option in legal_moves(before):
                check_counts(apply(before, option))
            assert before == untouched


@given(st.sampled_from(small_configs), seeds)
@settings(max_examples=10, deadline=None)
def test_positions_and_moves_read_back_from_json(config: Config, seed: int) -> None:
    for before, chosen, after in walk(config, seed):
        assert read_move(before, write_move(before, chosen)) == chosen
        copy = read_state(write_state(after))
        assert copy == after
        assert legal_moves(copy) == legal_moves(after)


@given(st.sampled_from(small_configs), seeds)
@settings(max_examples=10, deadline=None)
def test_the_same_choices_lead_to_the_same_game(config: Config, seed: int) -> None:
    assert list(walk(config, seed)) == list(walk(config, seed))
