"""Games played by the engine and by the reference at once, compared after every move.

They meet in JSON: the legal moves as a set, the position, and the outcome must be the same, and
both must refuse or accept moves that belong elsewhere.
"""

import collections
import dataclasses
import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from ringrift.rules import (
    Config,
    EndTest,
    IllegalMove,
    Move,
    RuleSet,
    State,
    apply,
    initial_state,
    legal_moves,
    outcome,
)
from ringrift.rules.errors import NotationError
from ringrift.rules.json_move import read_move, write_move
from ringrift.rules.json_state import read_state, write_state
from tests.rules import reference

Json = Mapping[str, Any]
Pair = tuple[State, reference.State]
"""A position in both engines, the one under test first."""
Moves = tuple[Move, reference.Move]
"""A move in both engines."""

_fieldless = (
    "skip_placement",
    "no_placement_action",
    "swap_sides",
    "skip_recovery",
    "no_movement_action",
    "skip_capture",
    "no_line_action",
    "skip_territory_processing",
    "no_territory_action",
)
_retyped = {
    "process_line": "choose_line_option",
    "choose_line_option": "process_line",
    "overtaking_capture": "continue_capture_segment",
    "continue_capture_segment": "overtaking_capture",
    "eliminate_rings_from_stack": "forced_elimination",
    "forced_elimination": "eliminate_rings_from_stack",
}


@dataclasses.dataclass
class Tally:
    """What was compared: positions, moves made by their sort, and ends of games by reason."""

    positions: int = 0
    refused: int = 0
    """Moves from elsewhere that both engines refused."""
    moves: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    ends: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def add(self, other: "Tally") -> None:
        """Add what was compared in another game."""
        self.positions += other.positions
        self.refused += other.refused
        self.moves += other.moves
        self.ends += other.ends


class Disagreement(AssertionError):
    """The engines differ in a position, which the message holds as JSON."""


def play(pair: Pair, rng: random.Random, moves_max: int) -> Tally:
    """Play a random game of both engines, or its first moves, and compare them throughout.

    Half of the games draw from all moves alike; the others draw the type of the move first, and so
    do rare things more often. Raises `Disagreement`.
    """
    choose = rng.choice((_any_move, _any_type))
    tally = Tally()
    strangers: list[Json] = [{"type": kind} for kind in _fieldless]
    moves = compared(pair)
    while moves and sum(tally.moves.values()) < moves_max:
        tally.refused += _refuse_alike(pair, rng.choice(strangers))
        chosen = choose(moves, rng)
        tally.moves[_sort(reference.write_move(pair[1], chosen[1]))] += 1
        strangers.append(_stranger(pair[1], rng.choice(moves)[1], rng))
        pair = apply(pair[0], chosen[0]), reference.follow(pair[1], chosen[1])
        moves = compared(pair)
    tally.positions = 1 + sum(tally.moves.values())
    result = outcome(pair[0])
    tally.ends["cut short" if result is None else result.reason.value] += 1
    return tally


def _sort(told: Json) -> str:
    """Name the sort of a move: its type, and what sets apart recoveries and eliminations."""
    names = ("type", "recoveryMode", "recoveryOption", "eliminationContext")
    return " ".join(str(told[name]) for name in names if name in told)


def compared(pair: Pair) -> list[Moves]:
    """Compare the engines in a position and return each legal move of both, in a fixed order."""
    fast, slow = pair
    place = write_state(fast)
    _expect("state", place, place, reference.write_state(slow))
    read_back = reference.write_state(reference.read_state(place, slow.rules))
    _expect("state read back", place, place, read_back)
    _expect("outcome", place, _plain(outcome(fast)), _plain(reference.outcome(slow)))
    engine = [(_line(write_move(fast, move)), move) for move in legal_moves(fast)]
    text = {_line(reference.write_move(slow, move)): move for move in reference.legal_moves(slow)}
    told = {line for line, _ in engine}
    if told != text.keys():
        alone = {"engine": sorted(told - text.keys()), "text": sorted(text.keys() - told)}
        raise Disagreement(f"moves of one alone: {alone}; position {json.dumps(place)}")
    if len(engine) > len(told):
        raise Disagreement(f"the engine tells a move twice; position {json.dumps(place)}")
    return [(move, text[line]) for line, move in sorted(engine, key=lambda told: told[0])]


def _plain(result: Any) -> Any:
    return result and (result.winner, str(result.reason), tuple(result.ranking))


def _expect(what: str, place: Json, engine: object, text: object) -> None:
    difference = _difference(engine, text)
    if difference:
        raise Disagreement(f"{what} differs: {difference}; position {json.dumps(place)}")


def _difference(engine: object, text: object) -> str:
    """Name the first thing in which two JSON values differ, or nothing."""
    if engine == text:
        return ""
    if isinstance(engine, dict) and isinstance(text, dict):
        name = min(n for n in {*engine, *text} if engine.get(n) != text.get(n))
        return f"{name}: {_difference(engine.get(name), text.get(name))}"
    return f"engine has {engine}, text has {text}"


def _line(value: object) -> str:
    """Write JSON so that equal moves read alike: no array in them has an order that matters."""
    if isinstance(value, dict):
        fields = ", ".join(f"{name}: {_line(value[name])}" for name in sorted(value))
        return f"{{{fields}}}"
    if isinstance(value, list):
        return f"[{', '.join(sorted(map(_line, value)))}]"
    return str(value)


