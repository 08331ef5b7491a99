"""The turn as a machine: what is legal in each phase and where each move leads (section 5)."""

import dataclasses

from ringrift.rules.config import Config, RuleSet
from tests.rules.reference import endings, lines, movement, recovery, regions
from tests.rules.reference.geometry import Cell
from tests.rules.reference.moves import Move, cell_of
from tests.rules.reference.state import (
    Outcome,
    State,
    cap_height,
    controlled,
    has_rings,
    without_lowest,
    without_top,
)

_real_actions = (
    "place_ring",
    "move_stack",
    "overtaking_capture",
    "continue_capture_segment",
)


class Illegal(Exception):
    """A move that the rules do not allow here."""


def initial(config: Config, rules: RuleSet | None = None) -> State:
    """Return the position before the first move."""
    zeros = dict.fromkeys(range(1, config.players + 1), 0)
    state = State(config, rules or RuleSet(), zeros, zeros, zeros, zeros)
    return begun(dataclasses.replace(state, hand=dict.fromkeys(state.seats, state.supply)))


def begun(state: State) -> State:
    """Begin the turn of the player to move: count it for the last player standing."""
    before = state.streaks[state.player]
    acts = movement.has_real_action(state, state.player)
    streak = max(before, 0) + 1 if acts else min(before, 0) - 1
    state = dataclasses.replace(state, streaks={**state.streaks, state.player: streak})
    return endings.judged_at_turn_start(state)


def outcome(state: State) -> Outcome | None:
    """Return how the game ended, or None while it goes on."""
    return state.result


# What is legal


def legal_moves(state: State) -> list[Move]:
    """Return every move that is offered to the player to move."""
    if state.result is not None:
        return []
    return {
        "ring_placement": _placement_moves,
        "movement": _movement_moves,
        "capture": _capture_moves,
        "chain_capture": _chain_moves,
        "line_processing": _line_moves,
        "territory_processing": _territory_moves,
        "forced_elimination": _forced_eliminations,
    }[state.phase](state)


def _placement_moves(state: State) -> list[Move]:
    moves = list(movement.placements(state, state.player))
    if _may_skip_placement(state):
        moves.append(Move("skip_placement"))
    if not moves:
        moves.append(Move("no_placement_action"))
    first_turn = state.player == 2 and state.turn == 2 and not state.swapped
    if state.rules.swap and state.config.players == 2 and first_turn:
        moves.append(Move("swap_sides"))
    return moves


def _may_skip_placement(state: State) -> bool:
    return state.hand[state.player] > 0 and (
        movement.can_move_any(state, state.player) or recovery.eligible(state)
    )


def _movement_moves(state: State) -> list[Move]:
    starts = controlled(state, state.player) if state.mover is None else [state.mover]
    moves = movement.steps(state, starts)
    moves += movement.captures(state, starts, "overtaking_capture")
    if recovery.eligible(state):
        moves += [*recovery.slides(state), Move("skip_recovery")]
    return moves or [Move("no_movement_action")]


def _capture_moves(state: State) -> list[Move]:
    starts = controlled(state, state.player) if state.mover is None else [state.mover]
    return [*movement.captures(state, starts, "overtaking_capture"), Move("skip_capture")]


def _chain_moves(state: State) -> list[Move]:
    starts = controlled(state, state.player) if state.mover is None else [state.mover]
    return movement.captures(state, starts, "continue_capture_segment")


def _line_moves(state: State) -> list[Move]:
    if state.owed == "line":
        return _costs(controlled(state, state.player))
    return lines.line_moves(state) or [Move("no_line_action")]


def _territory_moves(state: State) -> list[Move]:
    if state.owed == "territory":
        return _costs(list(regions.payers(state)))
    claims = regions.claims(state)
    return [*claims, Move("skip_territory_processing")] if claims else [Move("no_territory_action")]


def _costs(stacks: list[Cell]) -> list[Move]:
    return [Move("eliminate_rings_from_stack", cell) for cell in stacks]


def _forced_eliminations(state: State) -> list[Move]:
    return [Move("forced_elimination", cell) for cell in controlled(state, state.player)]


def accepted_moves(state: State) -> list[Move]:
    """Return the legal moves, another word for one (AMB-14), and names of lines (AMB-04)."""
    moves = legal_moves(state)
    if state.phase == "ring_placement" and "place_ring" not in {move.type for move in moves}:
        moves.append(Move("no_placement_action"))
    if state.phase == "line_processing" and state.owed == "nothing":
        moves += lines.names_of_longer(state)
    return moves


# What a move does


def apply(state: State, move: Move) -> State:
    """Return the state after a move. Raises `Illegal` if it is not accepted."""
    if state.result is not None or move not in accepted_moves(state):
        raise Illegal(f"{move} in phase {state.phase}")
    return follow(state, move)


