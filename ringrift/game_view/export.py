"""A recorded game as JSON, in the shape of sections 17.1 and 17.3 of the rules."""

import datetime

from ringrift.game_record import format_version
from ringrift.game_view.positions import Positions
from ringrift.rules.json_move import write_move


def export(found: Positions) -> dict[str, object]:
    """Return a game as JSON can say it; `docs/commands.md` tells what each field is.

    Of a record that does not replay, `moves` are those that do, and `fault` says what is wrong.
    """
    game = found.game
    began = datetime.datetime.fromtimestamp(game.time_ms / 1000, datetime.UTC)
    value: dict[str, object] = {
        "id": found.id.hex(),
        "format": format_version,
        "engine": game.engine,
        "config": game.config.name,
        "boardType": game.config.board,
        "numPlayers": game.config.players,
        "players": [
            {"playerNumber": seat, "kind": kind} for seat, kind in enumerate(game.players, 1)
        ],
        "seed": game.seed.hex(),
        "producer": game.producer.hex(),
        "startTime": began.isoformat(timespec="milliseconds"),
        "moves": _moves(found),
        "totalMoves": len(game.moves),
        "outcome": game.outcome.reason.value,
        "winner": game.outcome.winner,
        "ranking": list(game.outcome.ranking),
        "finalScore": None if found.fault else _score(found),
    }
    return value | {"fault": found.fault} if found.fault else value


def _moves(found: Positions) -> list[dict[str, object]]:
    played = zip(found.states[:-1], found.game.moves, strict=False)
    return [
        {"moveNumber": number, "phase": before.phase.value, **write_move(before, move)}
        for number, (before, move) in enumerate(played, 1)
    ]


def _score(found: Positions) -> dict[str, dict[str, int]]:
    state = found.states[-1]
    seats = state.variant.seats
    return {
        "ringsEliminated": {str(seat): state.eliminated[seat] for seat in seats},
        "territorySpaces": {str(seat): state.territory[seat].bit_count() for seat in seats},
        "ringsInHand": {str(seat): state.hand[seat] for seat in seats},
    }
