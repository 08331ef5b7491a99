"""The rules of the house that no linter knows (`CONTRIBUTING.md` tells them in words).

A rule is a function from a module to complaints. A rule that can never complain would go unnoticed,
so each is also tried on offenders and on their innocent neighbours.
"""

import ast
import functools
import pathlib
import re
from collections.abc import Callable, Iterator

import pytest

root = pathlib.Path(__file__).resolve().parent.parent

packages = ["p2p", "transports", "mixins", "managers", "ringrift"]
"""The floors, from the lowest up."""

unknown_to = {
    "p2p": {"httpcore", "httpx", "sqlite3", "trio"},
    "transports": {"sqlite3"},
}
"""Libraries that a floor must not know."""

lines_max = 600

may_load_late = {
    "ringrift/cli.py": "a verb's module is loaded when the verb runs, so that `--help` is instant",
    "p2p/reconcile/filters.py": "numpy takes 15 MB, which a node in sync does without",
    "scripts/benchmarks/filters.py": "rbloom is measured where it is installed",
}

may_catch_everything = {
    "managers/loop_manager.py": "a supervisor must outlive whatever ends the loop it restarts",
    "transports/http1.py": "what a handler raises ends its own request alone, and is logged",
    "transports/memory.py": "what a handler raises ends its own request alone, and is logged",
    "transports/server.py": "what breaks in one connection ends it alone, and is logged",
}
"""The edges at which a fault that nobody thought of is contained, each with its reason."""

may_sleep = {
    "tests/rig.py": "in virtual time, where it takes none",
    "tests/waiting.py": "other processes cannot wake a test; it waits with a deadline",
}
"""Test modules that may sleep, each with its reason."""


class Module:
    """A parsed source file. `path` is relative to the project's folder."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.tree = ast.parse(text)
        self.folder, *self.rest = path.removesuffix(".py").split("/")

    def imports(self) -> Iterator[str]:
        """Yield the full name of everything imported, wherever the import stands."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    yield from (alias.name for alias in names)
                case ast.ImportFrom(module=module, names=names, level=level):
                    yield from (f"{'.' * level}{module or ''}.{alias.name}" for alias in names)

    def calls(self) -> Iterator[str]:
        """Yield the name of everything called, and whose it is if that is a name: `trio.sleep`."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Call(func=ast.Name(id=name)):
                    yield name
                case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)):
                    yield f"{owner}.{name}"
                case ast.Call(func=ast.Attribute(attr=name)):
                    yield f".{name}"


def imports_go_down(module: Module) -> Iterator[str]:
    """A floor imports itself and the floors below; only tests and scripts import everything."""
    above = {*packages[packages.index(module.folder) + 1 :], "tests", "scripts"}
    for name in module.imports():
        if name.split(".")[0] in above:
            yield f"imports {name} from a floor above"
        elif name.startswith("."):
            yield f"imports {name} relative to itself"


def floor_knows_no_other_trade(module: Module) -> Iterator[str]:
    """The protocols do no IO of their own, and only the store knows the database."""
    for name in module.imports():
        if name.split(".")[0] in unknown_to.get(module.folder, ()):
            yield f"imports {name}"


def managers_stand_apart(module: Module) -> Iterator[str]:
    """Managers share what is below them, and meet only where the agent is composed."""
    for name in module.imports():
        package, *rest = name.split(".")
        if module.folder == package == "managers" and rest[:1] != module.rest[:1]:
            yield f"imports {name}, another manager"


def imports_stand_at_the_top(module: Module) -> Iterator[str]:
    """What a module needs shows in its first lines, and is missing at the start or never."""
    top: list[ast.AST] = [*module.tree.body]
    for statement in module.tree.body:
        if isinstance(statement, ast.If):
            top += statement.body
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in top:
            yield f"line {node.lineno} imports late"
    for name in module.calls():
        loads = name.split(".")[-1] in {"import_module", "__import__"}
        if loads and module.path not in may_load_late:
            yield f"calls {name}"


def errors_are_caught_by_name(module: Module) -> Iterator[str]:
    """Catching everything hides the fault that nobody thought of."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            everything = any(kind is None or ast.unparse(kind) == "Exception" for kind in kinds)
            if everything and module.path not in may_catch_everything:
                yield f"line {node.lineno} catches everything"


