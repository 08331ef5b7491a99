"""`token`: make a token that lets further boxes join."""

import argparse
import datetime
import re
import sys

from p2p.identity import IdentityError
from p2p.identity.keyring import Keyring
from p2p.identity.tokens import grant_token
from ringrift.commands.common import home_of, now_utc, print_json, say
from ringrift.exits import Exit

_units = {"h": 1 / 24, "d": 1, "w": 7, "y": 365}


def token(options: argparse.Namespace) -> int:
    """Print a new token, alone, on stdout."""
    days = _days(options.expires)
    if days is None:
        say(f"--expires {options.expires!r} is not a time such as 12h, 30d, 8w or 1y")
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
        say(f"--expires {options.expires}: {error}")
        return Exit.USAGE
    if options.json:
        print_json({"mesh": root.mesh.hex(), "token": made})
    else:
        sys.stdout.write(f"{made}\n")
    return Exit.HEALTHY


def _days(text: str) -> float | None:
    match = re.fullmatch(r"0*([1-9][0-9]{0,4})([hdwy])", text)
    return None if match is None else int(match[1]) * _units[match[2]]
