"""Make the project's `.venv` from `locks/run.txt` or `locks/dev.txt`, or wait for who is at it.

    python -I scripts/make_venv.py run|dev

`scripts/bootstrap` calls this where it finds the environment missing or stale. It needs nothing but
the standard library of Python 3.11. What the environment was made from is copied into
`.venv/made-from` last: an environment without those copies is incomplete and is made anew.
"""

import contextlib
import fcntl
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
from typing import IO

root = pathlib.Path(__file__).resolve().parent.parent
venv = root / ".venv"
venv_python = venv / "bin" / "python"
made_from = venv / "made-from"
guard_name = ".lock"
built_from_source = "pybloom-live"

# A shell executes the second line; to Python it is four strings side by side. So the launcher needs
# no absolute path, and the project's folder may be moved.
launcher = """\
#!/bin/sh
"exec" "${0%/*}/python" "$0" "$@"
from ringrift.cli import main

raise SystemExit(main())
"""


def say(text: str) -> None:
    """Talk on stderr: stdout belongs to the program that is about to start."""
    print(f"ringrift-agent: {text}", file=sys.stderr, flush=True)


def sources(lock: str) -> dict[str, bytes]:
    """Return the files that an environment for `lock` is made from. `dev` includes `run`."""
    names = {"run": ["build.txt", "run.txt"], "dev": ["build.txt", "run.txt", "dev.txt"]}[lock]
    files = [root / "locks" / name for name in names] + [pathlib.Path(__file__)]
    return {file.name: file.read_bytes() for file in files}


def is_made_from(expected: dict[str, bytes]) -> bool:
    """Tell whether the environment is complete, and made from these files."""
    if not os.access(venv_python, os.X_OK):
        return False
    copies = {file.name: file.read_bytes() for file in made_from.glob("*")}
    return expected.items() <= copies.items()


def call(guard: IO[str], *command: str | pathlib.Path) -> None:
    """Run a command to its end. It shares our lock, so it keeps others out even if we are killed.

    It is a process group of its own, so that Ctrl-C reaches us alone and we end all of it.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        pass_fds=[guard.fileno()],
        process_group=0,
    )
    try:
        status = process.wait()
    except KeyboardInterrupt:
        with contextlib.suppress(ProcessLookupError):  # it may have ended at the same moment
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if status:
        raise subprocess.CalledProcessError(status, command)


def create(guard: IO[str]) -> None:
    """Make an empty environment in which the project's own packages can be imported."""
    say(f"making .venv with Python {platform.python_version()}; this happens once")
    if made_from.exists():
        shutil.rmtree(made_from)  # first: what is half removed counts as missing
    for entry in list(venv.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != guard_name:
            entry.unlink()
    # The real path has the version in it, so that an upgrade breaks the link, and is noticed.
    call(guard, os.path.realpath(sys.executable), "-I", "-m", "venv", venv)
    packages = pathlib.Path(sysconfig.get_path("purelib", "venv", {"base": str(venv)}))
    (packages / "ringrift_agent.pth").write_text(os.path.relpath(root, packages) + "\n")
    script = venv / "bin" / "ringrift-agent"
    script.write_text(launcher)
    script.chmod(0o755)


def install(guard: IO[str], lock: str, *more: str) -> None:
    """Install what a lock file lists, every file checked against its hashes."""
    options = ["--quiet", "--no-input", "--disable-pip-version-check"]
    options += ["--require-hashes", "--only-binary=:all:", *more]
    path = root / "locks" / f"{lock}.txt"
    call(guard, venv_python, "-I", "-m", "pip", "install", *options, "--requirement", path)


def vouch(expected: dict[str, bytes]) -> None:
    """Record that the environment is complete, once all of it is on the disk."""
    os.sync()
    made_from.mkdir(exist_ok=True)
    for name, content in expected.items():
        draft = made_from / f"{name}.new"
        draft.write_bytes(content)
        draft.replace(made_from / name)


def make(lock: str) -> None:
    """Make the environment, unless another process has done so meanwhile."""
    venv.mkdir(exist_ok=True)
    with (venv / guard_name).open("w") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that is making .venv")
            fcntl.flock(guard, fcntl.LOCK_EX)
        expected = sources(lock)
        if is_made_from(expected):
            return
        if not is_made_from(sources("run")) or (made_from / "dev.txt").exists():
            create(guard)  # else it is extended from run to dev, under agents that may run from it
        install(guard, "build")
        # Without isolation: isolated, it would be built by tools that pip fetches unchecked.
        install(guard, lock, f"--no-binary={built_from_source}", "--no-build-isolation")
        vouch(expected)


def main(lock: str) -> int:
    """Make the environment and return the exit status."""
    again = "It counts as incomplete: run the command again to go on."
    try:
        make(lock)
    except KeyboardInterrupt:
        say(f"interrupted while making .venv. {again}")
        return 130
    except subprocess.CalledProcessError as error:
        say(f"could not make .venv: status {error.returncode}, the reason is above.")
        say("Check the network and pip's settings, then run the command again.")
        return 1
    except OSError as error:
        say(f"could not make .venv: {error}. {again}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
