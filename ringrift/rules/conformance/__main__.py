"""`python -m ringrift.rules.conformance`: run the engine against a folder of test data."""

import argparse
import io
import json
import pathlib
import sys
from collections.abc import Sequence

from ringrift.arguments import Parser
from ringrift.printable import printable
from ringrift.rules.conformance.folder import FolderError, load
from ringrift.rules.conformance.judge import judge
from ringrift.rules.conformance.report import Tally, as_json, as_lines, tally
from ringrift.streams import give_up_stdout, need_stdout, speak_to_nobody

_program = "python -m ringrift.rules.conformance"
_failed, _misused, _unwritten = 1, 2, 3

_more = f"""\
DIR holds MANIFEST.json and the folders that it lists items of: contract_v2, contract_extra,
rules_parity, fsm, transitions, games. Items that are no oracle are skipped for a named reason.

exit status: 0 if nothing failed, 1 if an item failed, 2 if the command or the folder is wrong,
3 if the report could not be written

example:
  {_program} ../vectors
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run every item, print the report and return the exit status.

    With `--json` stdout holds one object and nothing else, and failures are told on stderr.
    """
    speak_to_nobody()
    try:
        options = _parser().parse_args(words)
        need_stdout()
    except OSError as error:
        return _give_up(error)
    try:
        items = load(options.folder)
    except FolderError as error:
        sys.stderr.write(f"{_program}: {printable(str(error))}\n")
        return _misused
    tallies = tally((item, judge(item)) for item in items)
    _any_text(sys.stdout)
    try:
        _report(tallies, options.json)
    except OSError as error:
        return _give_up(error)
    return _failed if any(counted.failed for counted in tallies.values()) else 0


def _give_up(error: OSError) -> int:
    give_up_stdout(error, f"{_program}: cannot write the output")
    return _unwritten


def _report(tallies: dict[str, Tally], as_object: bool) -> None:
    if as_object:
        sys.stdout.write(json.dumps(as_json(tallies), indent=2) + "\n")
        failures = [failure for counted in tallies.values() for failure in counted.failures]
        sys.stderr.writelines(f"failed: {failure}\n" for failure in failures)
    else:
        sys.stdout.writelines(f"{line}\n" for line in as_lines(tallies))
    sys.stdout.flush()


def _any_text(stream: object) -> None:
    """Have a stream write what its encoding lacks as an escape."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _folder(text: str) -> pathlib.Path:
    if not text:  # which would be the folder that this runs in
        raise argparse.ArgumentTypeError("it is empty; expected the folder of the data")
    return pathlib.Path(text)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=_program,
        description="Check the rules against published test data, item by item.",
        epilog=_more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", type=_folder, help="the folder of the data")
    parser.add_argument("--json", action="store_true", help="print counts by stratum as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
