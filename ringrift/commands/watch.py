"""`status --watch`: the status again and again, drawn in place or printed one after the other."""

import argparse
import collections
import datetime
import functools
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import trio
import trio.to_thread
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from ringrift import client
from ringrift.commands.common import home_of
from ringrift.commands.drawing import ago, duration, lines
from ringrift.commands.screen import Screen
from ringrift.commands.status import summary, tables, verdict, whole
from ringrift.exits import Exit
from ringrift.printable import counted, printable

_Found: TypeAlias = dict[str, Any]
_Lines: TypeAlias = list[list[Segment]]

_patience_s = 2.0
"""How long an answer may be late before that is said."""

_window_s = 60.0
_tick_s = 1.0
_dim = Style(dim=True)
_not_known = Text("not known: the agent does not answer", "yellow")


class Seen:
    """What the agent has answered, how old that is, and what its answers tell together."""

    def __init__(self, interval_s: float) -> None:
        self.found: _Found | None = None
        self._interval_s = interval_s
        self._trouble = ""
        self._heard_s = 0.0
        self._points: collections.deque[tuple[float, int]] = collections.deque()

    def answered(self, found: _Found, now_s: float) -> None:
        """Take an answer."""
        uptime_s, stored = found["node"]["uptime_s"], found["records"]["games"]["stored"]
        if self._points and uptime_s < self._points[-1][0]:
            self._points.clear()  # it was started anew
        self._points.append((uptime_s, stored))
        while len(self._points) > 2 and self._points[0][0] < uptime_s - _window_s:
            self._points.popleft()
        self.found, self._heard_s, self._trouble = found, now_s, ""

    def unanswered(self, reason: str) -> None:
        """Take it that the agent did not answer, and why."""
        self._trouble = reason

    def trouble(self, now_s: float) -> str:
        """Return why there is nothing newer, or an empty text as long as all is well."""
        age_s = self.age_s(now_s)
        late = age_s is not None and age_s > self._interval_s + _patience_s
        return self._trouble or ("the agent does not answer" if late else "")

    def age_s(self, now_s: float) -> float | None:
        """Return the age of the last answer, None if there was none."""
        return None if self.found is None else now_s - self._heard_s

    def rate(self) -> str:
        """Return how fast games came in, by the agent's own clock; empty if it is not known."""
        if len(self._points) < 2:
            return ""
        (then_s, before), (uptime_s, stored) = self._points[0], self._points[-1]
        if uptime_s == then_s:
            return ""
        games, passed_s = stored - before, uptime_s - then_s
        return f"{games / passed_s:,.2f} games/s stored ({games:,} in {duration(passed_s)})"