def follow(state: State, move: Move) -> State:
    """Return the state after a move that is known to be legal."""
    after = _followed(state, move)
    if _board(after) != _board(state):
        after = dataclasses.replace(after, changed=True)
    if move.type in _real_actions:
        after = dataclasses.replace(after, last_actor=state.player)
    after = _noting_losses(state, after)
    over = _turn_is_over(after, move)
    if state.ends_at_once or over:
        after = endings.judged(after)
    if after.result is not None:
        return after
    return _passed(after) if over else _left(after, move)


def _board(state: State) -> tuple[object, ...]:
    return state.stacks, state.markers, state.collapsed


def _followed(state: State, move: Move) -> State:
    """Return the state after what the move itself does, with the phase that follows it."""
    match move.type:
        case "place_ring":
            return _to(movement.after_placement(state, move), "movement", move.to)
        case "skip_placement" | "no_placement_action":
            return _to(state, "movement")
        case "swap_sides":
            return dataclasses.replace(state, swapped=True)
        case "move_stack":
            return _to_captures(movement.after_step(state, move), move, "capture")
        case "overtaking_capture" | "continue_capture_segment":
            return _to_captures(movement.after_capture(state, move), move, "chain_capture")
        case "recovery_slide":
            after = recovery.after_slide(state, move)
            return _to_lines(dataclasses.replace(after, recovered=True))
        case "skip_capture" | "skip_recovery" | "no_movement_action":
            return _to_lines(state)
        case "process_line" | "choose_line_option":
            after = lines.after_line(state, move)
            owed = "line" if lines.costs_a_ring(after, move) else "nothing"
            return dataclasses.replace(after, owed=owed)
        case "choose_territory_option":
            return dataclasses.replace(regions.after_claim(state, move), owed="territory")
        case "eliminate_rings_from_stack":
            return dataclasses.replace(_after_cost(state, cell_of(move.to)), owed="nothing")
        case "forced_elimination":
            return _without_cap(state, cell_of(move.to))
        case _:
            return state


def _to(state: State, phase: str, mover: Cell | None = None) -> State:
    return dataclasses.replace(state, phase=phase, mover=mover)


def _to_lines(state: State) -> State:
    return _to(state, "line_processing")


def _to_captures(state: State, move: Move, phase: str) -> State:
    """Go to this phase if the stack that just moved is still the player's and has a capture."""
    to = cell_of(move.to)
    can = to in controlled(state, state.player) and movement.can_capture(state, to)
    return _to(state, phase, to) if can else _to_lines(state)


def _after_cost(state: State, cell: Cell) -> State:
    if state.owed == "line":
        return without_top(state, cell, 1, state.player)
    if state.recovered:
        return without_lowest(state, cell, state.player)
    return _without_cap(state, cell)


def _without_cap(state: State, cell: Cell) -> State:
    return without_top(state, cell, cap_height(state.stacks[cell]), state.player)


def _noting_losses(before: State, after: State) -> State:
    losers = [s for s in before.seats if has_rings(before, s) and not has_rings(after, s)]
    lost_turns = {**before.lost_turns, **dict.fromkeys(losers, before.turn)}
    return dataclasses.replace(after, lost_turns=lost_turns)


def _left(state: State, move: Move) -> State:
    """Leave line or territory processing if the move was its last, but do not end the turn."""
    if state.phase == "line_processing" and _ends_lines(state, move):
        return _to(state, "territory_processing")
    if state.phase == "territory_processing" and _ends_territory(state, move):
        return _to(state, "forced_elimination")
    return state


def _ends_lines(state: State, move: Move) -> bool:
    decided = move.type in ("process_line", "choose_line_option", "eliminate_rings_from_stack")
    done = decided and state.owed == "nothing" and not lines.eligible_lines(state)
    return done or move.type == "no_line_action"


def _ends_territory(state: State, move: Move) -> bool:
    paid = move.type == "eliminate_rings_from_stack" and state.phase == "territory_processing"
    return move.type in ("no_territory_action", "skip_territory_processing") or (
        paid and not regions.claimable(state)
    )


def _turn_is_over(state: State, move: Move) -> bool:
    if move.type == "forced_elimination":
        return True
    must_eliminate = not state.changed and bool(controlled(state, state.player))
    in_territory = state.phase == "territory_processing"
    return in_territory and _ends_territory(state, move) and not must_eliminate


def _passed(state: State) -> State:
    """Pass to the next seat that still has a ring anywhere."""
    seats = [*range(state.player + 1, state.config.players + 1), *range(1, state.player + 1)]
    player = next(seat for seat in seats if has_rings(state, seat))
    return begun(
        dataclasses.replace(
            state,
            player=player,
            phase="ring_placement",
            turn=state.turn + 1,
            mover=None,
            owed="nothing",
            recovered=False,
            changed=False,
        )
    )
