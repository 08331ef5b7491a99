"""`completion`: what may be typed next, and the scripts by which a shell asks for it.

The scripts know none of our verbs: at each Tab they ask this program, which reads its own parsers,
so that a script is right for every version. The answer has a line for each candidate: what the word
may become, a tab, and what that means; or one of the two words below, as a shell completes paths
better.
"""

import argparse
import importlib.resources
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from ringrift.cli import first_word, load, parsers
from ringrift.exits import Exit

files = ":files"
folders = ":folders"

_paths: Mapping[str, str] = {"FILE": files, "DIR": folders}
_sources: Mapping[str, str] = {
    "CONFIG": "ringrift.commands.candidates:configs",
    "NODE": "ringrift.commands.candidates:members",
}
"""Who knows the values of an option, by what stands for its value in the help."""


def completion(options: argparse.Namespace) -> int:
    """Print the script for a shell; with words, what the last of them may become."""
    if options.words:
        words = [word.removeprefix("=") for word in options.words]
        if options.shell == "bash":
            words = _joined(words)
        sys.stdout.writelines(_lines(words, whole=options.shell == "fish"))
    else:
        script = importlib.resources.files("ringrift") / "completions" / options.shell
        sys.stdout.write(script.read_text("utf-8"))
    return Exit.HEALTHY


def _joined(words: Sequence[str]) -> list[str]:
    """Undo what bash does to `--option=value`: for it the sign is a word."""
    joined: list[str] = []
    for word in words:
        of_option = bool(joined) and joined[-1].startswith("--")
        if of_option and (word == "=" or joined[-1].endswith("=")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _lines(words: Sequence[str], *, whole: bool) -> Iterator[str]:
    """Yield the answer; `whole` if the shell replaces `--option=` too, not only what follows."""
    option, sign, value = words[-1].partition("=")
    is_value = bool(sign) and option.startswith("--")
    typed = value if is_value else words[-1]
    for candidate, meaning in candidates(words):
        if candidate in _paths.values():
            yield f"{candidate}\n"
        elif candidate.startswith(typed):
            yield f"{option + sign if is_value and whole else ''}{candidate}\t{meaning}\n"


def candidates(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what the last of the words after the program's name could be, and what that means.

    The first letters that it already has are not looked at, but for the dash of an option.
    """
    *before, typed = words
    place = first_word(before)
    verb = "run" if place is None or before[place].startswith("-") else before[place]
    parser = parsers().get(verb)
    if parser is None:
        return
    parser = _of_action(parser, before)
    actions = _by_option(parser)
    name, sign, _ = typed.partition("=")
    wanted = actions.get(name if sign else before[-1] if before else "")
    if wanted is not None and wanted.nargs != 0:
        yield from _values(wanted, _home(before))
        if sign or wanted.nargs is None:
            return
    if typed.startswith("-"):
        yield from ((option, _meaning(action.help)) for option, action in actions.items())
    elif place is None:
        yield from ((name, _meaning(each.description)) for name, each in parsers().items())
    else:
        yield from _positionals(parser, before)


def _of_action(parser: argparse.ArgumentParser, before: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of what is to be done, such as `show` of `games`, if the words tell."""
    for action in _actions(parser):
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - it has no public name
            named = [word for word in before if word in action.choices]
            return next((action.choices[word] for word in named), parser)
    return parser


def _by_option(parser: argparse.ArgumentParser) -> Mapping[str, argparse.Action]:
    return {option: action for action in _actions(parser) for option in action.option_strings}


def _actions(parser: argparse.ArgumentParser) -> Sequence[argparse.Action]:
    return parser._actions  # noqa: SLF001 - argparse has no public way; its help prints the same


def _home(words: Sequence[str]) -> str | None:
    """Return the home that the words name."""
    for place, word in enumerate(words):
        if word.startswith("--home="):
            return word.removeprefix("--home=")
        if word == "--home":
            return next(iter(words[place + 1 :]), None)
    return None


def _values(action: argparse.Action, home: str | None) -> Iterator[tuple[str, str]]:
    kind = str(action.metavar)
    if action.choices is not None:
        yield from ((str(choice), "") for choice in action.choices)
    elif kind in _paths:
        yield _paths[kind], ""
    elif kind in _sources:
        known: Callable[[str | None], Iterator[tuple[str, str]]] = load(_sources[kind])
        yield from known(home)


def _positionals(
    parser: argparse.ArgumentParser, before: Sequence[str]
) -> Iterator[tuple[str, str]]:
    for action in _actions(parser):
        if not action.option_strings and action.choices is not None:
            choices = [str(choice) for choice in action.choices]
            if not set(choices) & set(before):
                yield from ((choice, _meaning_of(action, choice)) for choice in choices)


def _meaning_of(action: argparse.Action, choice: str) -> str:
    """Return what one of the words that an action takes stands for, if that has a parser."""
    if isinstance(action.choices, Mapping):
        return _meaning(action.choices[choice].description)
    return ""


def _meaning(help_: str | None) -> str:
    """Return the first line of a help, as far as its first stop."""
    return (help_ or "").partition("\n")[0].partition(". ")[0].removesuffix(".")
