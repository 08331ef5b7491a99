"""`config show`: what `run` would start with, and who decided it."""

import argparse
import os
import sys
from collections.abc import Iterator

from ringrift.agent_settings import agent_settings, listen_address
from ringrift.choices import BadSetting, Choice, Choices, resolve, unknown_variables
from ringrift.commands.common import home_of, print_json, say
from ringrift.exits import Exit
from ringrift.printable import printable
from ringrift.settings import Setting, settings


def config(options: argparse.Namespace) -> int:
    """Print every setting; ends with status 2 where `run` would refuse one."""
    home = home_of(options)
    try:
        choices = resolve(vars(options), os.environ, home.settings)
        agent_settings(home, choices)
        listen_address(choices)
    except BadSetting as error:
        say(str(error))
        return Exit.USAGE
    for warning in unknown_variables(os.environ):
        say(warning)
    if options.json:
        print_json({each.name: _data(choices[each.name], options.origin) for each in settings})
    else:
        sys.stdout.writelines(_lines(choices, with_origin=options.origin))
    return Exit.HEALTHY


def _data(choice: Choice, with_origin: bool) -> object:
    if not with_origin:
        return choice.value
    return {"value": choice.value, "source": choice.source.name.lower(), "origin": choice.origin}


def _lines(choices: Choices, *, with_origin: bool) -> Iterator[str]:
    rows = [
        (each.name, _shown(each, choices[each.name]), printable(choices[each.name].origin))
        for each in settings
    ]
    name_width, value_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, value, origin in rows:
        line = f"{name:<{name_width}}  {value:<{value_width}}  {origin if with_origin else ''}"
        yield f"{line.rstrip()}\n"


def _shown(setting: Setting, choice: Choice) -> str:
    """Show a value; in brackets what holds instead if there is none."""
    match choice.value:
        case None | ():
            return f"({setting.otherwise})"
        case bool(value):
            return "yes" if value else "no"
        case tuple(values):
            return printable(", ".join(values))
        case value:
            return printable(str(value))
