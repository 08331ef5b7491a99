"""Positions as JSON, in the shape of section 17.2 of the rules.

What that shape leaves out (what is owed, streaks, the result) is written as one more object,
`turn`, so that a position reads back as it was; it may be missing.
"""

import dataclasses
from collections.abc import Iterable

from ringrift.rules.config import Config, RuleSet, players_max
from ringrift.rules.errors import OutsideTheGame, wrong
from ringrift.rules.geometry import bits, board_names
from ringrift.rules.json_fields import (
    Json,
    get,
    key,
    position,
    read_cell,
    read_flag,
    read_int,
    read_key,
    read_list,
    read_map,
    read_word,
)
from ringrift.rules.moves import no_cell
from ringrift.rules.position_check import checked, outcome_of, turns_read_max
from ringrift.rules.state import Owed, Phase, Reason, State, cap_height, rings_max
from ringrift.rules.turn import default_rules, initial_state


def read_state(value: object, rules: RuleSet = default_rules) -> State:
    """Read a position. `victoryThreshold` in it overrides that of the config (AMB-21).

    What the published shape repeats (heights, sizes, totals) is not looked at, and rings need not
    add up to the supply; `checked` says what else is asked. Raises `NotationError` that names the
    field, the value and what was expected; `OutsideTheGame`, a kind of it, for a cell or number of
    players that there is not.
    """
    return checked(read_unchecked(value, rules))


def read_unchecked(value: object, rules: RuleSet = default_rules) -> State:
    """Read a position that perhaps cannot be played on, as test data have them."""
    source = read_map(value, "state")
    board_source = read_map(get(source, "board"), "board")
    players = [read_map(item, "players") for item in read_list(get(source, "players"), "players")]
    state = _empty(get(board_source, "type"), players, get(source, "victoryThreshold"), rules)
    seats = state.variant.seats
    _read_players(state, players)
    _read_board(state, board_source)
    state.player = read_int(get(source, "currentPlayer"), "currentPlayer", 1, seats[-1])
    state.phase = Phase(read_word(get(source, "currentPhase"), "currentPhase", Phase))
    number = get(source, "turnNumber")
    state.turn = 1 if number is None else read_int(number, "turnNumber", 0, turns_read_max)
    state.mover = _read_mover(state, source)
    turn = get(source, "turn")
    if turn is not None:
        _read_turn(state, read_map(turn, "turn"))
    given = get(source, "gameStatus")
    known = ("active", "waiting", "completed")
    status = "active" if given is None else read_word(given, "gameStatus", known)
    if (status == "completed") != (state.result is not None):
        raise wrong("gameStatus", status, "'completed' exactly where turn.result is given")
    return state


def _empty(board: object, players: list[Json], threshold: object, rules: RuleSet) -> State:
    name = read_word(board, "board.type", board_names)
    if not 2 <= len(players) <= players_max:
        expected = f"expected 2 to {players_max}"
        raise OutsideTheGame(f"players has {len(players)} entries; {expected}")
    config = Config(name, len(players))
    state = initial_state(config, rules)
    if threshold is not None:
        number = read_int(threshold, "victoryThreshold", 1, rings_max)
        if number != state.variant.elimination_threshold:
            state = initial_state(config, dataclasses.replace(rules, elimination_threshold=number))
    state.streak = [0] * (config.players + 1)
    return state


def _read_players(state: State, players: list[Json]) -> None:
    missing = set(state.variant.seats)
    for index, player in enumerate(players):
        name = f"players[{index}]"
        seat = read_int(get(player, "playerNumber"), f"{name}.playerNumber", 1, len(players))
        if seat not in missing:
            raise wrong(f"{name}.playerNumber", seat, "each player once")
        missing.remove(seat)
        hand, eliminated = get(player, "ringsInHand"), get(player, "eliminatedRings")
        state.hand[seat] = read_int(hand, f"{name}.ringsInHand", 0, rings_max)
        state.eliminated[seat] = read_int(eliminated, f"{name}.eliminatedRings", 0, rings_max)


def _read_board(state: State, source: Json) -> None:
    seats = state.variant.seats
    for text, item in _cells(source, "collapsedSpaces"):
        cell = _free_cell(state, text, "collapsedSpaces")
        owner = read_int(item, f"collapsedSpaces[{text}]", 1, seats[-1])
        state.put_territory(1 << cell, owner)
    for text, item in _cells(source, "markers"):
        cell = _free_cell(state, text, "markers")
        name = f"markers[{text}]"
        owner = read_int(read_map(item, name).get("player"), f"{name}.player", 1, seats[-1])
        state.put_markers(1 << cell, owner)
    for text, item in _cells(source, "stacks"):
        cell = _free_cell(state, text, "stacks")
        name = f"stacks[{text}].rings"
        owners = read_list(read_map(item, f"stacks[{text}]").get("rings"), name)
        if not 1 <= len(owners) <= rings_max:
            raise wrong(name, owners, f"1 to {rings_max} rings")
        rings = bytes(read_int(owner, name, 1, seats[-1]) for owner in owners)
        state.put_new_rings(cell, rings)


