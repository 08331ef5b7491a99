"""The process that replays: a child that is given records and says of each what it found.

The protocol is on one page, `docs/workers.md`: records go in as length-prefixed frames, one at a
time; for each comes a line with a verdict and, but for the good one, the reason.
"""

import dataclasses
import enum
from collections.abc import Mapping, Sequence

import trio

from mixins.child import Child, ChildEnded, ChildRubbish
from p2p.frames import frame

record_s_max = 60.0
"""The longest real game replays in well under a second on a quiet core."""

reason_chars_max = 300
_line_bytes_max = 2048


class Verdict(enum.Enum):
    """What replaying a record has shown; the values are the words of the protocol."""

    GOOD = "replays"
    BAD = "fails"
    UNKNOWN = "unknown"
    """It cannot be judged here: it was made by another version of the rules."""


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and the reason for it; a good one needs none."""

    verdict: Verdict
    reason: str = ""

    @classmethod
    def parse(cls, line: bytes) -> "Judgement":
        """Read a line. Raises `ChildRubbish`."""
        word, _, reason = line.decode(errors="replace").partition(" ")
        try:
            return cls(Verdict(word), reason[:reason_chars_max])
        except ValueError:
            expected = ", ".join(each.value for each in Verdict)
            raise ChildRubbish(f"wrote {word!r:.40}; expected one of {expected}") from None


class Replayer:
    """A running replayer. Make one with `Replayer.start`, and always `stop` it."""

    def __init__(self, child: Child) -> None:
        self._child = child

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str]) -> "Replayer":
        """Start a replayer. Raises `OSError` if the command cannot be run."""
        return cls(await Child.start(command, environment))

    async def drain_stderr(self) -> None:
        """Keep the end of what it says on its standard error, until it closes it."""
        await self._child.drain_stderr()

    async def judge(self, record: bytes) -> Judgement:
        """Have a record replayed. Raises `ChildEnded`, also if it takes too long; `ChildRubbish`.

        After either, the replayer is of no more use.
        """
        with trio.move_on_after(record_s_max):
            await self._child.send(frame(record))
            return Judgement.parse(await self._line())
        raise ChildEnded(f"has not replayed a record in {record_s_max:.0f} s")

    async def _line(self) -> bytes:
        line = b""
        while b"\n" not in line:
            if len(line) > _line_bytes_max:
                raise ChildRubbish(f"wrote a line of more than {_line_bytes_max} bytes")
            line += await self._child.receive()
        line, _, rest = line.partition(b"\n")
        if rest:
            raise ChildRubbish("wrote more than one line for one record")
        return line

    async def stop(self) -> None:
        """End it and reap it, as `Child.stop`."""
        await self._child.stop()
