"""The turn as a machine: which moves each phase offers, and which phase follows (section 5)."""

from collections.abc import Callable

from ringrift.rules.config import Config, RuleSet, variant
from ringrift.rules.endings import find_outcome, give_up, last_one_standing
from ringrift.rules.errors import shown
from ringrift.rules.geometry import bits
from ringrift.rules.lines import eligible_lines, line_moves, process_line
from ringrift.rules.movement import (
    can_capture,
    can_step_or_capture,
    capture,
    captures,
    move_stack,
    steps_and_captures,
)
from ringrift.rules.moves import Move, MoveType, describe, no_cell, type_names
from ringrift.rules.placement import can_place, place_ring, placements
from ringrift.rules.recovery import may_recover, pay_buried, slide, slides
from ringrift.rules.state import Outcome, Owed, Phase, Reason, State, cap_height
from ringrift.rules.territory import (
    claim_region,
    claimable_regions,
    stacks_with_buried,
    territory_moves,
)

default_rules = RuleSet()


class IllegalMove(ValueError):
    """A move that is not allowed here; the message names it, the phase and what was expected."""


def initial_state(config: Config, rules: RuleSet = default_rules) -> State:
    """Return the position before the first move: an empty board, and every ring in hand."""
    chosen = variant(config, rules)
    entries = config.players + 1
    state = State(
        variant=chosen,
        player=1,
        phase=Phase.RING_PLACEMENT,
        turn=0,
        stacks={},
        occupied=0,
        controlled=[0] * entries,
        marked=0,
        markers=[0] * entries,
        collapsed=0,
        territory=[0] * entries,
        hand=[0] + [chosen.rings] * config.players,
        on_board=[0] * entries,
        eliminated=[0] * entries,
        board_key=chosen.zobrist.empty[config.players],
        streak=[0] * entries,
        lost_turn=[0] * entries,
    )
    _begin_turn(state, 1)
    return state


def outcome(state: State) -> Outcome | None:
    """Return how the game ended, or None while it goes on."""
    return state.result


def legal_moves(state: State) -> tuple[Move, ...]:
    """Return every move that the player to move may choose from; none once the game is over.

    The order is fixed: equal states give equal tuples. Resignation and timeout are not listed.
    """
    if state.legal is None:
        state.legal = tuple(_generators[state.phase](state))
    return state.legal


def apply(state: State, move: Move) -> State:
    """Return the state after a move; `state` itself does not change. Raises `IllegalMove`.

    Accepted although never offered, as the rules have it: `resign` and `timeout` in any phase;
    `no_placement_action` where nothing can be placed and `skip_placement` is offered (AMB-14);
    `process_line` on an overlong line, which only names it (AMB-04).
    """
    if not isinstance(move, Move) or not isinstance(move.type, MoveType):
        raise IllegalMove(f"move is {shown(move)}; expected a Move of one of the MoveTypes")
    legal = legal_moves(state)
    try:
        # As it is offered: its cells are whole numbers, even if those given only equal them.
        move = legal[legal.index(move)]
    except ValueError:
        if not _is_tolerated(state, move):
            raise IllegalMove(_explain(state, move)) from None
    after = state.next_phase() if move.type in _passive else state.copy()
    following = _effects[move.type](after, move)
    if after.result is None and (following is None or state.variant.ends_within_turns):
        after.result = find_outcome(after)
    if after.result is not None:
        after.phase, after.mover = Phase.GAME_OVER, no_cell
    elif following is None:
        _begin_turn(after, _next_seat(after))
    else:
        after.phase = following
    return after


def _is_tolerated(state: State, move: Move) -> bool:
    if state.result is not None:
        return False
    if move.type in (MoveType.RESIGN, MoveType.TIMEOUT):
        return move == Move(move.type)
    if move.type is MoveType.NO_PLACEMENT_ACTION:
        return (
            move == _no_placement_action
            and _skip_placement in legal_moves(state)
            and not can_place(state, state.player)
        )
    return (
        state.phase is Phase.LINE_PROCESSING
        and state.owed is Owed.NOTHING
        and any(
            move == Move(MoveType.PROCESS_LINE, line.cells[0], to=line.cells[-1])
            for line in eligible_lines(state)
        )
    )


def _explain(state: State, move: Move) -> str:
    if not all(isinstance(field, int) for field in move):
        return f"move is {shown(move)}; expected whole numbers for its cells"
    legal, board = legal_moves(state), state.variant.board
    name = describe(board, move)
    if state.result is not None:
        return f"{name} is not legal; the game is over"
    if len(legal) == 1:
        expected = describe(board, legal[0])
    else:
        types = type_names(option.type for option in legal)
        expected = f"one of {len(legal)} moves: {types}"
    return f"{name} is not legal for player {state.player} in {state.phase}; expected {expected}"


