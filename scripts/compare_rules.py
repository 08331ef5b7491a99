"""Plays random games in the engine and in the tests' slow reference at once, and compares them.

    python scripts/compare_rules.py --games 100 --config hex8_3p --seed 7
    python scripts/compare_rules.py --perft

The first disagreement ends it, with the position as JSON; the game's seed plays it again. With
`--perft` both engines count the recorded node counts again instead.
"""

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ringrift.printable import counted
from ringrift.rules import Config, configs
from tests.rules import lockstep, perft


def main() -> int:
    """Compare games and print what was compared; return 1 if the engines disagreed."""
    options = _parser().parse_args()
    wanted = [Config.parse(options.config)] if options.config else configs
    if options.perft:
        return max(_count(config) for config in wanted)
    for config in wanted:
        tally = lockstep.Tally()
        for seed in range(options.seed, options.seed + options.games):
            rng = random.Random(seed)
            pair = lockstep.openings[options.opening](config, rng)
            try:
                tally.add(lockstep.play(pair, rng, options.moves))
            except lockstep.Disagreement as error:
                sys.stdout.write(f"{config.name} {options.opening}, seed {seed}: {error}\n")
                return 1
        _show(config, options.opening, tally)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="compare_rules.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    names = [config.name for config in configs]
    parser.add_argument("--games", type=int, default=10, help="games of each config")
    parser.add_argument("--config", choices=names, help="instead of all twelve")
    parser.add_argument("--seed", type=int, default=0, help="of the first game; others follow")
    parser.add_argument("--opening", choices=[*lockstep.openings], default="start")
    parser.add_argument("--moves", type=int, default=10_000, help="after which a game is cut short")
    parser.add_argument("--perft", action="store_true", help="count the recorded node counts")
    return parser


def _count(config: Config) -> int:
    """Count anew what is recorded for a config; return 1 if an engine counts otherwise."""
    known = [("start", lockstep.from_start(config), perft.from_start[config.board])]
    for place in perft.strewn[config.name]:
        name = f"{place.phase}, seed {place.seed}"
        known.append((name, perft.pair_of(config, place), place.counts))
    status = 0
    for name, pair, counts in known:
        engine, text = perft.by_engine(pair), perft.by_reference(pair)
        same = engine == text == counts
        verdict = "alike" if same else f"engine {engine}, text {text}"
        sys.stdout.write(f"{config.name} from {name}: recorded {counts}, {verdict}\n")
        sys.stdout.flush()
        status |= not same
    return status


def _show(config: Config, opening: str, tally: lockstep.Tally) -> None:
    games = counted(sum(tally.ends.values()), "game")
    sys.stdout.write(
        f"{config.name} {opening}: {games}, {tally.positions} positions alike, "
        f"{tally.refused} moves refused by both\n"
        f"  ends  {_counts(tally.ends)}\n"
        f"  moves {_counts(tally.moves)}\n"
    )
    sys.stdout.flush()


def _counts(counter: dict[str, int]) -> str:
    return ", ".join(f"{name} {counter[name]}" for name in sorted(counter))


if __name__ == "__main__":
    sys.exit(main())
