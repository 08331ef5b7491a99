"""What is still to be asked about, taken a page at a time."""

import collections
import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class Rest(Generic[ItemT]):
    """Items of which each page takes as many as fit; at most one is read ahead."""

    def __init__(self, source: Iterable[ItemT]) -> None:
        self._waiting: collections.deque[ItemT] = collections.deque()
        self._source = iter(source)

    def page(
        self, size: Callable[[ItemT], int], room: int, count_max: int = sys.maxsize
    ) -> list[ItemT]:
        """Take as many as have room in one request."""
        page: list[ItemT] = []
        while len(page) < count_max:
            if not self._waiting:
                self._waiting.extend(itertools.islice(self._source, 1))
            if not self._waiting:
                break
            room -= size(self._waiting[0])
            if room < 0:
                break
            page.append(self._waiting.popleft())
        return page

    def put_back(self, items: Sequence[ItemT]) -> None:
        """Let these be the next."""
        self._waiting.extendleft(reversed(items))