# What each phase offers. The moves without fields are made once, as making one takes its time.

_skip_placement = Move(MoveType.SKIP_PLACEMENT)
_no_placement_action = Move(MoveType.NO_PLACEMENT_ACTION)
_swap_sides = Move(MoveType.SWAP_SIDES)
_skip_recovery = Move(MoveType.SKIP_RECOVERY)
_no_movement_action = Move(MoveType.NO_MOVEMENT_ACTION)
_skip_capture = Move(MoveType.SKIP_CAPTURE)
_no_line_action = Move(MoveType.NO_LINE_ACTION)
_skip_territory_processing = Move(MoveType.SKIP_TERRITORY_PROCESSING)
_no_territory_action = Move(MoveType.NO_TERRITORY_ACTION)


def _movers(state: State) -> list[int]:
    """Return the stacks that may move: the one that must, else all that the player controls."""
    return [state.mover] if state.mover != no_cell else list(bits(state.controlled[state.player]))


def _in_ring_placement(state: State) -> list[Move]:
    found = placements(state)
    if state.hand[state.player] and (
        can_step_or_capture(state, state.player) or may_recover(state)
    ):
        found.append(_skip_placement)
    if not found:
        found.append(_no_placement_action)
    if _may_swap(state):
        found.append(_swap_sides)
    return found


def _may_swap(state: State) -> bool:
    rules, players = state.variant.rules, state.variant.config.players
    first_of_second = (state.player, state.turn) == (2, 2)
    return rules.swap and players == 2 and first_of_second and not state.swapped


def _in_movement(state: State) -> list[Move]:
    if found := steps_and_captures(state, _movers(state)):
        return found
    if may_recover(state):
        return [*slides(state), _skip_recovery]
    return [_no_movement_action]


def _in_capture(state: State) -> list[Move]:
    return [*_segments(state, MoveType.OVERTAKING_CAPTURE), _skip_capture]


def _in_chain_capture(state: State) -> list[Move]:
    return _segments(state, MoveType.CONTINUE_CAPTURE_SEGMENT)


def _segments(state: State, kind: MoveType) -> list[Move]:
    return [move for cell in _movers(state) for move in captures(state, cell, kind)]


def _in_line_processing(state: State) -> list[Move]:
    if state.owed is Owed.LINE:
        return _eliminations(MoveType.ELIMINATE_RINGS_FROM_STACK, _own_stacks(state))
    return line_moves(state) or [_no_line_action]


def _in_territory_processing(state: State) -> list[Move]:
    if state.owed is Owed.TERRITORY:
        payers = stacks_with_buried(state) if state.recovered else _own_stacks(state)
        return _eliminations(MoveType.ELIMINATE_RINGS_FROM_STACK, payers)
    if found := territory_moves(state):
        return [*found, _skip_territory_processing]
    return [_no_territory_action]


def _in_forced_elimination(state: State) -> list[Move]:
    return _eliminations(MoveType.FORCED_ELIMINATION, _own_stacks(state))


def _own_stacks(state: State) -> list[int]:
    return list(bits(state.controlled[state.player]))


def _eliminations(kind: MoveType, cells: list[int]) -> list[Move]:
    return [Move(kind, to=cell) for cell in cells]


def _in_game_over(_state: State) -> list[Move]:
    return []


_generators: dict[Phase, Callable[[State], list[Move]]] = {
    Phase.RING_PLACEMENT: _in_ring_placement,
    Phase.MOVEMENT: _in_movement,
    Phase.CAPTURE: _in_capture,
    Phase.CHAIN_CAPTURE: _in_chain_capture,
    Phase.LINE_PROCESSING: _in_line_processing,
    Phase.TERRITORY_PROCESSING: _in_territory_processing,
    Phase.FORCED_ELIMINATION: _in_forced_elimination,
    Phase.GAME_OVER: _in_game_over,
}


# What each type of move does. The answer is the phase that follows, or None if the turn is over.


def _place(state: State, move: Move) -> Phase:
    place_ring(state, move)
    state.last_actor = state.player
    return Phase.MOVEMENT


def _step(state: State, move: Move) -> Phase:
    move_stack(state, move)
    return _after_landing(state, move.to, Phase.CAPTURE)


def _capture(state: State, move: Move) -> Phase:
    capture(state, move)
    return _after_landing(state, move.to, Phase.CHAIN_CAPTURE)


def _after_landing(state: State, cell: int, more: Phase) -> Phase:
    state.last_actor = state.player
    state.mover = no_cell
    if state.controlled[state.player] >> cell & 1 and can_capture(state, cell, state.stacks[cell]):
        state.mover = cell
        return more
    return Phase.LINE_PROCESSING


