"""Lines, section 9 of the rules."""

import pytest

from ringrift.rules import (
    Config,
    IllegalMove,
    MoveType,
    Phase,
    Reason,
    RuleSet,
    State,
    configs,
    legal_moves,
    outcome,
)
from ringrift.rules.lines import eligible_lines
from tests.rules.boards import XY, kinds, landings, looks_like, move, options, play, position

PROCESS = MoveType.PROCESS_LINE
CHOOSE = MoveType.CHOOSE_LINE_OPTION
PAY = MoveType.ELIMINATE_RINGS_FROM_STACK
LINES = Phase.LINE_PROCESSING


def line_of_four(rest: str) -> State:
    """Return a position with an exact line of player 1 in the first row, and more below it."""
    return position(f"a a a a . . . .\n{rest}", phase=LINES, hand=(1, 1))


def test_an_exact_line_collapses_and_costs_one_ring_of_any_own_stack() -> None:
    state = line_of_four(". . 112 1 2")
    assert kinds(state) == {PROCESS, CHOOSE}
    assert len(legal_moves(state)) == 2
    state = play(state, PROCESS, (3, 0), start=(0, 0))
    assert looks_like(state, "A A A A\n. . 112 1 2")
    assert kinds(state) == {PAY}
    assert landings(state, PAY) == {(2, 1), (3, 1)}
    assert looks_like(play(state, PAY, (3, 1)), "A A A A\n. . 112 . 2")
    state = play(state, PAY, (2, 1))
    assert looks_like(state, "A A A A\n. . 12 1 2")
    assert (state.eliminated[1], state.phase) == (1, Phase.TERRITORY_PROCESSING)


def test_both_types_of_move_process_an_exact_line_alike() -> None:
    state = line_of_four("1 2")
    chosen = play(state, CHOOSE, (3, 0), start=(0, 0), target=(0, 0), extra=1)
    assert chosen == play(state, PROCESS, (3, 0), start=(0, 0))


def test_the_cost_may_hand_a_stack_to_an_opponent() -> None:
    state = play(line_of_four("12 2"), PROCESS, (3, 0), start=(0, 0))
    assert looks_like(play(state, PAY, (0, 1)), "A A A A\n2 2")


def test_without_a_stack_of_ones_own_the_cost_is_waived() -> None:
    state = play(line_of_four("21 2"), PROCESS, (3, 0), start=(0, 0))
    assert (state.eliminated[1], state.phase) == (0, Phase.TERRITORY_PROCESSING)


def test_of_a_longer_line_all_may_collapse_at_the_cost_or_any_four_for_nothing() -> None:
    state = position("a a a a a a . 1\n2", phase=LINES)
    assert kinds(state) == {CHOOSE}
    parts = {state.variant.board.xy(option.target) for option in options(state, CHOOSE)}
    assert len(options(state, CHOOSE)) == 4
    assert parts == {(0, 0), (1, 0), (2, 0)}
    part = play(state, CHOOSE, (5, 0), start=(0, 0), target=(1, 0), extra=2)
    assert looks_like(part, "a A A A A a . 1\n2")
    assert (part.phase, part.eliminated[1]) == (Phase.TERRITORY_PROCESSING, 0)
    whole = play(state, CHOOSE, (5, 0), start=(0, 0), target=(0, 0), extra=1)
    assert looks_like(whole, "A A A A A A . 1\n2")
    assert kinds(whole) == {PAY}


def test_what_is_left_of_a_line_may_be_a_line_again() -> None:
    state = position("a a a a a a a a\n1 2", phase=LINES)
    state = play(state, CHOOSE, (7, 0), start=(0, 0), target=(0, 0), extra=2)
    assert kinds(state) == {PROCESS, CHOOSE}
    state = play(state, PROCESS, (7, 0), start=(4, 0))
    assert looks_like(state, "A A A A A A A A\n1 2")