def _any_move(moves: list[Moves], rng: random.Random) -> Moves:
    return rng.choice(moves)


def _any_type(moves: list[Moves], rng: random.Random) -> Moves:
    kind = rng.choice(sorted({move.type for _, move in moves}))
    return rng.choice([pair for pair in moves if pair[1].type == kind])


def _stranger(state: reference.State, move: reference.Move, rng: random.Random) -> Json:
    """Return a move to be tried later, perhaps as one of another type."""
    told = reference.write_move(state, move)
    del told["player"]
    return told if rng.random() < 0.5 else told | {"type": _retyped.get(move.type, move.type)}


def _refuse_alike(pair: Pair, source: Json) -> bool:
    """Try a move in both engines and return whether they refused it."""
    fast, slow = pair
    place = write_state(fast)
    try:
        engine = write_state(apply(fast, read_move(fast, source)))
    except (IllegalMove, NotationError):
        engine = {}
    move = reference.read_move(slow, source)
    text = reference.write_state(reference.apply(slow, move)) if move else {}
    _expect(f"what follows {json.dumps(source)}", place, engine, text)
    return move is None


# Openings; those from the start lead to late phases only after hundreds of moves


def from_start(config: Config, rules: RuleSet | None = None) -> Pair:
    """Return the first position in both engines."""
    rules = rules or RuleSet()
    return initial_state(config, rules), reference.initial(config, rules)


def from_json(source: Json, rules: RuleSet | None = None) -> Pair:
    """Return a position in both engines."""
    rules = rules or RuleSet()
    return read_state(source, rules), reference.read_state(source, rules)


def scattered(config: Config, rng: random.Random) -> dict[str, Any]:
    """Return a position strewn with pieces at random, with few rings in hand.

    Half of them have a threshold so high that the game does not end by elimination, and in half the
    player to move controls no stack.
    """
    supply = dict.fromkeys(range(1, config.players + 1), config.rings)
    board = _strewn(config, supply, rng)
    few = rng.choice((0, 2, 6))
    hands = {seat: min(left, rng.randint(0, few)) for seat, left in supply.items()}
    player = rng.choice(list(supply))
    if rng.random() < 0.5:
        _sink(board["stacks"], player)
    eliminated = rng.choice((0, config.rings - 4))
    return {
        "board": board,
        "players": [
            {"playerNumber": seat, "ringsInHand": hand, "eliminatedRings": eliminated}
            for seat, hand in hands.items()
        ],
        "currentPlayer": player,
        "currentPhase": "ring_placement",
        "turnNumber": rng.choice((1, 2, 30)),
        "victoryThreshold": rng.choice((config.rings * (config.players + 1) // 3, 1_000)),
    }


def _strewn(config: Config, supply: dict[int, int], rng: random.Random) -> dict[str, Any]:
    """Return a board whose rings are taken from the supply."""
    weights = {
        "empty": rng.choice((5, 30)),
        "stacks": rng.choice((1, 5)),
        "markers": rng.choice((5, 20, 40)),
        "collapsedSpaces": rng.choice((0, 5, 30)),
    }
    cells = reference.cell_names(config.board)
    content = rng.choices([*weights], [*weights.values()], k=len(cells))
    board: dict[str, Any] = {"stacks": {}, "markers": {}, "collapsedSpaces": {}}
    for cell, kind in zip(cells, content, strict=True):
        seat = rng.choice(list(supply))
        if kind == "stacks" and (rings := _pile(supply, rng)):
            board[kind][cell] = {"rings": rings}
        elif kind == "markers":
            board[kind][cell] = {"player": seat}
        elif kind == "collapsedSpaces":
            board[kind][cell] = seat
    return {"type": config.board, **board}


def _pile(supply: dict[int, int], rng: random.Random) -> list[int]:
    rings = []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        seat = rng.choice(list(supply))
        if supply[seat]:
            supply[seat] -= 1
            rings.append(seat)
    return rings


def _sink(stacks: dict[str, dict[str, list[int]]], seat: int) -> None:
    """Put a player's rings below those of others, and take away stacks that are all theirs."""
    for cell, stack in list(stacks.items()):
        stack["rings"].sort(key=lambda ring: ring == seat)
        if stack["rings"][0] == seat:
            del stacks[cell]


def switched(rng: random.Random) -> RuleSet:
    """Return rules with switches set at random."""
    return RuleSet(
        end_test=rng.choice(list(EndTest)),
        sole_owner_wins=rng.random() < 0.3,
        swap=rng.random() < 0.5,
        lps_rounds=rng.choice((1, 2, 3)),
        line_length=rng.choice((None, 3, 5)),
    )


openings: Mapping[str, Callable[[Config, random.Random], Pair]] = {
    "start": lambda config, rng: from_start(config),
    "start_switched": lambda config, rng: from_start(config, switched(rng)),
    "scattered": lambda config, rng: from_json(scattered(config, rng)),
    "scattered_switched": lambda config, rng: from_json(scattered(config, rng), switched(rng)),
}
"""Where a game may begin: on an empty board or among strewn pieces, by the rules as they are or
with their switches set at random."""
