"""What a fresh clone is set up from: the package's metadata, the lock files and the scripts."""

import hashlib
import io
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
from typing import Any

import pytest

root = pathlib.Path(__file__).resolve().parent.parent
packages = {"p2p", "transports", "mixins", "managers", "ringrift"}
lock_files = ["build.txt", "run.txt", "dev.txt"]


def pyproject() -> dict[str, Any]:
    """Read the project's metadata."""
    return tomllib.loads((root / "pyproject.toml").read_text())


def locked(name: str) -> dict[str, str]:
    """Return the version of each package in a lock file; fail if one has no hash."""
    text = (root / "locks" / name).read_text()
    versions = {}
    for entry in re.split(r"\n(?=[a-z0-9])", text)[1:]:
        pinned = re.match(r"([a-z0-9-]+)==(\S+)", entry)
        assert pinned, f"not pinned: {entry.splitlines()[0]}"
        assert "--hash=sha256:" in entry, f"without a hash: {pinned[1]}"
        versions[pinned[1]] = pinned[2]
    return versions


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_the_five_packages_are_built_typed_checked_and_measured() -> None:
    tool = pyproject()["tool"]
    assert set(tool["hatch"]["build"]["targets"]["wheel"]["packages"]) == packages
    assert set(tool["coverage"]["run"]["source"]) == packages
    assert set(tool["mypy"]["packages"]) >= packages
    assert all((root / package / "py.typed").is_file() for package in packages)


def wanted(name: str) -> list[str]:
    """Return the requirements that a lock file is made from."""
    metadata = pyproject()
    groups: dict[str, list[str]] = metadata["dependency-groups"]
    dependencies: list[str] = metadata["project"]["dependencies"]
    return {
        "build.txt": groups["build"],
        "run.txt": dependencies,
        "dev.txt": dependencies + groups["dev"],
    }[name]


@pytest.mark.parametrize("name", lock_files)
def test_a_lock_file_has_what_the_project_asks_for(name: str) -> None:
    versions = locked(name)
    for requirement in wanted(name):
        package, sign, version = re.split("(>=|==)", requirement)
        least, found = number(version), number(versions[package])
        fits = found == least if sign == "==" else found >= least
        assert fits, f"run ./scripts/lock for {requirement}"


def test_the_lock_files_agree() -> None:
    run, dev = locked("run.txt"), locked("dev.txt")
    assert run.items() <= dev.items()
    assert not locked("build.txt").keys() & dev.keys(), "one would replace the other"


def test_what_is_built_from_source_has_one_name() -> None:
    scripts = [(root / "scripts" / name).read_text() for name in ("lock", "make_venv.py")]
    exempt = [re.findall(r'(?:--no-binary |built_from_source = ")([a-z-]+)', s) for s in scripts]
    assert exempt == [["pybloom-live"], ["pybloom-live"]]


@pytest.mark.parametrize("name", lock_files)
def test_a_lock_file_names_no_place(name: str) -> None:
    assert not re.search(r"://|file:|--index|--find-links| /", (root / "locks" / name).read_text())


cli = """\
import os
import sys
from collections.abc import Iterator


def main():
    print(os.getpid(), os.getcwd(), *sys.argv[1:], sep="|")
    return 3
"""