def module_says_what_it_is_for(module: Module) -> Iterator[str]:
    """The docstring of a module is where its reader begins."""
    if not ast.get_docstring(module.tree):
        yield "has no docstring"


def module_is_short(module: Module) -> Iterator[str]:
    """A file that everything must touch was the beginning of the end elsewhere."""
    lines = len(module.text.splitlines())
    if lines > lines_max:
        yield f"has {lines} lines, more than {lines_max}"


def no_test_sleeps(module: Module) -> Iterator[str]:
    """A test that sleeps is slow on a good day and wrong on a bad one: await the condition."""
    sleeps = {f"{library}.sleep" for library in ("anyio", "asyncio", "time", "trio")}
    for name in [*module.calls(), *module.imports()]:
        if name in sleeps and module.path not in may_sleep:
            yield f"uses {name}"


def a_test_module_tests(module: Module) -> Iterator[str]:
    """A module of tests that pytest finds empty passes for ever."""
    names = [getattr(node, "name", "") for node in module.tree.body]
    aliases = [ast.unparse(node) for node in module.tree.body if isinstance(node, ast.Assign)]
    if module.rest[-1].startswith("test_"):
        if not any(name.startswith(("test", "Test")) for name in names + aliases):
            yield "has no test"
    elif any(name.startswith("test") for name in names):
        yield "has tests, but pytest looks for them in test_*.py only"


Rule = Callable[[Module], Iterator[str]]

rules: dict[Rule, list[str]] = {
    imports_go_down: packages,
    floor_knows_no_other_trade: packages,
    managers_stand_apart: ["managers"],
    imports_stand_at_the_top: [*packages, "scripts", "tests"],
    errors_are_caught_by_name: [*packages, "scripts", "tests"],
    module_says_what_it_is_for: [*packages, "scripts", "tests"],
    module_is_short: [*packages, "scripts", "tests"],
    no_test_sleeps: ["tests"],
    a_test_module_tests: ["tests"],
}
"""Each rule, and the folders that it holds for."""

offenders: list[tuple[Rule, str, str]] = [
    (imports_go_down, "p2p/x.py", "import mixins.base"),
    (imports_go_down, "transports/x.py", "from managers.state import Store"),
    (imports_go_down, "mixins/x.py", "def f():\n    from ringrift import rules"),
    (imports_go_down, "managers/x.py", "if TYPE_CHECKING:\n    import ringrift"),
    (imports_go_down, "ringrift/x.py", "from tests.memory_store import MemoryStore"),
    (imports_go_down, "managers/x.py", "from . import state"),
    (floor_knows_no_other_trade, "p2p/a/x.py", "import json, sqlite3"),
    (floor_knows_no_other_trade, "p2p/x.py", "from trio.lowlevel import checkpoint"),
    (floor_knows_no_other_trade, "p2p/x.py", "import httpcore"),
    (floor_knows_no_other_trade, "p2p/x.py", "import httpx as h"),
    (floor_knows_no_other_trade, "transports/x.py", "import sqlite3.dbapi2"),
    (managers_stand_apart, "managers/a.py", "from managers.b import B"),
    (managers_stand_apart, "managers/a/x.py", "from managers import b"),
    (imports_stand_at_the_top, "p2p/x.py", "def f():\n    import json"),
    (imports_stand_at_the_top, "p2p/x.py", "try:\n    import json\nexcept ImportError: pass"),
    (imports_stand_at_the_top, "p2p/x.py", "async def f():\n    if 1:\n        import json"),
    (imports_stand_at_the_top, "p2p/x.py", "importlib.import_module(name)"),
    (imports_stand_at_the_top, "p2p/x.py", "__import__(name)"),
    (imports_stand_at_the_top, "p2p/x.py", "loader().import_module(name)"),
    (errors_are_caught_by_name, "p2p/x.py", "try: f()\nexcept: pass"),
    (errors_are_caught_by_name, "p2p/x.py", "try: f()\nexcept Exception as e: raise"),
    (errors_are_caught_by_name, "p2p/x.py", "try: f()\nexcept (OSError, Exception): pass"),
    (errors_are_caught_by_name, "p2p/x.py", "try: f()\nexcept* Exception: pass"),
    (module_says_what_it_is_for, "p2p/x.py", "# no docstring"),
    (module_is_short, "p2p/x.py", "\n" * (lines_max + 1)),
    (no_test_sleeps, "tests/test_x.py", "async def f():\n    await trio.sleep(1)"),
    (no_test_sleeps, "tests/test_x.py", "from time import sleep"),
    (a_test_module_tests, "tests/test_x.py", "def check(): pass"),
    (a_test_module_tests, "tests/helper.py", "def test_it(): pass"),
]

