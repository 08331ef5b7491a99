"""Every position of a recorded game, as far as its moves can be played."""

import bisect
import dataclasses
import itertools

from p2p.envelope import Record, RecordId
from ringrift.game_record import Game, ReplayFailed, decode_game, replay
from ringrift.rules import IllegalMove, State, apply, engine_version, initial_state, outcome


@dataclasses.dataclass(frozen=True, slots=True)
class Positions:
    """A game and its positions."""

    id: RecordId
    game: Game
    states: tuple[State, ...]
    """Entry n is the position after n moves; the first is the empty board."""
    turns: tuple[int, ...]
    """The first entry of each turn, ascending."""
    fault: str
    """Why the record does not replay to the end that it claims; empty if it does."""

    @property
    def last(self) -> int:
        """The number of moves that can be shown."""
        return len(self.states) - 1

    def turn_before(self, number: int) -> int:
        """Return where the turn of an entry begins; for a turn's first, where the one before."""
        return self.turns[max(0, bisect.bisect_left(self.turns, number) - 1)]

    def turn_after(self, number: int) -> int:
        """Return where the turn after an entry's begins, or the last entry."""
        return next((first for first in self.turns if first > number), self.last)


def positions(record: Record) -> Positions:
    """Play the game of a record again, as far as it can be. Raises `RecordRefused`."""
    game = decode_game(record)
    states = [initial_state(game.config)]
    stopped = ""
    try:
        for move in game.moves:
            states.append(apply(states[-1], move))
    except IllegalMove as error:
        stopped = f"move {len(states)}: {error}"
    claimed = stopped or outcome(states[-1]) == game.outcome
    sound = claimed and game.engine == engine_version
    fault = ", ".join(filter(None, ("" if sound else _fault(game), stopped)))
    changes = (n for n, (a, b) in enumerate(itertools.pairwise(states), 1) if a.turn != b.turn)
    return Positions(record.id, game, tuple(states), (0, *changes), fault)


def _fault(game: Game) -> str:
    """Return why a record does not replay, by the words of `replay`."""
    try:
        replay(game)
    except ReplayFailed as error:
        return str(error)
    return ""