class Clone:
    """A project whose lock files are empty, so that its `.venv` is made without a network."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.made_from = folder / ".venv" / "made-from"

    @classmethod
    def fresh(cls, folder: pathlib.Path) -> "Clone":
        """Make one without a `.venv`."""
        shutil.copytree(root / "scripts", folder / "scripts")
        for path, text in {
            "locks/build.txt": "# nothing\n",
            "locks/run.txt": "# nothing\n",
            "ringrift/__init__.py": "",
            "ringrift/cli.py": cli,
        }.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
        return cls(folder)

    def copy(self, folder: pathlib.Path) -> "Clone":
        """Copy this one with its `.venv`, which takes far less time than to make another."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Clone(folder)

    def start(
        self, script: str, *args: str, python: str = sys.executable, **settings: str
    ) -> "subprocess.Popen[str]":
        """Start a script from another folder, with next to nothing else in its environment."""
        return subprocess.Popen(
            [self.folder / "scripts" / script, *args],
            cwd="/",
            env={
                "PATH": "/usr/bin:/bin",
                "RINGRIFT_PYTHON": python,
                "PIP_NO_INDEX": "1",
                **settings,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the agent was first started by three at once."""
    clone = Clone.fresh(tmp_path_factory.mktemp("first") / "with a space")
    starts = [clone.start("run", "status", "a b") for _ in range(3)]
    talk = [start.communicate(timeout=300) for start in starts]
    for start, (out, err) in zip(starts, talk, strict=True):
        assert (out, start.returncode) == (f"{start.pid}|/|status|a b\n", 3), err
    assert sum("this happens once" in err for _, err in talk) == 1
    return clone


def test_a_later_start_only_compares(clone: Clone) -> None:
    start = clone.start("run", "--help", python="/nowhere")
    assert start.communicate(timeout=60) == (f"{start.pid}|/|--help\n", "")


def test_a_moved_clone_still_starts(clone: Clone) -> None:
    elsewhere = clone.folder.with_name("elsewhere")
    clone.folder.rename(elsewhere)
    command = [elsewhere / "scripts" / "run"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    elsewhere.rename(clone.folder)
    assert (run.returncode, run.stderr) == (3, "")


@pytest.mark.parametrize("file", ["locks/build.txt", "locks/run.txt", "scripts/make_venv.py"])
def test_an_environment_made_from_something_else_is_stale(clone: Clone, file: str) -> None:
    path = clone.folder / file
    before = path.read_bytes()
    path.write_bytes(before + b"# changed\n")
    out, err = clone.start("run", python="/nowhere").communicate(timeout=60)
    path.write_bytes(before)
    assert (out, "/nowhere" in err) == ("", True)


def test_an_environment_without_its_interpreter_is_stale(clone: Clone) -> None:
    link = clone.folder / ".venv" / "bin" / "python"
    target = link.readlink()
    link.unlink()
    out, err = clone.start("run", python="/nowhere").communicate(timeout=60)
    link.symlink_to(target)
    assert (out, "/nowhere" in err) == ("", True)


def test_an_interpreter_without_venv_is_named(clone: Clone, tmp_path: pathlib.Path) -> None:
    python = tmp_path / "python3.12"
    python.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; esac\n')
    python.chmod(0o755)
    aside = clone.made_from.with_name("aside")
    clone.made_from.rename(aside)
    start = clone.start("run", python=str(python))
    _, err = start.communicate(timeout=60)
    aside.rename(clone.made_from)
    assert (start.returncode, f"{python} has no venv module" in err) == (1, True)


def test_what_cannot_be_installed_does_not_count(clone: Clone) -> None:
    lock = clone.folder / "locks" / "dev.txt"
    lock.write_text(f"ringrift-nothing==1.0 --hash=sha256:{'0' * 64}\n")
    start = clone.start("bootstrap", "dev")
    out, err = start.communicate(timeout=300)
    assert (out, start.returncode) == ("", 1)
    assert "ringrift-nothing" in err
    assert "could not make .venv" in err.splitlines()[-2]
    made_from = {path.name for path in clone.made_from.iterdir()}
    assert made_from == {"build.txt", "make_venv.py", "run.txt"}


def test_the_tools_come_before_what_they_build(clone: Clone, tmp_path: pathlib.Path) -> None:
    clone = clone.copy(tmp_path / "clone")
    for name in ("build", "dev"):
        lock = f"ringrift-{name}==1.0 --hash=sha256:{'0' * 64}\n"
        (clone.folder / "locks" / f"{name}.txt").write_text(lock)
    shutil.copy(clone.folder / "locks" / "build.txt", clone.made_from)
    start = clone.start("bootstrap", "dev")
    _, err = start.communicate(timeout=300)
    assert (start.returncode, "ringrift-build" in err, "ringrift-dev" in err) == (1, True, False)


build_system = """\
[build-system]
requires = ["ringrift-nothing"]
build-backend = "backend"
backend-path = ["."]
"""
backend = """\
import zipfile


def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "NAME-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        for file, text in {
            "METADATA": "Metadata-Version: 2.1\\nName: NAME\\nVersion: 1.0\\n",
            "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
            "RECORD": "",
        }.items():
            wheel.writestr(f"NAME-1.0.dist-info/{file}", text)
    return name
"""


def source_distribution(folder: pathlib.Path, name: str) -> str:
    """Make one that asks for a tool nobody has; return its hash."""
    folder.mkdir()
    path = folder / f"{name}-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file, text in {
            "pyproject.toml": build_system,
            "backend.py": backend.replace("NAME", name),
            "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        }.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{file}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "forged", "status"),
    [("pybloom_live", False, 0), ("pybloom_live", True, 1), ("another", False, 1)],
)
def test_one_package_is_built_from_checked_source_and_nothing_is_fetched_for_it(
    clone: Clone, tmp_path: pathlib.Path, name: str, forged: bool, status: int
) -> None:
    clone = clone.copy(tmp_path / "clone")
    found = source_distribution(tmp_path / "sources", name)
    expected = "0" * 64 if forged else found
    (clone.folder / "locks" / "dev.txt").write_text(f"{name}==1.0 --hash=sha256:{expected}\n")
    start = clone.start("bootstrap", "dev", PIP_FIND_LINKS=str(tmp_path / "sources"))
    _, err = start.communicate(timeout=300)
    assert start.returncode == status, err


def test_an_interrupted_start_leaves_no_environment_that_counts(tmp_path: pathlib.Path) -> None:
    clone = Clone.fresh(tmp_path / "clone")
    start = clone.start("run")
    assert start.stderr is not None
    assert "making .venv" in start.stderr.readline()
    os.killpg(start.pid, signal.SIGINT)
    out, err = start.communicate(timeout=60)
    assert (out, err.count("\n"), "interrupted" in err) == ("", 1, True)
    assert not clone.made_from.exists()
