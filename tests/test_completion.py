"""Completion: what is offered, and that each shell takes it."""

import argparse
import contextlib
import os
import pty
import shutil
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from managers.sync_planner.sync import syncable
from ringrift import cli, client
from ringrift.commands import candidates, completion
from ringrift.exits import Exit
from ringrift.rules import configs


def offered(*words: str) -> list[str]:
    return [candidate for candidate, _ in completion.candidates(words)]


def answer(capsys: pytest.CaptureFixture[str], shell: str, *words: str) -> list[str]:
    options = argparse.Namespace(shell=shell, words=[f"={word}" for word in words])
    assert completion.completion(options) == 0
    return [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]


def test_every_verb_is_offered() -> None:
    assert offered("") == list(cli.parsers())
    assert offered("--home", "h", "--json", "") == list(cli.parsers())


@pytest.mark.parametrize("verb", cli.parsers())
def test_every_option_of_every_verb_is_offered(verb: str) -> None:
    of_parser = cli.parsers()[verb]._option_string_actions
    assert {"--home", "--help"} <= set(of_parser)
    assert offered(verb, "-") == list(of_parser)
    assert offered("--home=h", verb, "--json", "-") == list(of_parser)


def test_what_is_offered_has_its_meaning() -> None:
    meanings = [meaning for _, meaning in completion.candidates([""])]
    assert all(meanings)
    assert not any("\n" in each or "\t" in each for each in meanings)
    assert ("status", "Show how this node and its mesh are doing") in completion.candidates([""])


def test_without_a_verb_the_options_are_those_of_run() -> None:
    assert offered("-") == offered("run", "-")
    assert offered("--join", "host", "-") == offered("run", "-")
    assert offered("--join", "host", "") == []


def test_nothing_is_offered_for_a_verb_that_is_not_there() -> None:
    assert offered("dance", "-") == []


def test_an_option_is_offered_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    names = [config.name for config in configs]
    assert offered("games", "--config", "") == names
    assert offered("games", "--config=") == names
    assert offered("run", "--token-file", "") == [completion.files]
    assert offered("--home", "") == [completion.folders]
    assert offered("token", "--expires", "") == []
    assert answer(capsys, "zsh", "games", "--config", "hex8_") == ["hex8_2p", "hex8_3p", "hex8_4p"]


def test_a_value_that_may_be_left_out_hides_no_option() -> None:
    assert "--json" in offered("status", "--watch", "-")


def test_a_word_out_of_a_few_is_offered_until_it_is_there() -> None:
    assert offered("completion", "") == list(cli.shells)
    assert offered("completion", "zsh", "") == []


def test_after_the_sign_of_a_value_each_shell_gets_what_it_replaces(
    capsys: pytest.CaptureFixture[str],
) -> None:
    values = ["hex8_2p", "hex8_3p", "hex8_4p"]
    assert answer(capsys, "bash", "games", "--config", "=", "hex8_") == values
    assert answer(capsys, "bash", "games", "--config", "=")[:2] == ["square8_2p", "square8_3p"]
    assert answer(capsys, "zsh", "games", "--config=hex8_") == values
    assert answer(capsys, "fish", "games", "--config=hex8_") == [f"--config={v}" for v in values]
    assert answer(capsys, "zsh", "games", "--config=", "hex8_") == []
    assert answer(capsys, "fish", "games", "--home=/x") == [completion.folders]


def member(id_: str, name: str) -> dict[str, Any]:
    return {"id": id_ * 16, "name": name, "state": "alive"}


def test_a_member_is_offered_by_its_name_or_else_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [
        member("aa", "me"), member("bb", "desk"), member("cc", "twin"), member("dd", "twin"),
        member("ee", "$(reboot)"), member("ff", "-x"),
    ]  # fmt: skip
    found = {"node": {"id": "aa" * 16}, "mesh": {"members": members}}
    asked: list[Path] = []

    def ask(path: Path, *_: str, timeout_s: float) -> object:
        asked.append(path)
        assert timeout_s < 1
        return found

    monkeypatch.setattr(client, "ask", ask)
    for words in (["--home", "/h", "sync", "--peer", ""], ["sync", "--home=/h", "--peer="]):
        assert offered(*words) == ["desk", "cc" * 6, "dd" * 6, "ee" * 6, "ff" * 6]
    assert asked == [Path("/h/agent.sock")] * 2
    assert next(iter(candidates.members("/h"))) == ("desk", "alive")


def test_without_an_agent_that_answers_soon_no_member_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "_answer_s_max", 0.05)
    home = os.fspath(tmp_path)
    assert list(candidates.members(home)) == []
    assert list(candidates.members("~nobody-of-this-name/home")) == []
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(os.fspath(tmp_path / "agent.sock"))
        silent.listen()
        assert list(candidates.members(home)) == []


