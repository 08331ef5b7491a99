"""The turn is one machine, section 5 of the rules: which phase may follow which move, and which
moves a turn leaves behind from its first to its last."""

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from ringrift.rules import Config, Move, MoveType, Phase, State, configs, legal_moves
from ringrift.rules.json_state import write_state
from tests.rules.walks import opening, walk

PLACEMENT, MOVEMENT = Phase.RING_PLACEMENT, Phase.MOVEMENT
CAPTURE, CHAIN = Phase.CAPTURE, Phase.CHAIN_CAPTURE
LINES, TERRITORY = Phase.LINE_PROCESSING, Phase.TERRITORY_PROCESSING
FORCED, OVER = Phase.FORCED_ELIMINATION, Phase.GAME_OVER

next_turn = "next turn"

transitions: dict[Phase, dict[MoveType, set[str]]] = {
    PLACEMENT: {
        MoveType.PLACE_RING: {MOVEMENT},
        MoveType.SKIP_PLACEMENT: {MOVEMENT},
        MoveType.NO_PLACEMENT_ACTION: {MOVEMENT},
        MoveType.SWAP_SIDES: {PLACEMENT},
    },
    MOVEMENT: {
        MoveType.MOVE_STACK: {CAPTURE, LINES},
        MoveType.OVERTAKING_CAPTURE: {CHAIN, LINES},
        MoveType.RECOVERY_SLIDE: {LINES},
        MoveType.SKIP_RECOVERY: {LINES},
        MoveType.NO_MOVEMENT_ACTION: {LINES},
    },
    CAPTURE: {
        MoveType.OVERTAKING_CAPTURE: {CHAIN, LINES},
        MoveType.SKIP_CAPTURE: {LINES},
    },
    CHAIN: {
        MoveType.CONTINUE_CAPTURE_SEGMENT: {CHAIN, LINES},
    },
    LINES: {
        MoveType.PROCESS_LINE: {LINES, TERRITORY},
        MoveType.CHOOSE_LINE_OPTION: {LINES, TERRITORY},
        MoveType.ELIMINATE_RINGS_FROM_STACK: {LINES, TERRITORY},
        MoveType.NO_LINE_ACTION: {TERRITORY},
    },
    TERRITORY: {
        MoveType.CHOOSE_TERRITORY_OPTION: {TERRITORY},
        MoveType.ELIMINATE_RINGS_FROM_STACK: {TERRITORY, next_turn},
        MoveType.SKIP_TERRITORY_PROCESSING: {FORCED, next_turn},
        MoveType.NO_TERRITORY_ACTION: {FORCED, next_turn},
    },
    FORCED: {
        MoveType.FORCED_ELIMINATION: {next_turn},
    },
}
"""What may follow a move of each type in each phase, unless it ends the game."""

alone = {
    MoveType.NO_PLACEMENT_ACTION,
    MoveType.NO_MOVEMENT_ACTION,
    MoveType.NO_LINE_ACTION,
    MoveType.NO_TERRITORY_ACTION,
}
"""Moves that are offered only where there is no other, but for a swap."""

letters = {
    MoveType.PLACE_RING: "p",
    MoveType.SKIP_PLACEMENT: "k",
    MoveType.NO_PLACEMENT_ACTION: "n",
    MoveType.SWAP_SIDES: "w",
    MoveType.MOVE_STACK: "m",
    MoveType.OVERTAKING_CAPTURE: "o",
    MoveType.CONTINUE_CAPTURE_SEGMENT: "c",
    MoveType.SKIP_CAPTURE: "x",
    MoveType.RECOVERY_SLIDE: "r",
    MoveType.SKIP_RECOVERY: "v",
    MoveType.NO_MOVEMENT_ACTION: "u",
    MoveType.PROCESS_LINE: "l",
    MoveType.CHOOSE_LINE_OPTION: "l",
    MoveType.NO_LINE_ACTION: "a",
    MoveType.CHOOSE_TERRITORY_OPTION: "t",
    MoveType.ELIMINATE_RINGS_FROM_STACK: "e",
    MoveType.SKIP_TERRITORY_PROCESSING: "s",
    MoveType.NO_TERRITORY_ACTION: "y",
    MoveType.FORCED_ELIMINATION: "f",
}
whole_turn = re.compile(
    """
    w? (?: [kn] | p (?=[mo]) )     # a stack that was placed must move
    (?: m (?: o c* | x )? | o c* | [rvu] )
    (?: a | (?: l e? )+ )
    (?: y | (?: t e )* s | (?: t e )+ )
    f?
    """,
    re.VERBOSE,
)
"""The types of the moves of a turn that runs to its end."""

