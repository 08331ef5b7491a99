"""Which seed each game was played from: no agent may give out one twice."""

from collections.abc import Mapping

from p2p.envelope import RecordId, parse_record
from p2p.identity.ids import NodeId


class Origins:
    """Who produced each game, and from which seed."""

    def __init__(self) -> None:
        self._origins: dict[RecordId, tuple[NodeId, bytes]] = {}

    def learn(self, games: Mapping[RecordId, bytes]) -> None:
        """Take in records of games."""
        for game in games.keys() - self._origins.keys():
            record = parse_record(games[game])
            assert isinstance(record.body, dict)
            self._origins[game] = record.producer, record.body["seed"]

    def producer(self, game: RecordId) -> NodeId:
        """Return who produced a game that has been learned of."""
        return self._origins[game][0]

    def replays(self, excused: set[RecordId]) -> set[RecordId]:
        """Return the games whose producer has played another from the same seed."""
        first: dict[tuple[NodeId, bytes], RecordId] = {}
        return {
            game
            for game, origin in sorted(self._origins.items())
            if game not in excused and first.setdefault(origin, game) != game
        }
