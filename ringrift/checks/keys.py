"""Checks of the home's folders, the keys in them, and how long these are good for."""

import datetime
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from p2p.identity import IdentityError
from p2p.identity.certificates import Credentials, Life, life
from p2p.identity.keyring import Keyring
from ringrift.checks import Finding, Verdict
from ringrift.home import Home, is_read_only
from ringrift.joining import key_is_lost
from ringrift.printable import counted

checks = ("keys", "certificate", "grant", "root key")
"""Those that read the key files."""

_renew = (
    "make a new token where the root key is (`ringrift-agent token`), and start the agent with it"
)


def check_folders(home: Home) -> Finding:
    """Check that only this user can enter the home."""
    for folder in dict.fromkeys((home.config, home.data)):
        try:
            found = folder.stat()
        except FileNotFoundError:
            return Finding(
                "home",
                Verdict.WARNING,
                f"there is no folder {folder} yet",
                "start an agent with `ringrift-agent`, or name its --home",
            )
        except OSError as error:
            finding = f"cannot look at {folder}: {error.strerror}"
            return Finding("home", Verdict.FAILURE, finding, "choose another --home")
        if not stat.S_ISDIR(found.st_mode):
            advice = "choose another --home"
            return Finding("home", Verdict.FAILURE, f"{folder} is a file, not a folder", advice)
        if found.st_uid != os.geteuid():
            advice = "run this as that user, or choose another --home"
            return Finding("home", Verdict.FAILURE, f"{folder} belongs to another user", advice)
        if stat.S_IMODE(found.st_mode) & 0o077:
            return Finding("home", Verdict.FAILURE, _open_to_others(folder, found), _close(folder))
        # That nobody can write to a file system is told of that; its keys can be read.
        needed = os.R_OK | os.X_OK | (0 if is_read_only(folder) else os.W_OK)
        if not os.access(folder, needed):
            finding = f"{folder} is closed to this user (mode {stat.S_IMODE(found.st_mode):04o})"
            return Finding("home", Verdict.FAILURE, finding, _close(folder))
    places = " and ".join(map(str, dict.fromkeys((home.config, home.data))))
    return Finding("home", Verdict.OK, f"{places}: for this user alone")


def check_keys(keyring: Keyring) -> tuple[Finding, Credentials | None]:
    """Check that the key files are sound, fit together and are private; return what they hold."""
    try:
        credentials = keyring.load_credentials()
    except IdentityError as error:
        return _unusable("keys", error), None
    if credentials is None and key_is_lost(keyring):
        return _check_lost_key(keyring), None
    if credentials is None:
        advice = "start the agent with --join and a token, or alone to make a mesh"
        return Finding("keys", Verdict.WARNING, "this home belongs to no mesh yet", advice), None
    for path in (keyring.node_path, keyring.mesh_path):
        if _is_open(path):
            finding = _open_to_others(path, path.stat())
            return Finding("keys", Verdict.WARNING, finding, _close(path)), credentials
    finding = (
        f"{keyring.node_path.name} and {keyring.mesh_path.name} fit together and are private: "
        f"node {credentials.node.hex()[:12]} of the mesh {credentials.mesh.hex()}"
    )
    return Finding("keys", Verdict.OK, finding), credentials


def check_lives(credentials: Credentials | None, now: datetime.datetime) -> Iterator[Finding]:
    """Check how long peers will accept this node."""
    if credentials is None:
        yield Finding("certificate", Verdict.UNKNOWN, "there is none that can be read")
        yield Finding("grant", Verdict.UNKNOWN, "there is none that can be read")
        return
    of_leaf, of_grant = (life([each]) for each in (credentials.leaf, credentials.grant))
    make_anew = "the mesh's root ends with it: make a new mesh, and join its boxes to that"
    yield _check_life("certificate", of_leaf, now, make_anew)
    yield _check_life("grant", of_grant, now, _renew)


def check_root(keyring: Keyring, now: datetime.datetime) -> Finding:
    """Check the mesh's root key, if it is here."""
    path = keyring.root_key_path
    try:
        root = keyring.load_root()
    except IdentityError as error:
        return _unusable("root key", error)
    if root is None:
        finding = "not here: it is in the home of the box that made the mesh"
        return Finding("root key", Verdict.OK, finding)
    if _is_open(path):
        return Finding(
            "root key", Verdict.WARNING, _open_to_others(path, path.stat()), _close(path)
        )
    lasting = _check_life("root key", life([root.certificate]), now, "make a new mesh")
    if lasting.verdict is not Verdict.OK:
        return lasting
    advice = "keep a copy off this box: without it, no token can be made"
    return Finding("root key", Verdict.OK, f"{path}, and private", advice)


def _check_lost_key(keyring: Keyring) -> Finding:
    """Tell what a start would do without the key of this box."""
    finding = f"{keyring.node_path} is missing, with the key by which this box belongs to its mesh"
    if keyring.root_key_path.exists():
        advice = "restore it from a copy, or start the agent: it becomes a new node of the mesh"
        return Finding("keys", Verdict.WARNING, finding, advice)
    advice = "restore it from a copy, or join again, as a new node, with --join and a token"
    return Finding("keys", Verdict.FAILURE, finding, advice)


def _unusable(check: str, error: IdentityError) -> Finding:
    """Part what is wrong from the remedy, which the message of a damaged file ends with."""
    finding, _, advice = str(error).partition("; ")
    advice = advice or "let this user read it, or restore it from a copy"
    return Finding(check, Verdict.FAILURE, finding, advice)


def _check_life(check: str, span: Life, now: datetime.datetime, advice: str) -> Finding:
    if now < span.not_before:
        finding = f"not valid before {_day(span.not_before)}: this box's clock says {_day(now)}"
        return Finding(check, Verdict.FAILURE, finding, "set the clock")
    if now >= span.not_after:
        return Finding(check, Verdict.FAILURE, f"has expired on {_day(span.not_after)}", advice)
    days = counted((span.not_after - now).days, "day")
    finding = f"valid until {_day(span.not_after)}, {days} from now"
    if span.ends_soon(now):
        return Finding(check, Verdict.WARNING, finding, advice)
    return Finding(check, Verdict.OK, finding)


def _day(when: datetime.datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _open_to_others(path: Path, found: os.stat_result) -> str:
    return f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o})"


def _close(path: Path) -> str:
    mode = "700" if path.is_dir() else "600"
    return f"chmod {mode} {shlex.quote(str(path))}"
