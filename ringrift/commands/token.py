"""`token`: make a token that lets further boxes join."""

import argparse
import datetime
import re
import sys

from p2p.identity import IdentityError
from p2p.identity.keyring import Keyring
from p2p.identity.tokens import grant_token
from ringrift.cli import expires_examples
from ringrift.commands.common import home_of, now_utc, print_json, say
from ringrift.exits import Exit
from ringrift.printable import quoted

_units = {"h": 1 / 24, "d": 1, "w": 7, "y": 365}
_digits_max = 6
"""With more, even hours are longer than any root lives, which `grant_token` refuses."""


def token(options: argparse.Namespace) -> int:
    """Print a new token, alone, on stdout."""
    days = _days(options.expires)
    if days is None:
        say(f"--expires {quoted(options.expires)} is not a time such as {expires_examples}")
        return Exit.USAGE
    keyring = Keyring(home_of(options).config)
    now = now_utc()
    try:
        root = keyring.load_root()
        if root is None:
            say(
                f"there is no root key at {keyring.root_key_path}; it is in the home of the box "
                "that made the mesh: run this there, or name that --home"
            )
            return Exit.ERROR
        made = grant_token(root, now, datetime.timedelta(days=days), single_box=options.single_box)
    except IdentityError as error:
        say(str(error))
        return Exit.ERROR
    except ValueError as error:
        say(f"--expires {quoted(options.expires)}: {error}")
        return Exit.USAGE
    if options.json:
        print_json({"mesh": root.mesh.hex(), "token": made})
    else:
        sys.stdout.write(f"{made}\n")
    return Exit.HEALTHY


def _days(text: str) -> float | None:
    match = re.fullmatch(r"0*([1-9][0-9]*)([hdwy])", text)
    return None if match is None else int(match[1][:_digits_max]) * _units[match[2]]
