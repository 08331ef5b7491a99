"""Node counts: how many sequences of 1, 2 and 3 moves there are from recorded positions.

Chess programs call this perft. A change of the rules shows in it, and so does a move generated
twice. Both engines counted what is recorded here.
"""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from ringrift.rules import Config, apply, legal_moves
from tests.rules import lockstep, reference

Position = TypeVar("Position")
Choice = TypeVar("Choice")
Counts = tuple[int, ...]
depth_max = 3


class Strewn(NamedTuple):
    """A position of pieces strewn by `lockstep.scattered`, in a phase of the turn."""

    phase: str
    seed: int
    counts: Counts


from_start: dict[str, Counts] = {
    "square8": (192, 3_192, 3_192),
    "square19": (1_083, 56_520, 56_520),
    "hex8": (183, 2_430, 2_430),
    "hexagonal": (1_407, 70_062, 70_062),
}
"""From the first position, the same for any number of players: the third move is forced."""

_placement, _movement, _territory = "ring_placement", "movement", "territory_processing"
strewn: dict[str, tuple[Strewn, ...]] = {
    "square8_2p": (
        Strewn(_placement, 1, (37, 542, 1_418)),
        Strewn(_movement, 167, (59, 104, 1_088)),
        Strewn(_territory, 221, (10, 38, 387)),
    ),
    "square8_3p": (
        Strewn(_placement, 6, (43, 482, 1_327)),
        Strewn(_movement, 85, (51, 90, 428)),
        Strewn(_territory, 175, (11, 19, 149)),
    ),
    "square8_4p": (
        Strewn(_placement, 1, (37, 494, 1_365)),
        Strewn(_movement, 246, (73, 159, 1_198)),
        Strewn(_territory, 253, (7, 9, 300)),
    ),
    "square19_2p": (
        Strewn(_placement, 56, (47, 512, 1_184)),
        Strewn(_movement, 159, (94, 163, 964)),
        Strewn(_territory, 163, (4, 16, 916)),
    ),
    "square19_3p": (
        Strewn(_placement, 305, (29, 425, 1_284)),
        Strewn(_movement, 131, (110, 200, 1_190)),
        Strewn(_territory, 16, (4, 16, 934)),
    ),
    "square19_4p": (
        Strewn(_placement, 120, (59, 493, 1_211)),
        Strewn(_movement, 154, (80, 147, 474)),
        Strewn(_territory, 263, (5, 19, 949)),
    ),
    "hex8_2p": (
        Strewn(_placement, 39, (36, 479, 2_516)),
        Strewn(_movement, 241, (16, 44, 478)),
        Strewn(_territory, 312, (12, 81, 745)),
    ),
    "hex8_3p": (
        Strewn(_placement, 12, (53, 307, 937)),
        Strewn(_movement, 274, (56, 138, 397)),
        Strewn(_territory, 221, (7, 27, 343)),
    ),
    "hex8_4p": (
        Strewn(_placement, 6, (38, 383, 1_669)),
        Strewn(_movement, 356, (66, 188, 556)),
        Strewn(_territory, 118, (9, 16, 118)),
    ),
    "hexagonal_2p": (
        Strewn(_placement, 56, (48, 372, 3_181)),
        Strewn(_movement, 362, (24, 42, 1_185)),
        Strewn(_territory, 163, (4, 12, 864)),
    ),
    "hexagonal_3p": (
        Strewn(_placement, 120, (35, 302, 1_006)),
        Strewn(_movement, 191, (15, 16, 1_092)),
        Strewn(_territory, 397, (11, 44, 1_027)),
    ),
    "hexagonal_4p": (
        Strewn(_placement, 58, (42, 539, 1_126)),
        Strewn(_movement, 255, (10, 11, 741)),
        Strewn(_territory, 194, (5, 30, 965)),
    ),
}
"""By config: from a placement to a line, from a recovery slide to a claim, from claim to claim."""


def pair_of(config: Config, place: Strewn) -> lockstep.Pair:
    """Return a recorded position in both engines."""
    source = lockstep.scattered(config, random.Random(place.seed))
    return lockstep.from_json({**source, "currentPhase": place.phase})


def by_engine(pair: lockstep.Pair, depth: int = depth_max) -> Counts:
    """Return the node counts by the engine."""
    return _counts(pair[0], depth, legal_moves, apply)


def by_reference(pair: lockstep.Pair, depth: int = depth_max) -> Counts:
    """Return the node counts by the reference."""
    return _counts(pair[1], depth, reference.legal_moves, reference.follow)


def _counts(
    position: Position,
    depth: int,
    options: Callable[[Position], Sequence[Choice]],
    follow: Callable[[Position, Choice], Position],
) -> Counts:
    moves = options(position)
    if depth == 1 or not moves:
        return (len(moves), *[0] * (depth - 1))
    further = [_counts(follow(position, move), depth - 1, options, follow) for move in moves]
    return len(moves), *map(sum, zip(*further, strict=True))