class Watch:
    """Asks the agent at an interval, and shows what it has answered."""

    def __init__(self, ask: Callable[[], Awaitable[_Found]], interval_s: float) -> None:
        """`ask` raises as `client.ask` does."""
        self.seen = Seen(interval_s)
        self._ask = ask
        self._interval_s = interval_s
        self.ended_well = False
        """Whether the agent still answered when it ended."""

    async def until_ended(self, show: Callable[[], Awaitable[None]]) -> None:
        """Show until Ctrl-C, and find out how it ended."""
        try:
            await show()
        finally:
            self.ended_well = self.seen.found is not None and not self.seen.trouble(
                trio.current_time()
            )

    async def print_on(self, show_one: Callable[[Seen, float], None]) -> None:
        """Show one after the other, for ever."""
        due_s = trio.current_time()
        while True:
            try:
                self.seen.answered(await self._ask(), trio.current_time())
            except (client.NotRunning, client.AgentError) as error:
                self.seen.unanswered(str(error))
            now_s = trio.current_time()
            show_one(self.seen, now_s)
            due_s = max(due_s + self._interval_s, now_s)
            await trio.sleep_until(due_s)

    async def draw_on(self, console: Console) -> None:
        """Draw in place until Ctrl-C, and leave the last picture behind."""
        screen = Screen(console, lambda: _Picture(self.seen, trio.current_time()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.print_on, lambda _seen, _now_s: screen.draw())
            nursery.start_soon(self._grow_older, screen.draw)
            await screen.until_ended()
            nursery.cancel_scope.cancel()
        console.print(_Picture(self.seen, trio.current_time(), cut=False))

    async def _grow_older(self, draw: Callable[[], None]) -> None:
        """Show what is seen while no answer comes."""
        while True:
            await trio.sleep(_tick_s)
            if self.seen.trouble(trio.current_time()):
                draw()


def watch(options: argparse.Namespace) -> int:
    """Show the status until Ctrl-C; the exit status says whether the agent still answered."""
    ask = functools.partial(client.ask, home_of(options).socket, "GET", "/v1/status")
    watching = Watch(lambda: trio.to_thread.run_sync(ask, abandon_on_cancel=True), options.watch)
    console = Console(highlight=False)
    try:
        if options.json:
            show = functools.partial(watching.print_on, print_object)
        elif sys.stdout.isatty() and not console.is_dumb_terminal:
            show = functools.partial(watching.draw_on, console)
        else:
            show = functools.partial(watching.print_on, print_block)
        trio.run(watching.until_ended, show)
    except KeyboardInterrupt:
        pass  # the way to end it
    return Exit.HEALTHY if watching.ended_well else Exit.NOT_RUNNING


def print_object(seen: Seen, now_s: float) -> None:
    """Print the status, or that there is none, as JSON on one line."""
    trouble, age_s = seen.trouble(now_s), seen.age_s(now_s)
    age_s = None if age_s is None else round(age_s, 1)
    told = {"unanswered": trouble, "last_answer_s": age_s} if trouble else seen.found
    sys.stdout.write(f"{json.dumps(told)}\n")
    sys.stdout.flush()


def print_block(seen: Seen, now_s: float) -> None:
    """Print the status, or that there is none, and an empty line."""
    if seen.found is None or seen.trouble(now_s):
        sys.stdout.write(f"{_banner(seen, now_s).plain}\n\n")
    else:
        sys.stdout.write(f"{seen.found['measured_at']}  {seen.rate()}".rstrip() + "\n")
        sys.stdout.writelines(lines(whole(seen.found)))
        sys.stdout.write("\n")
    sys.stdout.flush()


def _banner(seen: Seen, now_s: float) -> Text:
    trouble = printable(seen.trouble(now_s))
    if trouble:
        return Text(f"{trouble}; last answer: {ago(seen.age_s(now_s))}", "bold yellow")
    if seen.found is None:
        return Text("asking the agent", "dim")
    when = datetime.datetime.fromisoformat(seen.found["measured_at"]).astimezone()
    return Text(f"{when:%H:%M:%S}  {seen.rate()}".rstrip(), "dim")


class _Picture:
    """A status that fits the window: tables are cut, then the summary, and problems are not.

    While the agent does not answer all of it is dim, and of the verdict nothing is left.
    """

    def __init__(self, seen: Seen, now_s: float, *, cut: bool = True) -> None:
        self._banner = _banner(seen, now_s)
        self._found = seen.found
        self._old = bool(seen.trouble(now_s))
        self._cut = cut

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        def drawn(part: RenderableType) -> _Lines:
            return console.render_lines(part, options.update(height=None), pad=False)

        if self._found is None:
            yield self._banner
            return
        banner, top = drawn(self._banner), drawn(summary(self._found))
        blocks = [drawn(each) for each in tables(self._found)]
        bottom = drawn(_not_known if self._old else verdict(self._found))
        room = options.max_height - len(banner) - len(bottom)
        picture = [*top, *(line for block in blocks for line in ([], *block)), []]
        if self._cut and len(picture) > room:
            kept = top[: max(0, room - 1)]
            middle, left_out = _shortened(blocks, room - 1 - len(kept))
            left_out += len(top) - len(kept)
            more = f"{counted(left_out, 'line')} more than the window has room for"
            picture = [*kept, *middle, *drawn(Text(more, "dim"))][: max(0, room)]
        if self._old:
            picture = [[Segment(each.text, _dim) for each in line] for line in picture]
        for line in [*banner, *picture, *bottom]:
            yield from line
            yield Segment.line()


def _shortened(blocks: Sequence[_Lines], room: int) -> tuple[_Lines, int]:
    """Return the first lines of some tables, each after an empty one, and how many are left out.

    No table's headings stand there without a row.
    """
    shown: _Lines = []
    left_out = 0
    for block in blocks:
        left = room - len(shown) - 1
        part = [] if left < 2 else block[:left]
        shown += [[], *part] if part else []
        left_out += len(block) - len(part)
    return shown, left_out