def test_process_line_names_a_longer_line_without_effect() -> None:
    state = position("a a a a a\n1 2", phase=LINES)
    assert play(state, PROCESS, (4, 0), start=(0, 0)) == state
    with pytest.raises(IllegalMove):
        play(state, PROCESS, (3, 0), start=(0, 0))


def test_crossing_lines_are_looked_up_again_after_each() -> None:
    crossing = """
        . a . . .
        a a a a .
        . a . . 11
        . a . . 2
        """
    state = position(crossing, phase=LINES)
    ends = {(option.origin, option.to) for option in options(state, PROCESS)}
    at = state.variant.board.cell
    assert ends == {(at(1, 0), at(1, 3)), (at(0, 1), at(3, 1))}
    state = play(play(state, PROCESS, (3, 1), start=(0, 1)), PAY, (4, 2))
    assert state.phase is Phase.TERRITORY_PROCESSING


def test_after_the_cost_the_next_line_is_due() -> None:
    state = position("a a a a . 11 2\n.\nb a a a a", phase=LINES)
    state = play(play(state, PROCESS, (3, 0), start=(0, 0)), PAY, (5, 0))
    assert state.phase is LINES
    assert [option.to for option in options(state, PROCESS)] == [state.variant.board.cell(4, 2)]


@pytest.mark.parametrize(
    "row", ["b b b b 1", "a a a B a 1", "a a 1 a a", "a a a . a 1", "a a a b a 1", "a a a 1"]
)
def test_what_is_no_line_of_the_player_to_move(row: str) -> None:
    state = position(f"{row}\n2", phase=LINES)
    assert kinds(state) == {MoveType.NO_LINE_ACTION}
    assert play(state, MoveType.NO_LINE_ACTION).phase is Phase.TERRITORY_PROCESSING


@pytest.mark.parametrize(
    ("first", "step"), [((2, 1), (1, 0)), ((2, 1), (0, 1)), ((2, 1), (1, 1)), ((2, 6), (1, -1))]
)
def test_lines_run_in_four_directions_on_squares(first: XY, step: XY) -> None:
    rows = [["."] * 8 for _ in range(8)]
    for index in range(4):
        rows[first[1] + index * step[1]][first[0] + index * step[0]] = "a"
    state = position("\n".join(" ".join(row) for row in rows), phase=LINES, hand=(1, 1))
    (line,) = eligible_lines(state)
    last = (first[0] + 3 * step[0], first[1] + 3 * step[1])
    assert [state.variant.board.xy(line.cells[index]) for index in (0, -1)] == [first, last]


def test_lines_run_in_three_directions_on_hexes() -> None:
    state = position(
        """
            . . . . .
           . . . . a .
          . . . . a . .
         . . . . a . . .
        . . . . a a a a .
         . . . . a . . .
          . . . . a . .
           . . . . a .
            1 . 2 . .
        """,
        Config("hex8", 2),
        phase=LINES,
    )
    ends = [(line.cells[0], line.cells[-1]) for line in eligible_lines(state)]
    at = state.variant.board.cell
    assert ends == [(at(0, 0), at(3, 0)), (at(0, 0), at(3, -3)), (at(0, 0), at(0, 3))]


in_squares = """
    {} {} {} {} {} . . .
    . . . . . . . .
    1 . 2 . 3 . 4 .
    """
in_hexes = """
        . . . . .
       . . . . . .
      . . . . . . .
     . . . . . . . .
    {} {} {} {} {} . . . .
     . . . . . . . .
      1 . 2 . 3 . 4
       . . . . . .
        . . . . .
    """


@pytest.mark.parametrize("config", configs, ids=lambda config: config.name)
def test_every_config_has_its_length_of_lines(config: Config) -> None:
    length = 3 if config.board in ("square8", "hex8") and config.players > 2 else 4
    template = in_hexes if config.board.startswith("hex") else in_squares
    for seat in range(config.players + 1, 5):
        template = template.replace(str(seat), ".")

    def offered(markers: int) -> list[tuple[MoveType, int]]:
        drawing = template.format(*("a" * markers).ljust(5, "."))
        state = position(drawing, config, phase=LINES)
        return sorted((option.type, option.extra) for option in legal_moves(state))

    assert offered(length - 1) == [(MoveType.NO_LINE_ACTION, 0)]
    assert offered(length) == [(PROCESS, 0), (CHOOSE, 1)]
    assert offered(length + 1) == [(CHOOSE, 1), (CHOOSE, 2), (CHOOSE, 2)]