def test_asking_for_verbs_and_options_loads_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from ringrift import cli\n"
        "cli.main(['completion', 'bash', '=status', '=--'])\n"
        "heavy = {'trio', 'httpx', 'rich', 'cryptography', 'msgspec', 'sqlite3', 'http'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "--watch" in done.stdout
    assert done.stderr == "[]\n"


def test_what_can_be_synced_is_offered() -> None:
    assert offered("sync", "") == ["games", "all"] == list(syncable)
    assert offered("sync", "--peer", "x", "games", "") == []


def test_without_a_shell_it_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse(["completion"])
    assert ended.value.code == Exit.USAGE
    assert capsys.readouterr().err.endswith(": bash|zsh|fish\n")


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse(["completion", "tcsh"])
    assert ended.value.code == Exit.USAGE
    assert "'tcsh' (choose from" in capsys.readouterr().err


@pytest.fixture
def typed(tmp_path: Path) -> dict[str, str]:
    """Make a program that completes as ours does, and else only writes down its arguments."""
    program = tmp_path / "bin" / "ringrift-agent"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = completion ] && PYTHONPATH={Path.cwd()} exec {sys.executable} -m ringrift "$@"\n'
        f'printf "%s\\n" "$@" >> {tmp_path}/typed\n'
    )
    program.chmod(stat.S_IRWXU)
    (tmp_path / "a file").touch()
    (tmp_path / "a folder").mkdir()
    return os.environ | {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": os.fspath(tmp_path),
        "ZDOTDIR": os.fspath(tmp_path),
        "TERM": "dumb",
    }


lines = [
    ("ringrift-agent stat\t--wat\t", ["status", "--watch"]),
    ("ringrift-agent games --config=hexagonal_\t3p", ["games", "--config=hexagonal_3p"]),
    ("ringrift-agent games --config hex8_\t2p", ["games", "--config", "hex8_2p"]),
    ("~/bin/ringrift-agent --home x pau\t", ["--home", "x", "pause"]),
    ("ringrift-agent --token-file a\\ fi\t", ["--token-file", "a file"]),
    ("ringrift-agent --home a\\ fo\t", ["--home", "a folder"]),
    ("ringrift-agent token --expires \t1d", ["token", "--expires", "1d"]),
]


starts = {
    "bash": 'eval "$(ringrift-agent completion bash)"',
    "zsh": 'autoload -Uz compinit; compinit -u -D; eval "$(ringrift-agent completion zsh)"',
}


@pytest.mark.parametrize("shell", starts)
def test_a_shell_on_a_terminal_completes(shell: str, typed: dict[str, str], tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    ours, its = pty.openpty()
    with subprocess.Popen(
        [shell, "-i"], stdin=its, stdout=its, stderr=its, cwd=tmp_path, env=typed,
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(its)
        reader = threading.Thread(target=read_all, args=(ours,))
        reader.start()
        for line in [starts[shell], *(line for line, _ in lines), "exit"]:
            os.write(ours, f"{line}\r".encode())
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
    reader.join()
    expected = [word for _, words in lines for word in words]
    words = (tmp_path / "typed").read_text().splitlines()
    assert [word.removesuffix("/") for word in words] == expected  # zsh takes it away again


def read_all(descriptor: int) -> None:
    """Read a terminal to its end, so that its shell never waits."""
    with contextlib.suppress(OSError):
        while os.read(descriptor, 65536):
            pass
    os.close(descriptor)


def test_bash_takes_the_answer_as_its_own_words(typed: dict[str, str]) -> None:
    program = (
        'eval "$(ringrift-agent completion bash)"\n'
        "COMP_WORDS=(ringrift-agent games --config = hexagonal_ --json) COMP_CWORD=4\n"
        "_ringrift_agent ringrift-agent\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "-c", program], env=typed, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["hexagonal_2p", "hexagonal_3p", "hexagonal_4p"]
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(typed: dict[str, str], tmp_path: Path) -> None:
    asked = {
        "ringrift-agent stat": ["status"],
        "ringrift-agent status --wat": ["--watch"],
        "ringrift-agent games --config=hex8_": [f"--config=hex8_{n}p" for n in (2, 3, 4)],
        "~/bin/ringrift-agent --home x pau": ["pause"],
        "ringrift-agent --token-file a\\ fi": ["a file"],
        "ringrift-agent --token-file=~/a\\ fi": ["--token-file=~/a file"],
        "ringrift-agent --home a\\ fo": ["a folder/"],
        "ringrift-agent token --expires ": [],
    }
    program = "ringrift-agent completion fish | source\n" + "".join(
        f"complete -C '{line}'\necho .\n" for line in asked
    )
    done = subprocess.run(
        ["fish", "--no-config", "-c", program],
        env=typed, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers = done.stdout.split(".\n")[:-1]
    shown = [[line.split("\t")[0] for line in each.splitlines()] for each in answers]
    assert shown == list(asked.values())
    assert done.stderr == ""
