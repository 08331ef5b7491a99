"""Keys of positions: random numbers, one for everything that can be on a cell, combined by XOR.

The method is Zobrist's ("A new hashing method with application for game playing", 1970): what
changes is XORed out and in again, so that a key is kept as the board changes. A stack can be of so
many kinds that its number is not looked up but made: that of its rings times that of its cell,
both halves of the product folded into one.
The numbers are the same in every process and on every machine.
"""

import functools
import hashlib
import random
import struct

from ringrift.rules.geometry import board

key_mask = (1 << 64) - 1
_piles_max = 65_536
_seats_max = 4


class ZobristTable:
    """The numbers of one board. Those of cells are indexed by seat, entry 0 unused, then cell."""

    def __init__(self, board_name: str) -> None:
        rng = random.Random(f"zobrist {board_name}")
        cells = board(board_name).cells
        self.empty = [rng.getrandbits(64) for _ in range(_seats_max + 1)]
        """The key of the empty board, by number of players."""
        self._places = {cell: rng.getrandbits(64) | 1 for cell in cells}
        self.marker, self.territory = (
            [{cell: rng.getrandbits(64) for cell in cells} for _ in range(_seats_max + 1)]
            for _ in range(2)
        )

    def stack(self, cell: int, rings: bytes) -> int:
        """Return the number of a stack of these rings on this cell."""
        product = pile_number(rings) * self._places[cell]
        return (product ^ product >> 64) & key_mask


@functools.lru_cache(maxsize=_piles_max)
def pile_number(rings: bytes) -> int:
    """Return the number of a pile of rings, wherever it stands."""
    return int.from_bytes(hashlib.blake2b(rings, digest_size=8).digest(), "big")


@functools.cache
def zobrist(board_name: str) -> ZobristTable:
    """Return the one table of this board."""
    return ZobristTable(board_name)


def mixed(*numbers: int) -> int:
    """Return a number that stands for a few others, of 32 bits each, in their order."""
    packed = struct.pack(f">{len(numbers)}i", *numbers)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "big")
