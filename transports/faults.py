"""What a failed request is answered with, whatever carries it, and how its sender understands it.

    CodecError from the handler          400
    the body could not be read           400, 408 or 413
    `Fault`                              as it says
    anything else                        500, and logged by the transport

Each answer is a line of text for the operator; programs go by the status.
"""

from p2p.codec import CodecError
from transports.base import (
    Answer,
    DeadlineExceeded,
    Incoming,
    Interrupted,
    Refused,
    Reply,
    TooLarge,
)

_sentence_chars_max = 1024
_sentence_bytes_max = 4 * _sentence_chars_max + 1

_statuses: dict[type[Exception], int] = {
    DeadlineExceeded: 408,
    Interrupted: 400,
    TooLarge: 413,
}
"""What the sender is told when its body could not be read."""


class Fault(Exception):
    """A request that is not answered by the handler but by the transport."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def line(status: int, sentence: str) -> Reply:
    """Return an answer that consists of one sentence, cut if it is long."""
    text = f"{sentence[:_sentence_chars_max]}\n"
    return Reply(status, text.encode(), "text/plain; charset=utf-8")


def blame(error: Exception, incoming: Incoming | None) -> Reply | None:
    """Return what to tell the sender whose fault `error` is; None if it is ours.

    `incoming` is the request that met it, if it came that far: only an error that reading its body
    has raised is its sender's, not one that the handler met in another exchange.
    """
    if isinstance(error, Fault):
        return line(error.status, str(error))
    if isinstance(error, CodecError):
        return line(400, str(error))
    if incoming is not None and error is incoming.failure:
        return line(_statuses[type(error)], str(error))
    return None


async def require_welcome(answer: Answer) -> None:
    """Raise `Refused`, with the reason that the peer gives, if the status is 403."""
    if answer.status == 403:
        reason = (await answer.read(_sentence_bytes_max)).decode(errors="replace").strip()
        raise Refused(f"the peer refused us: {reason}")
