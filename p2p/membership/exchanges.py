"""Exchanges of records with one peer at a time: what to send, what to answer, when it is enough.

asker                                  answerer
root, news            ->
                      <-               root                     equal: this is all
                      <-               root, news               equal now: this is all
                      <-               root, digests            otherwise
root, records, wants  ->
                      <-               root, records
... until the roots are equal, or a whole list of digests has shown nothing more to exchange.
"""

import dataclasses

from p2p.identity.ids import NodeId
from p2p.membership.directory import Directory, Parcel, highest_id, lowest_id
from p2p.membership.messages import Digest, DigestPage, SyncAnswer, SyncRequest

rounds_max = 64
"""So many exchanges with one peer may follow each other at once; then others have their turn."""


@dataclasses.dataclass(frozen=True, slots=True)
class Exchange:
    """A request under way."""

    started_s: float
    told: int
    """With the answer, the peer knows of our changes up to this one."""
    root: bytes
    void: bool = False
    """We stood still meanwhile, so its duration or failure says nothing of the peer."""


@dataclasses.dataclass(slots=True)
class _Talk:
    """How far we are with one peer."""

    told: int = 0
    settled: tuple[bytes, int, bytes] | None = None
    """Our root, how many we vouch for, and its root, as they were when a whole list of its
    digests was gone through: if they are the same again, there is nothing more to exchange."""
    rounds: int = 0
    page_first: NodeId = lowest_id
    """Where the next page of our digests for it begins."""


class Exchanges:
    """All exchanges of this node; at most one is under way with any peer."""

    def __init__(
        self, directory: Directory, boot: bytes, *, news_s: float, strangers_max: int
    ) -> None:
        self._directory = directory
        self._boot = boot
        self._news_s = news_s
        self._strangers_max = strangers_max
        self._talks: dict[NodeId, _Talk] = {}
        self._under_way: dict[NodeId, Exchange] = {}

    @property
    def under_way(self) -> dict[NodeId, Exchange]:
        """The exchanges that wait for an answer."""
        return self._under_way

    def _talk(self, peer: NodeId) -> _Talk:
        if self._directory.get(peer) is None:
            return _Talk()  # its first word; what it is remains to be seen
        return self._talks.setdefault(peer, _Talk())

    def forget(self, peer: NodeId) -> None:
        """Drop what is known of how far we are with a peer; an exchange under way is let go."""
        self._talks.pop(peer, None)
        self._under_way.pop(peer, None)

    def void(self) -> None:
        """Note that we stood still: what is under way measures nothing."""
        self._under_way = {
            peer: dataclasses.replace(exchange, void=True)
            for peer, exchange in self._under_way.items()
        }

    def news(self, peer: NodeId, now_s: float) -> Parcel:
        """Return what a peer should hear of unasked."""
        parcel = Parcel()
        self._directory.add_news(parcel, peer, self._talk(peer).told, now_s - self._news_s)
        return parcel

    def request(
        self, peer: NodeId, now_s: float, parcel: Parcel, want: tuple[Digest, ...] = ()
    ) -> SyncRequest:
        """Begin an exchange."""
        root, settled = self._directory.root, self._talk(peer).settled
        idle = not parcel and not want
        if idle and settled is not None and settled[:2] == (root, self._directory.vouched):
            root = settled[2]
        self._under_way[peer] = Exchange(now_s, self._directory.changes, root)
        return SyncRequest(
            peer, self._boot, root, tuple(parcel.cores), tuple(parcel.statuses), want
        )

    def answer(self, peer: NodeId, request: SyncRequest, now_s: float) -> SyncAnswer:
        """Answer a request whose records have been taken in."""
        talk = self._talk(peer)
        parcel = Parcel()
        for held in request.want:
            self._directory.add_newer(parcel, held)
        if not request.want:
            self._directory.add_news(parcel, peer, talk.told, now_s - self._news_s)
            talk.told = self._directory.changes  # if the answer is lost, roots will differ
        page = None
        if request.root != self._directory.root and not request.want and not parcel:
            page = self._next_page(talk)
        card = self._directory.get(peer)
        if card is not None and card.core.boot != request.boot:
            parcel.add(card, core=True, status=False)  # it may have lost its disk, or have a double
        return SyncAnswer(
            self._boot, self._directory.root, page, tuple(parcel.cores), tuple(parcel.statuses)
        )

    def _next_page(self, talk: _Talk) -> DigestPage:
        page = self._directory.page(talk.page_first)
        talk.page_first = NodeId(_successor(page.last)) if page.last < highest_id else lowest_id
        return page

    def end(self, peer: NodeId, *, answered: bool) -> Exchange | None:
        """End the exchange under way with a peer; None if there is none."""
        exchange = self._under_way.pop(peer, None)
        if exchange is not None:
            talk = self._talk(peer)
            if answered:
                talk.told = max(talk.told, exchange.told)
            else:
                talk.settled, talk.rounds = None, 0
        return exchange

    def go_on(
        self, peer: NodeId, exchange: Exchange, answer: SyncAnswer, now_s: float
    ) -> SyncRequest | None:
        """Return the request that follows an answer whose records have been taken in, if any."""
        talk = self._talk(peer)
        root, page = self._directory.root, answer.digests
        state = (root, self._directory.vouched, answer.root)
        to_the_end = page is None or page.last == highest_id
        if answer.root == root:
            talk.settled = None
        enough = answer.root in {root, exchange.root} or (to_the_end and talk.settled == state)
        if enough or talk.rounds == rounds_max:
            talk.rounds = 0
            return None
        talk.rounds += 1
        if page is None:
            return self.request(peer, now_s, self.news(peer, now_s))
        parcel = Parcel()
        self._directory.add_lacking(parcel, page)
        want = self._directory.wanted(page, now_s, self._strangers_max)
        if to_the_end:
            talk.settled = state
            if not parcel and not want:
                talk.rounds = 0
                return None
        return self.request(peer, now_s, parcel, want)


def _successor(node: NodeId) -> bytes:
    return (int.from_bytes(node, "big") + 1).to_bytes(len(node), "big")
