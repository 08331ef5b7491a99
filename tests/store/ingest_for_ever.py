"""Ingest batches until killed; tell the ids of each once it is acknowledged."""

import itertools
import sys
from pathlib import Path

from tests.store.samples import game, open_store

if __name__ == "__main__":
    store = open_store(Path(sys.argv[1]))
    for first in itertools.count(step=50):
        batch = [game(number, size=2000) for number in range(first, first + 50)]
        print(*(row.id.hex() for row in store.ingest(batch, 0).stored), flush=True)
