"""The network in memory, in virtual time."""

import random

import pytest
import trio.testing

from tests.transports.harness import Network
from tests.transports.memory.village import Village, calm
from transports.memory import MemoryNetwork


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run in virtual time: waiting takes none."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


@pytest.fixture
def links() -> MemoryNetwork:
    return MemoryNetwork(random.Random(1), calm)


@pytest.fixture
def network(links: MemoryNetwork) -> Network:
    return Village(links)