idle_turn = re.compile("w?[kn][uv]a[sy]f?")
"""A turn that changes nothing on the board, until an elimination is forced."""

small_configs = [config for config in configs if config.board in ("square8", "hex8")]
large_configs = [config for config in configs if config not in small_configs]
seeds = st.integers(0, 2**32 - 1)


def check_offers(state: State) -> None:
    """Check that the moves offered are those of the phase, and no-actions are without choice."""
    kinds = {option.type for option in legal_moves(state)}
    assert kinds
    assert kinds <= transitions[state.phase].keys()
    if alone & kinds:
        assert len(kinds - {MoveType.SWAP_SIDES}) == 1
    paying = MoveType.ELIMINATE_RINGS_FROM_STACK in kinds
    assert not paying or len(kinds) == 1


def check_step(before: State, chosen: Move, after: State) -> None:
    """Check that a transition of the table leads from one state to the next."""
    if after.phase is OVER:
        assert after.result is not None
        assert legal_moves(after) == ()
        return
    if after.turn == before.turn:
        assert after.player == before.player
        assert after.phase in transitions[before.phase][chosen.type]
        return
    assert (after.turn, after.phase) == (before.turn + 1, PLACEMENT)
    assert next_turn in transitions[before.phase][chosen.type]
    turn = write_state(after)["turn"]
    assert isinstance(turn, dict)
    assert (turn["owed"], turn["recovered"], turn["changed"]) == ("nothing", False, False)
    seats = before.variant.seats
    order = [*seats[before.player :], *seats[: before.player]]
    assert after.player == next(seat for seat in order if after.has_rings(seat))


def check_turn(word: str, last: State) -> None:
    """Check the moves of a whole turn; `last` is the position before the last of them."""
    assert whole_turn.fullmatch(word), word
    stuck = idle_turn.fullmatch(word) and last.controlled[last.player]
    assert word.endswith("f") == bool(stuck), word


def check(config: Config, seed: int, moves_max: int) -> None:
    """Play a game and check every move of it and every turn that was played to its end."""
    rng = random.Random(seed)
    word = ""
    for before, chosen, after in walk(opening(config, rng), rng, moves_max):
        check_offers(before)
        check_step(before, chosen, after)
        word += letters[chosen.type]
        if after.turn > before.turn:
            check_turn(word, before)
            word = ""


@given(st.sampled_from(small_configs), seeds)
@settings(max_examples=80, deadline=None)
def test_every_game_walks_the_machine(config: Config, seed: int) -> None:
    check(config, seed, moves_max=400)


@given(st.sampled_from(large_configs), seeds)
@settings(max_examples=12, deadline=None)
def test_so_does_the_beginning_of_one_on_a_large_board(config: Config, seed: int) -> None:
    check(config, seed, moves_max=60)


def test_random_games_take_every_transition_of_the_table() -> None:
    taken: dict[Phase, dict[MoveType, set[str]]] = {
        phase: {kind: set() for kind in row} for phase, row in transitions.items()
    }
    for seed in range(250):
        rng = random.Random(seed)
        for before, chosen, after in walk(opening(small_configs[seed % 6], rng), rng, 400):
            if after.phase is not OVER:
                follows = after.phase if after.turn == before.turn else next_turn
                taken[before.phase][chosen.type].add(follows)
    assert taken == transitions