def _cells(source: Json, name: str) -> Iterable[tuple[str, object]]:
    value = get(source, name)
    return [] if value is None else read_map(value, name).items()


def _free_cell(state: State, text: str, name: str) -> int:
    cell = read_key(state.variant.board, text, name)
    if (state.occupied | state.marked | state.collapsed) >> cell & 1:
        raise wrong(name, text, "a cell that holds nothing else")
    return cell


def _read_mover(state: State, source: Json) -> int:
    board = state.variant.board
    capturing = get(source, "chainCapturePosition")
    moving = get(source, "mustMoveFromStackKey")
    if state.phase in (Phase.CAPTURE, Phase.CHAIN_CAPTURE) and capturing is not None:
        name, value = "chainCapturePosition", capturing
        cell = read_cell(board, value, name)
    elif state.phase in (Phase.MOVEMENT, Phase.CAPTURE, Phase.CHAIN_CAPTURE) and moving is not None:
        name, value = "mustMoveFromStackKey", moving
        cell = read_key(board, value, name)
    else:
        return no_cell
    if not state.controlled[state.player] >> cell & 1:
        raise wrong(name, value, f"the cell of a stack that player {state.player} controls")
    return cell


def _read_turn(state: State, source: Json) -> None:
    """Read what `_write_turn` wrote."""
    players = state.variant.config.players
    state.owed = Owed(read_word(source.get("owed"), "turn.owed", (owed.value for owed in Owed)))
    state.recovered = read_flag(source.get("recovered"), "turn.recovered")
    state.changed = read_flag(source.get("changed"), "turn.changed")
    state.swapped = read_flag(source.get("swapped"), "turn.swapped")
    state.streak = [0, *_numbers(source.get("streaks"), "turn.streaks", players, -turns_read_max)]
    state.lost_turn = [0, *_numbers(source.get("lostTurns"), "turn.lostTurns", players, 0)]
    state.last_actor = read_int(source.get("lastActor"), "turn.lastActor", 0, players)
    result = source.get("result")
    if result is not None:
        fields = read_map(result, "turn.result")
        reason = Reason(read_word(fields.get("reason"), "turn.result.reason", Reason))
        name = "turn.result.ranking"
        ranking = _numbers(fields.get("ranking"), name, players, 1, players)
        state.result = outcome_of(ranking, reason, name)
        first = state.result.winner
        winner = read_int(fields.get("winner"), "turn.result.winner", 1, players)
        if winner != first:
            raise wrong("turn.result.winner", winner, f"{first}, who is ranked 1")


def _numbers(
    value: object, name: str, count: int, low: int, high: int = turns_read_max
) -> list[int]:
    items = read_list(value, name)
    if len(items) != count:
        raise wrong(name, value, f"{count} numbers")
    return [read_int(item, name, low, high) for item in items]


def write_state(state: State) -> dict[str, object]:
    """Write a position; `read_state` with the same rule set returns an equal one."""
    board = state.variant.board
    players = [
        {
            "playerNumber": seat,
            "ringsInHand": state.hand[seat],
            "eliminatedRings": state.eliminated[seat],
            "territorySpaces": state.territory[seat].bit_count(),
        }
        for seat in state.variant.seats
    ]
    value: dict[str, object] = {
        "board": {
            "type": board.name,
            "stacks": {
                key(board, cell): _write_stack(state, cell) for cell in bits(state.occupied)
            },
            "markers": {
                key(board, cell): {"position": position(board, cell), "player": seat}
                for seat in state.variant.seats
                for cell in bits(state.markers[seat])
            },
            "collapsedSpaces": {
                key(board, cell): seat
                for seat in state.variant.seats
                for cell in bits(state.territory[seat])
            },
        },
        "players": players,
        "currentPlayer": state.player,
        "currentPhase": state.phase.value,
        "gameStatus": "active" if state.result is None else "completed",
        "victoryThreshold": state.variant.elimination_threshold,
        "turnNumber": state.turn,
        "turn": _write_turn(state),
    }
    if state.mover != no_cell:
        if state.phase is Phase.MOVEMENT:
            value["mustMoveFromStackKey"] = key(board, state.mover)
        else:
            value["chainCapturePosition"] = position(board, state.mover)
    return value


def _write_stack(state: State, cell: int) -> dict[str, object]:
    rings = state.stacks[cell]
    return {
        "position": position(state.variant.board, cell),
        "rings": list(rings),
        "stackHeight": len(rings),
        "capHeight": cap_height(rings),
        "controllingPlayer": rings[0],
    }


def _write_turn(state: State) -> dict[str, object]:
    result = state.result
    return {
        "owed": state.owed.value,
        "recovered": state.recovered,
        "changed": state.changed,
        "swapped": state.swapped,
        "streaks": state.streak[1:],
        "lostTurns": state.lost_turn[1:],
        "lastActor": state.last_actor,
        "result": result
        and {
            "winner": result.winner,
            "reason": result.reason.value,
            "ranking": list(result.ranking),
        },
    }