def _slide(state: State, move: Move) -> Phase:
    slide(state, move)
    return Phase.LINE_PROCESSING


def _end_capture(state: State, _move: Move) -> Phase:
    state.mover = no_cell
    return Phase.LINE_PROCESSING


def _process_line(state: State, move: Move) -> Phase:
    process_line(state, move)
    return _after_line(state)


def _after_line(state: State) -> Phase:
    busy = state.owed is Owed.LINE or eligible_lines(state)
    return Phase.LINE_PROCESSING if busy else Phase.TERRITORY_PROCESSING


def _claim(state: State, move: Move) -> Phase:
    claim_region(state, move)
    return Phase.TERRITORY_PROCESSING


def _pay(state: State, move: Move) -> Phase | None:
    owed, state.owed = state.owed, Owed.NOTHING
    if owed is Owed.LINE:
        state.eliminate(move.to, 1)
        return _after_line(state)
    if state.recovered:
        pay_buried(state, move.to)
    else:
        state.eliminate(move.to, cap_height(state.stacks[move.to]))
    return Phase.TERRITORY_PROCESSING if claimable_regions(state) else _leave_territory(state, move)


def _leave_territory(state: State, _move: Move) -> Phase | None:
    stuck = state.controlled[state.player] and not state.changed
    return Phase.FORCED_ELIMINATION if stuck else None


def _force_elimination(state: State, move: Move) -> None:
    state.eliminate(move.to, cap_height(state.stacks[move.to]))


def _swap(state: State, _move: Move) -> Phase:
    state.swapped = True
    return Phase.RING_PLACEMENT


def _leave(state: State, move: Move) -> None:
    reason = Reason.RESIGNATION if move.type is MoveType.RESIGN else Reason.TIMEOUT
    state.result = give_up(state, reason)


def _go_to(phase: Phase) -> Callable[[State, Move], Phase]:
    return lambda _state, _move: phase


_effects: dict[MoveType, Callable[[State, Move], Phase | None]] = {
    MoveType.PLACE_RING: _place,
    MoveType.SKIP_PLACEMENT: _go_to(Phase.MOVEMENT),
    MoveType.NO_PLACEMENT_ACTION: _go_to(Phase.MOVEMENT),
    MoveType.SWAP_SIDES: _swap,
    MoveType.MOVE_STACK: _step,
    MoveType.OVERTAKING_CAPTURE: _capture,
    MoveType.RECOVERY_SLIDE: _slide,
    MoveType.SKIP_RECOVERY: _go_to(Phase.LINE_PROCESSING),
    MoveType.NO_MOVEMENT_ACTION: _go_to(Phase.LINE_PROCESSING),
    MoveType.SKIP_CAPTURE: _end_capture,
    MoveType.CONTINUE_CAPTURE_SEGMENT: _capture,
    MoveType.PROCESS_LINE: _process_line,
    MoveType.CHOOSE_LINE_OPTION: _process_line,
    MoveType.NO_LINE_ACTION: _go_to(Phase.TERRITORY_PROCESSING),
    MoveType.CHOOSE_TERRITORY_OPTION: _claim,
    MoveType.ELIMINATE_RINGS_FROM_STACK: _pay,
    MoveType.SKIP_TERRITORY_PROCESSING: _leave_territory,
    MoveType.NO_TERRITORY_ACTION: _leave_territory,
    MoveType.FORCED_ELIMINATION: _force_elimination,
    MoveType.RESIGN: _leave,
    MoveType.TIMEOUT: _leave,
}


_passive = frozenset(
    {
        MoveType.SKIP_PLACEMENT,
        MoveType.NO_PLACEMENT_ACTION,
        MoveType.SWAP_SIDES,
        MoveType.SKIP_RECOVERY,
        MoveType.NO_MOVEMENT_ACTION,
        MoveType.SKIP_CAPTURE,
        MoveType.NO_LINE_ACTION,
        MoveType.SKIP_TERRITORY_PROCESSING,
        MoveType.NO_TERRITORY_ACTION,
        MoveType.RESIGN,
        MoveType.TIMEOUT,
    }
)
"""What leaves the board and the counts as they are."""


def _next_seat(state: State) -> int:
    """Return the next player with a ring anywhere. There is one, or the game had ended."""
    players = state.variant.config.players
    seat = state.player % players + 1
    while not state.has_rings(seat):
        seat = seat % players + 1
    return seat


def _begin_turn(state: State, seat: int) -> None:
    state.player = seat
    state.phase = Phase.RING_PLACEMENT
    state.turn += 1
    state.mover, state.owed = no_cell, Owed.NOTHING
    state.recovered = state.changed = False
    state.result = last_one_standing(state)
    if state.result is not None:
        state.phase = Phase.GAME_OVER
