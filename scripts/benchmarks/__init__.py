"""One module a benchmark; `scripts/bench.py` runs them."""
