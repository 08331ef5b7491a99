"""What was decided for this box, and where: option > environment > settings file > default.

Every source is checked, also where a higher one wins: a mistake in the file would else be found on
the day when the option is left out.
"""

import collections
import dataclasses
import enum
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ringrift.nearest import nearest
from ringrift.printable import printable
from ringrift.settings import Setting, Value, other_variables, settings, variable_prefix

file_bytes_max = 64 * 1024

_type_names: Mapping[type, str] = {
    bool: "true or false", int: "a whole number", float: "a number", str: "a string",
}  # fmt: skip

_not_in_the_file = {
    "token": "a token is a secret: put it in a file, and name that file with the key token-file",
    "home": "the home is where this file is, so it is chosen elsewhere: by --home or RINGRIFT_HOME",
}


class BadSetting(ValueError):
    """A value that makes no sense; the message says where it was given and what was expected."""


class Source(enum.IntEnum):
    """Where a value comes from; the larger wins."""

    DEFAULT = 0
    FILE = 1
    ENVIRONMENT = 2
    OPTION = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """The value of one setting, and whose it is."""

    value: Value
    source: Source
    origin: str
    """The option, the variable or the file's path; `default` if nobody has decided."""
    place: str
    """Where to look for a mistake; like `origin`, but with the key in the file."""


class Choices:
    """The value of every setting. A setting that is not in the table is a `KeyError`."""

    def __init__(self, chosen: Mapping[str, Choice]) -> None:
        self._chosen = chosen

    def __getitem__(self, name: str) -> Choice:
        return self._chosen[name]

    def text(self, name: str) -> str | None:
        """Return the value of a setting that is a text, or None."""
        value = self[name].value
        assert value is None or isinstance(value, str)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the values of a setting of which there may be several."""
        value = self[name].value
        assert isinstance(value, tuple)
        return value

    def number(self, name: str) -> int:
        """Return the value of a setting that is a number."""
        value = self[name].value
        assert isinstance(value, int)
        return value

    def share(self, name: str) -> float:
        """Return the value of a setting that is a part of a whole, from 0 to 1."""
        value = self[name].value
        assert isinstance(value, float)
        return value

    def switch(self, name: str) -> bool:
        """Return whether a switch is on."""
        return self[name].value is True


def resolve(options: Mapping[str, object], environment: Mapping[str, str], file: Path) -> Choices:
    """Return what holds. `options` are those of the command line, None for what was not given.

    Raises `BadSetting` for the first value that makes no sense, wherever it was given.
    """
    layers = (
        dict(_of_options(options)),
        dict(_of_environment(environment)),
        dict(_of_file(file)),
        {each.name: Choice(each.default(), Source.DEFAULT, "default", "") for each in settings},
    )
    return Choices(collections.ChainMap(*layers))


def unknown_variables(environment: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for every variable that looks like ours and means nothing."""
    known = sorted({each.variable for each in settings} | other_variables)
    for name in sorted(environment):
        if name.startswith(variable_prefix) and name not in known:
            yield f"the variable {name} means nothing here{nearest(name, known, variable_prefix)}"


def _of_options(options: Mapping[str, object]) -> Iterator[tuple[str, Choice]]:
    for setting in settings:
        given = options.get(setting.name.replace("-", "_"))
        if given is None:
            continue
        option = setting.option
        if isinstance(given, bool) and setting.kind is bool:
            value: Value = given
        else:
            texts = given if isinstance(given, list) else [given]
            value = _parsed(setting, [str(each) for each in texts], option)
        yield setting.name, Choice(value, Source.OPTION, option, option)


def _of_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, Choice]]:
    """Yield what the variables say. An empty one says nothing, as for most programs."""
    for setting in settings:
        name = setting.variable
        if text := environment.get(name):
            texts = [each.strip() for each in text.split(",")] if setting.repeated else [text]
            value = _parsed(setting, texts, name)
            yield setting.name, Choice(value, Source.ENVIRONMENT, name, name)


def _of_file(path: Path) -> Iterator[tuple[str, Choice]]:
    known = {each.name: each for each in settings}
    for key, given in _read(path).items():
        if key in _not_in_the_file:
            raise BadSetting(f"{path}: {_not_in_the_file[key]}")
        if key not in known:
            raise BadSetting(f"{path}: there is no setting {key}{nearest(key, sorted(known))}")
        place = f"{path}: {key}"
        value = _of_toml(known[key], given, place)
        yield key, Choice(value, Source.FILE, str(path), place)


def _read(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            data = file.read(file_bytes_max + 1)
        if len(data) > file_bytes_max:
            raise BadSetting(f"{path} is larger than {file_bytes_max} bytes")
        return tomllib.loads(data.decode())
    except (FileNotFoundError, NotADirectoryError):
        return {}  # that a home is a file is told when it is used
    except OSError as error:
        raise BadSetting(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{path} is not TOML: {error}") from None


def _of_toml(setting: Setting, given: object, place: str) -> Value:
    items = given if setting.repeated and isinstance(given, list) else [given]
    for item in items:
        if type(item) is not setting.kind and (type(item), setting.kind) != (int, float):
            expected = _type_names[setting.kind]
            if setting.repeated:
                expected += " or an array of strings"
            raise BadSetting(f"{place} is {printable(_spelled(item))}, not {expected}")
    return _parsed(setting, [_as_text(each) for each in items], place)


def _spelled(item: object) -> str:
    """Write a value as TOML does."""
    match item:
        case bool():
            return str(item).lower()
        case str() | int() | float():
            return repr(item)
        case list():
            return f"[{', '.join(map(_spelled, item))}]"
        case dict():
            return "a table"
        case _:
            return str(item)


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parsed(setting: Setting, texts: Sequence[str], place: str) -> Value:
    values = []
    for number, text in enumerate(texts, 1):
        try:
            values.append(setting.parse(text))
        except ValueError as error:
            which = f"value {number} of {len(texts)}: " if len(texts) > 1 else ""
            raise BadSetting(f"{place}: {which}{error}") from None
    return tuple(map(str, values)) if setting.repeated else values[0]
