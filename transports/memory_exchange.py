"""A request and its answer as they pass through memory (`transports.memory`), piece by piece."""

from typing import Protocol

import trio

from p2p.identity.ids import NodeId
from transports.base import Body, Interrupted, Reply


class Gone(Exception):
    """The reader takes nothing more."""


class Link(Protocol):
    """What carries one direction of one exchange."""

    is_lost: bool
    """Whether something was lost on it: then nothing more arrives."""

    def carries(self) -> bool:
        """Return whether something sent now would arrive, if it took no time."""

    async def travel(self, body_bytes: int, *, is_head: bool = False) -> bool:
        """Let a message take its time. Return whether it arrives."""


class Way:
    """One direction of an exchange: a head, then the pieces of a body.

    A piece is taken before the next is sent; a body given as bytes comes with its head.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self._changed = trio.lowlevel.ParkingLot()
        self._piece = b""
        self._has_begun = False
        self._has_ended = False
        self._is_broken = False
        self._is_left = False

    # The sender's end

    async def begin(self, body: Body) -> bool:
        """Send the head. Return whether it arrives."""
        whole = body if isinstance(body, bytes) else None
        if not await self.link.travel(len(whole or b""), is_head=True):
            return False
        self._has_begun = True
        if whole is not None:
            self._piece = whole
            self._has_ended = True
        self._changed.unpark_all()
        return True

    async def send(self, body: Body, patience_s: float) -> None:
        """Send what does not come with the head.

        Raises `Gone` if the reader has left, or takes nothing for `patience_s`.
        """
        if isinstance(body, bytes):
            return
        async for piece in body:
            if piece:
                with trio.move_on_after(patience_s) as scope:
                    await self._send_piece(piece)
                if scope.cancelled_caught:
                    raise Gone
        self._has_ended = self.link.carries()
        self._changed.unpark_all()

    async def _send_piece(self, piece: bytes) -> None:
        arrives = await self.link.travel(len(piece))
        if arrives:
            self._piece = piece
            self._changed.unpark_all()
        while (self._piece or not arrives) and not self._is_left:
            await self._changed.park()
        if self._is_left:
            raise Gone

    def break_off(self) -> None:
        """Let the reader know that no more comes than has come."""
        self._is_broken = True
        self._changed.unpark_all()

    # The reader's end

    async def begun(self) -> None:
        """Return when the head has arrived. Raises `Interrupted`."""
        while not self._has_begun:
            if self._is_broken:
                raise Interrupted("the connection broke before the answer began")
            await self._changed.park()

    async def receive(self) -> bytes:
        """Return the next piece, b"" at the end. Raises `Interrupted`."""
        # What is there is returned without a pause: simulations do little else.
        while not (self._piece or self._has_ended or self._is_broken):
            await self._changed.park()
        piece, self._piece = self._piece, b""
        if not piece and not self._has_ended:
            raise Interrupted("the connection broke before the end of the body")
        self._changed.unpark_all()
        return piece

    def leave(self) -> None:
        """Let the sender know that nothing more is read."""
        self._is_left = True
        self._changed.unpark_all()


class Exchange:
    """A request under way, and its answer."""

    def __init__(self, peer: NodeId, path: str, body: Body, there: Link, back: Link) -> None:
        self.peer = peer
        self.path = path
        self.body = body
        self.request = Way(there)
        self.answer = Way(back)
        self.reply: Reply | None = None
        """What the handler answers."""

    def caller_leaves(self) -> None:
        """Tell the server, if the link does."""
        if self.request.link.carries():
            self.request.break_off()
            self.answer.leave()

    def server_leaves(self) -> None:
        """Tell the caller, if the link does."""
        if self.answer.link.carries():
            self.answer.break_off()
            self.request.leave()
