"""Finding the items of a folder of test data, and what its manifest says of them."""

import dataclasses
import json
import pathlib
import stat
from collections.abc import Iterator

from ringrift.rules.errors import NotationError, wrong
from ringrift.rules.json_fields import Json, read_list, read_map

strata = ("contract_v2", "contract_extra", "rules_parity", "fsm", "transitions", "games")
"""The kinds of items. Each has a folder, and a list in the manifest, of this name."""

_bundled = ("contract_v2", "contract_extra", "fsm")


class FolderError(ValueError):
    """A folder that holds no test data; the message names the file, the value and expectation."""


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One item as it was found."""

    stratum: str
    id: str
    value: Json | None
    """None if the manifest lists it and no file holds it."""
    label: object = None
    """The class, `A` to `F`, that the manifest gives to an item of contract_v2."""
    earlier: tuple[Json, ...] = ()
    """The steps before this one, if it is a step of a sequence."""


def load(folder: pathlib.Path) -> list[Item]:
    """Return every item of a folder, stratum by stratum. Raises `FolderError`, also if it has none.

    What the manifest lists must be there; what it does not list is returned all the same.
    """
    try:
        found = folder.is_dir()
    except OSError as error:
        raise FolderError(f"DIR is {str(folder)!r}: {error.strerror}; expected a folder") from None
    if not found:
        raise FolderError(f"DIR is {str(folder)!r}; expected a folder")
    manifest = _parse_file(folder, folder / "MANIFEST.json")
    items = [item for stratum in strata for item in _stratum(folder, stratum, manifest)]
    if not items:
        folders = ", ".join(strata)
        raise FolderError(f"DIR is {str(folder)!r}, with no item; expected some in {folders}")
    return items


def _stratum(folder: pathlib.Path, stratum: str, manifest: Json) -> Iterator[Item]:
    listed = _listed(stratum, manifest)
    earlier: dict[str, list[Json]] = {}
    missing = dict.fromkeys(listed)
    for file, name, value in _values(folder, stratum):
        key = (file, name) if (file, name) in listed else (None, name)
        missing.pop(key, None)
        label = listed.get(key, {}).get("class")
        sequence = _sequence(value)
        steps = [] if sequence is None else earlier.setdefault(sequence, [])
        yield Item(stratum, name, value, label, tuple(steps))
        steps.append(value)
    for _, name in missing:
        yield Item(stratum, name, None)


def _listed(stratum: str, manifest: Json) -> dict[tuple[str | None, str], Json]:
    """Return what the manifest says of a stratum's items, by their files, if named, and ids."""
    try:
        entries = [
            read_map(entry, f"{stratum}[{index}]")
            for index, entry in enumerate(read_list(manifest.get(stratum, []), stratum))
        ]
        return {_key(stratum, entry): entry for entry in entries}
    except NotationError as error:
        raise FolderError(f"MANIFEST.json: {error}") from None


def _values(folder: pathlib.Path, stratum: str) -> Iterator[tuple[str, str, Json]]:
    """Yield each item of a stratum with its file and id, file by file."""
    root = folder / stratum
    if stratum == "rules_parity":
        for path in sorted(root.rglob("*.json")):
            name = path.relative_to(root).with_suffix("").as_posix()
            yield f"{stratum}/{name}.json", name, _parse_file(folder, path)
        return
    for path in sorted(root.glob("*.json" if stratum in _bundled else "*.jsonl")):
        file = path.relative_to(folder).as_posix()
        values = _vectors(folder, path) if stratum in _bundled else _lines(folder, path)
        for place, value in values:
            try:
                yield file, _text(value, "id"), value
            except NotationError as error:
                raise FolderError(f"{place}: {error}") from None


def _vectors(folder: pathlib.Path, path: pathlib.Path) -> Iterator[tuple[str, Json]]:
    place = str(path.relative_to(folder))
    try:
        vectors = read_list(_parse_file(folder, path).get("vectors"), "vectors")
        for index, vector in enumerate(vectors):
            yield f"{place}: vectors[{index}]", read_map(vector, f"vectors[{index}]")
    except NotationError as error:
        raise FolderError(f"{place}: {error}") from None


def _lines(folder: pathlib.Path, path: pathlib.Path) -> Iterator[tuple[str, Json]]:
    for number, line in enumerate(_read(folder, path).split(b"\n"), start=1):
        if line.strip():
            place = f"{path.relative_to(folder)}, line {number}"
            yield place, _parse(place, line)


def _parse_file(folder: pathlib.Path, path: pathlib.Path) -> Json:
    return _parse(str(path.relative_to(folder)), _read(folder, path))


def _read(folder: pathlib.Path, path: pathlib.Path) -> bytes:
    name = f"{path.relative_to(folder)} of {str(folder)!r}"
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise FolderError(f"{name} is no file that ends; expected one")
        return path.read_bytes()
    except OSError as error:
        raise FolderError(f"{name} cannot be read: {error.strerror}") from None


def _parse(place: str, text: bytes) -> Json:
    try:
        return read_map(json.loads(text), "the value")
    except NotationError as error:
        raise FolderError(f"{place}: {error}") from None
    except ValueError as error:
        raise FolderError(f"{place}: expected JSON: {error}") from None
    except RecursionError:
        raise FolderError(f"{place}: expected JSON: it is nested too deeply") from None


def _text(source: Json, name: str) -> str:
    value = source.get(name)
    if not isinstance(value, str):
        raise wrong(name, value, "a string")
    return value


def _key(stratum: str, entry: Json) -> tuple[str | None, str]:
    """Return the file that an entry of the manifest names, if it does, and the item's id."""
    if stratum == "rules_parity":
        file = _text(entry, "file")
        return file, file.removeprefix("rules_parity/").removesuffix(".json")
    return _text(entry, "file") if "file" in entry else None, _text(entry, "id")


def _sequence(value: Json) -> str | None:
    """Return the tag that steps of one story share."""
    tags = value.get("tags")
    if not isinstance(tags, list):
        return None
    return next((str(tag) for tag in tags if str(tag).startswith("sequence:")), None)