def test_the_host_may_ask_for_another_length_of_lines() -> None:
    rules = RuleSet(line_length=5)
    state = position("a a a a\n1 2", phase=LINES, rules=rules)
    assert kinds(state) == {MoveType.NO_LINE_ACTION}
    assert kinds(position("a a a a a\n1 2", phase=LINES, rules=rules)) == {PROCESS, CHOOSE}


def test_three_players_on_hexes_make_a_line_of_three_by_leaving_and_flipping() -> None:
    drawing = """
            . . . . .
           . . . . . .
          . . . . . . .
         . . . . . . . .
        . 1 b c . . . . .
         . . . . . . . .
          . . . . . . .
           . . . . . .
            2 . 1 . 3
        """
    state = position(drawing, Config("hex8", 3))
    state = play(state, MoveType.MOVE_STACK, (0, 0), start=(-3, 0))
    state = play(state, PROCESS, (-1, 0), start=(-3, 0))
    assert landings(state, PAY) == {(0, 0), (-2, 4)}
    state = play(state, PAY, (-2, 4))
    after = drawing.replace("1 b c .", "A A A 1").replace("2 . 1", "2 . .")
    assert looks_like(state, after)
    assert state.eliminated[1:] == [1, 0, 0]


def test_the_cost_is_waived_once_landing_on_a_marker_has_handed_the_stack_over() -> None:
    state = position("a a a 12 . b . 2", hand=(1, 0))
    state = play(state, MoveType.MOVE_STACK, (5, 0), start=(3, 0))
    assert looks_like(state, "a a a a . 2 . 2")
    state = play(state, PROCESS, (3, 0), start=(0, 0))
    assert looks_like(state, "A A A A . 2 . 2")
    assert (state.phase, state.eliminated[1]) == (Phase.TERRITORY_PROCESSING, 1)


def test_the_cost_is_waived_once_the_last_stack_has_paid() -> None:
    state = line_of_four("a a a a . . . .\n1 2")
    state = play(play(state, PROCESS, (3, 0), start=(0, 0)), PAY, (0, 2))
    assert state.phase is LINES
    state = play(state, PROCESS, (3, 1), start=(0, 1))
    assert looks_like(state, "A A A A\nA A A A\n. 2")
    assert (state.phase, state.eliminated[1]) == (Phase.TERRITORY_PROCESSING, 1)


def test_all_of_a_longer_line_may_collapse_without_cost_if_no_stack_can_pay() -> None:
    state = position("a a a a a\n21 2", phase=LINES, hand=(1, 1))
    state = play(state, CHOOSE, (4, 0), start=(0, 0), target=(0, 0), extra=1)
    assert looks_like(state, "A A A A A\n21 2")
    assert (state.phase, state.eliminated[1]) == (Phase.TERRITORY_PROCESSING, 0)


def test_the_game_may_end_with_the_cost_still_owed() -> None:
    territory = "\n".join(["A A A A A A A A"] * 3 + ["A A A A A . . ."])
    state = position(f"{territory}\na a a a 1 2", phase=LINES)
    result = outcome(play(state, PROCESS, (3, 4), start=(0, 4)))
    assert result is not None
    assert (result.winner, result.reason) == (1, Reason.TERRITORY_CONTROL)


def test_a_line_cannot_be_declined_and_nothing_else_is_legal_while_its_cost_is_owed() -> None:
    state = line_of_four("1 2")
    with pytest.raises(IllegalMove, match="no_line_action"):
        play(state, MoveType.NO_LINE_ACTION)
    state = play(state, PROCESS, (3, 0), start=(0, 0))
    assert legal_moves(state) == (move(state, PAY, (0, 1)),)
