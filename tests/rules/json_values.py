"""Any JSON at all, and any JSON in one place of a given value, for the tests of readers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

Edit = Callable[[Any], object]
Path = tuple[str | int, ...]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def put(*path: str | int, value: object) -> Edit:
    """Return an edit that puts a value somewhere into parsed JSON."""

    def edit(root: Any) -> object:
        here = root
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = value
        return root

    return edit


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every part of a value, but of the value itself."""
    if path:
        yield path
    inner: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for step, part in inner:
        yield from paths(part, (*path, step))


def edits_of(value: object) -> st.SearchStrategy[Edit]:
    """Return edits that put anything into one place of a value."""
    return st.builds(
        lambda path, part: put(*path, value=part), st.sampled_from([*paths(value)]), anything
    )
