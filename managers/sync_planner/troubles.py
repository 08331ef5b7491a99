"""What fails with a peer again and again is told once."""

import logging

from p2p.identity.ids import NodeId
from p2p.membership import Member


class Troubles:
    """Why what was tried last with each peer has failed."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._reasons: dict[tuple[str, NodeId], str] = {}

    def tell(self, what: str, member: Member, error: Exception) -> None:
        """Log a failure, unless the same one was told and nothing has succeeded since."""
        if self._reasons.get((what, member.id)) != str(error):
            self._reasons[what, member.id] = str(error)
            self._log.info("%s %s failed: %s", what, member.name, error)

    def over(self, what: str, member: Member) -> None:
        """Note a success."""
        self._reasons.pop((what, member.id), None)