innocents: list[tuple[Rule, str, str]] = [
    (imports_go_down, "managers/x.py", "import p2p.codec, mixins.base, managers.x, ringrifting"),
    (floor_knows_no_other_trade, "p2p/x.py", "import trionics"),
    (floor_knows_no_other_trade, "managers/x.py", "import sqlite3"),
    (managers_stand_apart, "managers/a/x.py", "from managers.a.y import Y\nimport p2p.b"),
    (imports_stand_at_the_top, "p2p/x.py", "import json\nif TYPE_CHECKING:\n    import trio"),
    (imports_stand_at_the_top, "ringrift/cli.py", "importlib.import_module(name)"),
    (errors_are_caught_by_name, "p2p/x.py", "try: f()\nexcept (OSError, SomeException): pass"),
    (errors_are_caught_by_name, "transports/http1.py", "try: f()\nexcept Exception: pass"),
    (module_is_short, "p2p/x.py", "\n" * lines_max),
    (no_test_sleeps, "tests/test_x.py", "await trio.sleep_forever()"),
    (a_test_module_tests, "tests/test_x.py", "async def test_it(): pass"),
    (a_test_module_tests, "tests/test_x.py", "TestStore = Machine.TestCase"),
]


@functools.cache
def modules(folder: str) -> list[Module]:
    """Read all modules of one folder of the project."""
    return [
        Module(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted((root / folder).rglob("*.py"))
    ]


@pytest.mark.parametrize("rule", rules, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(rule: Rule) -> None:
    for folder in rules[rule]:
        found = modules(folder)
        assert found, f"{folder}/ has no modules"
        assert [f"{module.path} {text}" for module in found for text in rule(module)] == []


@pytest.mark.parametrize(("rule", "path", "text"), offenders)
def test_an_offender_is_noticed(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Module(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), innocents)
def test_an_innocent_neighbour_is_left_alone(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Module(path, text))) == []


@pytest.mark.parametrize("path", [*may_load_late, *may_catch_everything, *may_sleep])
def test_an_exception_from_a_rule_is_for_a_module_that_exists(path: str) -> None:
    assert (root / path).is_file()


@pytest.mark.parametrize(
    "path", [*root.glob("*.md"), *(root / "docs").rglob("*.md")], ids=lambda path: path.name
)
def test_the_links_of_a_document_lead_somewhere(path: pathlib.Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
    places = [link for link in links if not link.startswith("https://")]
    assert [place for place in places if not (path.parent / place).exists()] == []


def test_every_rule_has_an_offender() -> None:
    assert {rule for rule, _, _ in offenders} == set(rules)


def test_no_two_test_modules_have_one_name() -> None:
    """Pytest would import one of them for both."""
    names = [path.name for path in root.glob("tests/**/test_*.py")]
    assert sorted(set(names)) == sorted(names)
