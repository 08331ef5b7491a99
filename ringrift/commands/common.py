"""What the verbs share: data goes to stdout, talk to stderr, and errors are one sentence."""

import argparse
import datetime
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ringrift import client
from ringrift.exits import Exit
from ringrift.home import Home, HomeError
from ringrift.printable import printable, shortened

ResultT = TypeVar("ResultT")


def say(text: str) -> None:
    """Tell the user something that is no data."""
    sys.stderr.write(f"ringrift-agent: {shortened(printable(text))}\n")


def print_json(value: object) -> None:
    """Print data for a program to read."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def now_utc() -> datetime.datetime:
    """Return the time, for the verbs that work without an agent."""
    return datetime.datetime.now(datetime.UTC)


def new_id(count: int) -> bytes:
    """Return `count` unpredictable bytes from the operating system."""
    return os.urandom(count)


def home_of(options: argparse.Namespace) -> Home:
    """Return the home that the options or the environment name, or end the program."""
    try:
        return Home.find(options.home)
    except HomeError as error:
        say(str(error))
        sys.exit(Exit.ERROR)


def ask_agent(options: argparse.Namespace, method: str, target: str) -> Any:
    """Ask the running agent; ends the program with a sentence if there is none, or it cannot."""
    return _or_exit(lambda: client.ask(home_of(options).socket, method, target))


def stream_agent(options: argparse.Namespace, method: str, target: str) -> Iterator[bytes]:
    """Ask the running agent for something long."""
    chunks = client.stream(home_of(options).socket, method, target)
    while (chunk := _or_exit(lambda: next(chunks, None))) is not None:
        yield chunk


def _or_exit(question: Callable[[], ResultT]) -> ResultT:
    try:
        return question()
    except client.NotRunning as error:
        say(f"{error}; start one with `ringrift-agent`, or name its --home")
        sys.exit(Exit.NOT_RUNNING)
    except client.BadRequest as error:
        say(str(error))
        sys.exit(Exit.USAGE)
    except client.AgentError as error:
        say(str(error))
        sys.exit(Exit.ERROR)
