"""The command line: what it accepts, what it says, and how it ends."""

import contextlib
import datetime
import json
import os
import re
import shlex
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from managers.state.errors import SchemaTooNew, StoreFull
from ringrift import __version__, cli
from ringrift.commands import common, faults
from ringrift.exits import Exit
from ringrift.home import Home, HomeError
from ringrift.joining import enter


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "ringrift", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("argument", ["a_b " * 1250, "x" * 5000], ids=["words", "word"])
@pytest.mark.parametrize(
    "words",
    [
        ["{}"], ["--home={}", "{}"], ["status", "{}"], ["status", "--{}"],
        ["status", "--watch", "{}"], ["games", "{}"], ["games", "--config", "{}"],
        ["games", "show", "{}"], ["games", "show", "a", "{}"], ["games", "show", "a", "--move={}"],
        ["games", "export", "{}"], ["sync", "{}"], ["config", "{}"], ["token", "--expires", "{}"],
        ["completion", "{}"], ["--workers", "{}"], ["--listen", "{}"], ["--join", "{}:x"],
        ["--advertise", "{}:x"], ["--advertise", "{}:0"], ["--worker", "{}"], ["--worker", "'{}"],
        ["--name", "\x1b{}"], ["--replay-share", "{}"], ["--ephemeral={}"], ["--token-file", "{}"],
        ["token", "--home={}"], ["--log-file", "{}"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_was_typed_is_repeated_only_in_part(
    words: list[str], argument: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = [] if "--home={}" in words else ["--home", str(tmp_path)]
    with contextlib.suppress(SystemExit):
        assert cli.main([*home, *(word.format(argument) for word in words)]) != Exit.HEALTHY
    shown = capsys.readouterr()
    assert shown.out == ""
    message = shown.err.splitlines()[-1]
    assert message
    assert len(message) < 700


@pytest.mark.parametrize(
    "words",
    [
        ["{}"],
        ["games", "show", "{}"],
        ["token", "--expires", "{}"],
        ["--workers", "{}"],
        ["--replay-share", "{}"],
        ["--worker", "{}"],
    ],
)
def test_what_is_left_out_is_marked(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(SystemExit):
        cli.main(["--home", str(tmp_path), *(word.format("x" * 77 + "y" * 77) for word in words)])
    assert re.search("'x{51}[.]{3}y{24}'", capsys.readouterr().err)


def test_without_a_verb_it_runs_the_agent() -> None:
    verb, options = cli.parse(["--join", "seed-host", "--workers", "0"])
    assert (verb, options.join, options.workers) == ("run", ["seed-host"], "0")


@pytest.mark.parametrize("verb", cli.parsers())
def test_every_verb_takes_its_home_before_or_after_it(verb: str) -> None:
    words = {"config": ["show"], "completion": ["bash"]}.get(verb, [])
    assert cli.parse(["--home", "h", verb, *words])[1].home == "h"
    assert cli.parse([verb, *words, "--home=h"])[1].home == "h"
    assert cli.parse(["--home=h", verb, *words])[0] == verb


@pytest.mark.parametrize("verb", cli.parsers())
def test_the_help_of_every_verb_has_an_example(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse([verb, "--help"])
    assert ended.value.code == 0
    assert re.search(r"example:\n  \$ .*ringrift-agent", capsys.readouterr().out)


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(
    "words",
    [[], *([verb] for verb in cli.parsers()), ["games", "show"], ["games", "export"]],
    ids=" ".join,
)
def test_no_line_of_a_help_is_wider_than_the_terminal(
    words: list[str],
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        cli.parse([*words, "--help"])
    told, _, examples = capsys.readouterr().out.partition("\nexample:")
    if words or columns != 60:  # the overview is a picture for 80 columns
        assert max(map(len, told.splitlines())) < columns
    assert max(map(len, examples.splitlines()), default=0) < 80
    assert all(line.startswith("  $ ") for line in examples.splitlines() if line)  # not wrapped


def test_the_help_of_an_option_and_its_error_have_the_same_examples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.parse(["token", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert cli.main(["token", "--expires", "soon"]) == Exit.USAGE
    examples = capsys.readouterr().err.partition("such as ")[2].strip()
    assert re.fullmatch("12h, .* or 1y", examples)
    assert f"lose trust: {examples} " in told


def test_a_description_keeps_its_own_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        cli.parse(["games", "show", "--help"])
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith("Ends with status 1")]


def test_every_verb_is_in_the_overview_and_the_documentation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.parse(["--help"])
    overview = re.findall(r"^  (\w+) +", capsys.readouterr().out, re.MULTILINE)
    documented = (Path(__file__).resolve().parent.parent / "docs" / "commands.md").read_text()
    assert overview == re.findall(r"^\| `(\w+)` \| .*`.*ringrift-agent", documented, re.MULTILINE)
    assert sorted(overview) == sorted(cli.parsers())


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from ringrift import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'trio', 'httpx', 'rich', 'cryptography', 'msgspec', 'sqlite3', 'http'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dance"], "there is no verb 'dance'; there are run, status, games"),
        (["stat"], "there is no verb 'stat'; did you mean status?"),
        (["status", "--jsn"], "unrecognized arguments: --jsn"),
        (["--workers", "many"], "'many' is not a number from 0 to 1024"),
        (["--join", "a:b:c:d"], "--join"),
        (["--listen", "host:99999"], "--listen: port 99999"),
        (["--token", "x", "--token-file", "y"], "not both"),
        (["--token-file", "/nowhere"], "cannot read a token from /nowhere: No such file"),
        (["--token-file", __file__, "--join", "x"], f"{__file__}: not a join token"),
        (["--name", ""], "--name: it is 0 characters long"),
        (["--name", "a\x1b[2J"], "--name: 'a\\x1b[2J' has a character that cannot be shown"),
        (["--name", "a\udcff"], "--name: 'a\\udcff' has a character that cannot be shown"),
        (["--advertise", "h"] * 5, "--advertise: 5 addresses are too many; at most 4"),
        ([f"--advertise={c}{'.aaaaaaaaa' * 25}" for c in "abcd"], "--advertise: the addresses are"),
        (["token", "--expires", "soon"], "--expires 'soon' is not a time"),
        (["token", "--expires", "9y9y"], "--expires '9y9y' is not a time"),
        (["token", "--expires", "0d"], "--expires '0d' is not a time"),
        (["games", "--config", "chess"], "no config 'chess'; expected one of square8_2p"),
        (["sync", "chess"], "invalid choice: 'chess' (choose from 'games', 'all')"),
        (["config"], "required: show"),
        (["--ephemeral=yes"], "--ephemeral/--no-ephemeral: ignored explicit argument 'yes'"),
        (["--worker", "no-such-program x"], "--worker: there is no program 'no-such-program'"),
        (["--advertise", "a:0"], "--advertise: 'a:0': nobody can be reached at port 0"),
    ],
)
def test_bad_input_ends_with_status_2_and_says_what_was_wrong(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    done = run("--home", str(tmp_path / "home"), *arguments)
    assert done.returncode == Exit.USAGE
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("expires", ["11y", "99999999y", "1000000h", "00009" + "9" * 9_000 + "d"])
def test_a_token_that_would_outlive_its_mesh_is_refused_with_the_limit(
    expires: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enter(Home.find(str(tmp_path)), token=None, seeds=(), now=datetime.datetime.now(datetime.UTC))
    assert cli.main(["token", "--home", str(tmp_path), "--expires", expires]) == Exit.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "a grant cannot outlive the mesh's root, which ends on 20" in shown.err


@pytest.mark.parametrize("verb", ["status", "members", "games", "sync", "pause", "resume"])
def test_a_verb_that_needs_an_agent_says_so(verb: str, tmp_path: Path) -> None:
    done = run(verb, "--home", str(tmp_path))
    assert done.returncode == Exit.NOT_RUNNING
    assert "no agent answers" in done.stderr


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--home", str(tmp_path / "home"), "--listen", f"127.0.0.1:{port}")
    assert done.returncode == Exit.ERROR
    assert f"127.0.0.1:{port} is taken by another program" in done.stderr


def test_a_start_that_cannot_listen_leaves_no_mesh_behind(tmp_path: Path) -> None:
    done = run("--home", str(tmp_path), "--listen", "300.1.1.1:8790")
    assert done.returncode == Exit.ERROR
    assert "cannot listen at 300.1.1.1:8790" in done.stderr
    assert list(tmp_path.glob("*.pem")) == []


def test_a_mesh_is_announced_also_where_the_start_fails_further_on(tmp_path: Path) -> None:
    (tmp_path / "records.db").mkdir()
    done = run("--home", str(tmp_path), "--listen", "127.0.0.1:0")
    assert done.returncode == Exit.ERROR
    assert f"made a new mesh; its root key is {tmp_path / 'root.pem'}: keep a copy" in done.stderr


def test_a_damaged_root_key_is_told_before_the_agent_is_up(tmp_path: Path) -> None:
    enter(Home.find(str(tmp_path)), token=None, seeds=(), now=datetime.datetime.now(datetime.UTC))
    (tmp_path / "root.pem").write_text("rubbish")
    done = run("--home", str(tmp_path), "--listen", "127.0.0.1:0", "--workers", "0")
    assert done.returncode == Exit.ERROR
    assert done.stderr.startswith(f"ringrift-agent: {tmp_path / 'root.pem'} is damaged: ")
    assert done.stderr.endswith("; restore it from a copy\n")


def test_a_home_that_others_can_read_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (home / "something").touch()
    done = run("--home", str(home))
    assert done.returncode == Exit.ERROR
    assert f"chmod 700 {home}" in done.stderr


def test_a_second_agent_in_one_home_is_refused(tmp_path: Path) -> None:
    with Home.find(str(tmp_path)).locked():
        done = run("--home", str(tmp_path))
    assert done.returncode == Exit.ERROR
    assert done.stderr == (
        f"ringrift-agent: an agent already runs with the home {tmp_path}; "
        "use another --home for a second one on this box\n"
    )


def test_a_file_is_no_home(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = run("--home", str(file))
    assert done.returncode == Exit.ERROR
    assert done.stderr == (
        f"ringrift-agent: {file} is a file, not a folder; choose another --home\n"
    )
    assert run("status", "--home", str(file)).returncode == Exit.NOT_RUNNING


def test_a_home_of_nobody_is_told_by_every_verb() -> None:
    for verb in ("run", "status", "paths"):
        done = run(verb, "--home", "~nobody-of-this-name/home")
        assert done.returncode == Exit.ERROR
        assert "no such user" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda home: (home / "records.db").write_bytes(b"rubbish" * 1000), "records.db"),
        (lambda home: (home / "records.db").mkdir(), "records.db cannot be used (unable to open"),
        (lambda home: (home / "agent.sock").write_text("in the way"), "agent.sock is in use"),
        (lambda home: (home / "agent.lock").mkdir(), "cannot lock"),
        (lambda home: (home / "node.pem").write_text("rubbish"), "mesh.pem is missing"),
    ],
)
def test_what_is_wrong_with_a_home_is_one_sentence(
    spoil: Callable[[Path], object], said: str, tmp_path: Path
) -> None:
    spoil(tmp_path)
    done = run("--home", str(tmp_path), "--listen", "127.0.0.1:0", "--workers", "0")
    assert done.returncode == Exit.ERROR
    *log, last = done.stderr.splitlines()
    assert last.startswith("ringrift-agent: ")
    assert said in last
    assert all(json.loads(line)["level"] == "info" for line in log)


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SchemaTooNew("a later version wrote it"), "a later version wrote it"),
        (PermissionError(13, "Permission denied", "/s"), "/s: Permission denied"),
        (OSError("AF_UNIX path too long"), "AF_UNIX path too long"),
        (sqlite_error(sqlite3.SQLITE_IOERR_READ), "the record store cannot be used: it failed"),
        (
            ExceptionGroup("", [HomeError("one"), ExceptionGroup("", [StoreFull("two")])]),
            "one; two",
        ),
        (ExceptionGroup("", [HomeError("one"), HomeError("one")]), "one"),
    ],
)
def test_what_the_box_causes_is_a_sentence(error: Exception, said: str) -> None:
    assert faults.sentence(error) == said


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        sqlite3.ProgrammingError("a closed database"),
        sqlite_error(sqlite3.SQLITE_ERROR),
        ExceptionGroup("", [HomeError("one"), ExceptionGroup("", [KeyError("x")])]),
    ],
)
def test_a_fault_of_ours_is_none(error: Exception) -> None:
    assert faults.sentence(error) is None


def buffered() -> dict[str, str]:
    """Return an environment in which output is written when a buffer is full, or at the end."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize(
    "words",
    [["paths", "--json"], ["--help"], ["doctor"], ["config", "show"], ["completion", "bash"]],
)
def test_output_that_cannot_be_written_is_one_sentence(words: list[str], tmp_path: Path) -> None:
    command = shlex.join([sys.executable, "-m", "ringrift", "--home", str(tmp_path), *words])
    for where, why in (("/dev/full", "No space left on device"), ("&-", "stdout is closed")):
        done = subprocess.run(
            ["sh", "-c", f"{command} >{where}"],
            capture_output=True, text=True, check=False, env=buffered(),
        )  # fmt: skip
        assert done.returncode == Exit.ERROR
        assert done.stderr == f"ringrift-agent: cannot write the output: {why}\n"


@pytest.mark.parametrize("verb", [[], ["status"]])
def test_a_help_that_cannot_be_written_is_an_error(verb: list[str]) -> None:
    for unbuffered in ("", "1"):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "ringrift", *verb, "--help"],
                stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            )  # fmt: skip
        assert done.returncode == Exit.ERROR
        assert done.stderr == "ringrift-agent: cannot write the output: No space left on device\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["bogus"], Exit.USAGE),
        (["status", "--bogus"], Exit.USAGE),
        (["token", "--expires", "soon"], Exit.USAGE),
        (["status"], Exit.NOT_RUNNING),
    ],
)
def test_without_a_stderr_the_exit_status_stands_and_no_talk_is_on_stdout(
    words: list[str], status: Exit, tmp_path: Path
) -> None:
    command = shlex.join([sys.executable, "-m", "ringrift", "--home", str(tmp_path), *words])
    done = subprocess.run(["sh", "-c", f"{command} 2>&-"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (status, b"")


def test_no_word_that_is_repeated_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.parse(["status", "--\x1b[2Jx" + "\x1b" * 1000])
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.isprintable()
    assert "unrecognized arguments: --\\x1b[2Jx" in told
    assert len(told) < 700
    common.say("\x1b" * 1000)
    assert len(capsys.readouterr().err) < 700


def test_who_reads_no_further_is_told_nothing(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as ended:
        done = subprocess.run(
            [sys.executable, "-m", "ringrift", "paths", "--home", str(tmp_path)],
            stdout=ended, stderr=subprocess.PIPE, check=False, env=buffered(),
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (Exit.ERROR, b"")


def test_a_box_that_lost_its_key_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "mesh.pem").touch()
    done = run("--home", str(tmp_path), "--listen", "127.0.0.1:0", "--workers", "0")
    assert done.returncode == Exit.ERROR
    assert done.stderr.startswith(f"ringrift-agent: {tmp_path / 'node.pem'} is missing")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".pem"] == ["mesh.pem"]


def test_the_version_can_be_read_by_a_program() -> None:
    done = run("version", "--json")
    assert json.loads(done.stdout)["version"] == __version__


def test_all_of_a_home_is_in_its_folder(tmp_path: Path) -> None:
    done = run("paths", "--json", "--home", str(tmp_path))
    assert done.returncode == 0
    assert all(path.startswith(str(tmp_path)) for path in json.loads(done.stdout).values())


def test_the_default_home_follows_the_xdg_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RINGRIFT_HOME", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "d"))
    home = Home.find(None)
    if sys.platform.startswith("linux"):
        assert home.config == tmp_path / "c" / "ringrift-agent"
        assert home.data == tmp_path / "d" / "ringrift-agent"
