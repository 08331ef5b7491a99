"""What a mesh owes those who trust it: which games must exist, after which disks were lost.

A game is owed as long as the disk of the box that produced it is whole, for there it was committed.
Once an agent has counted it as safe, it is owed even if disks are lost: as many as the game has
holders besides its producer, by the rule under which it was counted - two, or one in a mesh of two.
More is not promised: the holders of a game may all be lost before their copies are replaced. So the
losses are counted from the last time that every box was seen to hold everything.
"""

from collections.abc import Collection, Mapping

from p2p.envelope import RecordId

losses_max = 2
"""More disks at once than any promise covers are not taken away."""


class Ledger:
    """The games of one mesh."""

    def __init__(self) -> None:
        self.losses = 0
        """Disks lost since everything was last everywhere."""
        self._at_home: dict[RecordId, str] = {}
        self._bearable: dict[RecordId, int] = {}
        """How many losses each game must bear."""
        self._seen_everywhere: set[RecordId] = set()

    def produced(self, box: str, games: Collection[RecordId]) -> None:
        """Note what was committed on the disk of its producer."""
        self._at_home |= dict.fromkeys(games, box)

    def promised(self, games: Mapping[RecordId, int]) -> None:
        """Note games that an agent counts as safe, and how many losses each must bear."""
        for game, losses in games.items():
            self._bearable[game] = max(losses, self._bearable.get(game, 0))

    def disk_lost(self, box: str) -> None:
        """Note that a box has lost what it had."""
        self.losses += 1
        self._at_home = {game: home for game, home in self._at_home.items() if home != box}

    def everywhere(self, games: Collection[RecordId]) -> None:
        """Note that every box holds these games, and the mesh is whole again."""
        self.losses = 0
        self._seen_everywhere |= set(games)
        self.promised(dict.fromkeys(games, losses_max))

    def owed(self) -> set[RecordId]:
        """Return the games that must exist."""
        return self._safe() | self._at_home.keys()

    def owed_for_a_promise(self) -> set[RecordId]:
        """Return those that must exist for no other reason than that an agent said so."""
        return self._safe() - self._at_home.keys() - self._seen_everywhere

    def _safe(self) -> set[RecordId]:
        return {game for game, bears in self._bearable.items() if bears >= self.losses}
