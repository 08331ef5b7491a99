"""`pause` and `resume`."""

import argparse

from ringrift.commands.common import ask_agent, say
from ringrift.exits import Exit


def pause(options: argparse.Namespace) -> int:
    """Start no further game on this box."""
    ask_agent(options, "POST", "/v1/pause")
    say("paused: games under way are finished, no further one is started, also after a restart")
    return Exit.HEALTHY


def resume(options: argparse.Namespace) -> int:
    """Play again."""
    ask_agent(options, "POST", "/v1/resume")
    say("playing again")
    return Exit.HEALTHY
