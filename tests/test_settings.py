"""Settings: which source wins, and what is said of a value that makes no sense."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ringrift import cli
from ringrift.agent import AgentSettings
from ringrift.agent_settings import agent_settings, listen_address
from ringrift.choices import BadSetting, Choices, Source, file_bytes_max, resolve, unknown_variables
from ringrift.commands import run as run_module
from ringrift.exits import Exit
from ringrift.home import Home
from ringrift.joining import read_token
from ringrift.settings import Setting, Value, settings
from transports.base import Address

by_name = {each.name: each for each in settings}

examples: Mapping[str, st.SearchStrategy[Value]] = {
    "join": st.lists(st.sampled_from(["a", "b:1", "[::1]:2"]), min_size=1, max_size=3).map(tuple),
    "token-file": st.sampled_from(["t", "/x y/z", "=", "#"]),
    "listen": st.sampled_from(["127.0.0.1:0", "[::]:9"]),
    "advertise": st.lists(st.sampled_from(["a", "b:1"]), min_size=1, max_size=4).map(tuple),
    "name": st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=64),
    "workers": st.integers(0, 1024),
    "worker": st.sampled_from(["play", "/opt/p --config {config}", "'a b' c"]),
    "replay-share": st.floats(0, 1),
    "log-file": st.sampled_from(["l", "/x y/z.log"]),
    "ephemeral": st.booleans(),
}


project = Path(__file__).resolve().parent.parent


def test_every_setting_is_in_the_documentation_as_it_is() -> None:
    lines = (project / "docs" / "settings.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    assert [(key, option.split(",")[0], variable, otherwise)
            for key, option, variable, _, otherwise in rows] == [
        (f"`{each.name}`", f"`{each.option}`", f"`{each.variable}`", each.otherwise)
        for each in settings
    ]  # fmt: skip


def as_arguments(setting: Setting, value: Value) -> list[str]:
    if isinstance(value, bool):
        return [setting.option if value else f"--no-{setting.name}"]
    return [f"{setting.option}={each}" for each in (value if isinstance(value, tuple) else [value])]


def as_variable(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def as_toml(value: Value) -> str:
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


assignments = st.fixed_dictionaries(
    {
        name: st.dictionaries(
            st.sampled_from([Source.FILE, Source.ENVIRONMENT, Source.OPTION]), values, max_size=3
        )
        for name, values in examples.items()
    }
)


def test_there_is_an_example_for_every_setting() -> None:
    assert list(examples) == [each.name for each in settings]


@given(assigned=assignments)
@hypothesis_settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_of_all_sources_the_highest_wins_and_is_named(
    assigned: dict[str, dict[Source, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    arguments, environment, lines = ["run"], {}, []
    for name, given_ in assigned.items():
        setting = by_name[name]
        for source, value in given_.items():
            match source:
                case Source.OPTION:
                    arguments += as_arguments(setting, value)
                case Source.ENVIRONMENT:
                    environment[setting.variable] = as_variable(value)
                case _:
                    lines.append(f"{name} = {as_toml(value)}")
    file.write_text("\n".join(lines), encoding="utf-8")
    choices = resolve(vars(cli.parse(arguments)[1]), environment, file)
    for name, given_ in assigned.items():
        setting = by_name[name]
        source = max(given_, default=Source.DEFAULT)
        origin = {
            Source.OPTION: setting.option,
            Source.ENVIRONMENT: setting.variable,
            Source.FILE: str(file),
            Source.DEFAULT: "default",
        }[source]
        value = setting.default() if source is Source.DEFAULT else given_[source]
        assert (choices[name].value, choices[name].source, choices[name].origin) == (
            value, source, origin,
        )  # fmt: skip


def resolved(tmp_path: Path, toml: str = "", **environment: str) -> Choices:
    (tmp_path / "settings.toml").write_text(toml)
    return resolve({}, environment, tmp_path / "settings.toml")


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    assert resolved(tmp_path, 'name = "a"', RINGRIFT_NAME="").text("name") == "a"


def test_an_empty_array_says_that_there_is_none(tmp_path: Path) -> None:
    choices = resolved(tmp_path, "join = []")
    assert choices["join"].value == ()
    assert choices["join"].source is Source.FILE


def test_one_of_several_may_be_a_string_and_spaces_follow_commas(tmp_path: Path) -> None:
    assert resolved(tmp_path, 'join = "a:1"').texts("join") == ("a:1",)
    assert resolved(tmp_path, RINGRIFT_JOIN="a, b:1").texts("join") == ("a", "b:1")


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("workers = 2000", ": workers: '2000' is not a number from 0 to 1024"),
        ("workers = -1", ": workers: '-1' is not a number from 0 to 1024"),
        ('workers = "2"', ": workers is '2', not a whole number"),
        ("workers = true", ": workers is true, not a whole number"),
        ("ephemeral = 1", ": ephemeral is 1, not true or false"),
        ("replay-share = 1.1", ": replay-share: '1.1' is not a number from 0 to 1, such as 0.02"),
        ("replay-share = -1", ": replay-share: '-1' is not a number from 0 to 1, such as 0.02"),
        ("replay-share = nan", ": replay-share: 'nan' is not a number from 0 to 1, such as 0.02"),
        ('replay-share = "0.1"', ": replay-share is '0.1', not a number"),
        ("replay-share = true", ": replay-share is true, not a number"),
        ("name = 7", ": name is 7, not a string"),
        ('name = ""', ": name: it is 0 characters long, not 1 to 64"),
        ('name = "a\\u001b"', r": name: 'a\x1b' has a character that cannot be shown"),
        ("join = [7]", ": join is 7, not a string or an array of strings"),
        ('listen = ["a:1"]', ": listen is ['a:1'], not a string"),
        ("listen = [true, [1]]", ": listen is [true, [1]], not a string"),
        ("listen = {a = true}", ": listen is a table, not a string"),
        ("listen = 2026-01-01", ": listen is 2026-01-01, not a string"),
        ('join = [""]', ": join: it is empty"),
        ('worker = "a \'b"', ': worker: "a \'b" is no command: no closing quotation'),
        ('worker = " "', ": worker: it is empty"),
        ("worker_s = 2", ": there is no setting worker_s; did you mean workers?"),
        ("token_file = 2", ": there is no setting token_file; did you mean token-file?"),
        ("zzz = 2", ": there is no setting zzz; there are advertise, ephemeral, join"),
        ('token = "secret-1"', ": a token is a secret"),
        ('home = "/x"', ": the home is where this file is, so it is chosen elsewhere: by"),
        ('join = ["a", "b", ""]', ": join: value 3 of 3: it is empty"),
        ("name =", " is not TOML: "),
        ("#" * (file_bytes_max + 1), f" is larger than {file_bytes_max} bytes"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_key(toml: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting) as refused:
        resolved(tmp_path, toml)
    assert f"{tmp_path / 'settings.toml'}{said}" in str(refused.value)
    assert "secret-1" not in str(refused.value)


def test_a_file_that_is_not_text_or_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(b"name = '\xff'")
    with pytest.raises(BadSetting, match=r"settings\.toml is not TOML: "):
        resolve({}, {}, file)
    file.unlink()
    file.mkdir()
    with pytest.raises(BadSetting, match=r"cannot read .*settings\.toml: Is a directory"):
        resolve({}, {}, file)


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("RINGRIFT_WORKERS", "many", "'many' is not a number from 0 to 1024"),
        ("RINGRIFT_JOIN", "a,,b", "value 2 of 3: it is empty"),
        ("RINGRIFT_WORKERS", "\u0663", "is not a number from 0 to 1024"),
        ("RINGRIFT_EPHEMERAL", "yes", "'yes' is neither true nor false"),
    ],
)
def test_a_mistake_in_a_variable_is_told_with_its_name(
    variable: str, text: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(BadSetting, match=f"^{variable}: .*{said}"):
        resolved(tmp_path, **{variable: text})


def test_a_mistake_counts_also_where_a_higher_source_wins(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("workers = 5000")
    with pytest.raises(BadSetting, match="5000"):
        resolve({"workers": "1"}, {}, tmp_path / "settings.toml")


def made_of(choices: Choices, folder: Path) -> tuple[AgentSettings, Address | None]:
    return agent_settings(Home(folder, folder), choices), listen_address(choices)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('join = "a:b:c:d"', "settings.toml: join: 'a:b:c:d' is no IPv6 address"),
        ('advertise = ["a", "b", "c", "d", "e"]', "settings.toml: advertise: 5 addresses"),
        ('listen = "h:99999"', "settings.toml: listen: port 99999 is not between"),
        ('advertise = ["a", "b:0"]', "advertise: 'b:0': nobody can be reached at port 0"),
        ('join = "[::1]:0"', "settings.toml: join: '[::1]:0': nobody can be reached at port 0"),
        ('worker = "no-such --x"', "worker: there is no program 'no-such' that can be run"),
    ],
)
def test_an_address_that_makes_no_sense_is_told_with_its_place(
    toml: str, said: str, tmp_path: Path
) -> None:
    choices = resolved(tmp_path, toml)
    with pytest.raises(BadSetting) as refused:
        made_of(choices, tmp_path)
    assert said in str(refused.value)


def test_an_agent_gets_what_was_chosen(tmp_path: Path) -> None:
    choices = resolved(
        tmp_path,
        'join = ["a", "b:1"]\nadvertise = ["c", "d:2"]\nname = "desk"\nworkers = 3\n'
        'worker = "sh play"\nephemeral = true\nlisten = "e"\nreplay-share = 1',
    )
    made, listen = made_of(choices, tmp_path)
    assert made.seeds == (Address("a", 8770), Address("b", 1))
    assert made.advertised == (Address("c", 0), Address("d", 2))
    assert (made.name, made.workers, made.worker, made.durable) == ("desk", 3, "sh play", False)
    assert made.replay_share == 1.0
    assert listen == Address("e", 8770)


def test_any_free_port_can_be_listened_at(tmp_path: Path) -> None:
    assert listen_address(resolved(tmp_path, 'listen = "a:0"')) == Address("a", 0)


def test_without_a_decision_an_agent_is_durable_and_plays(tmp_path: Path) -> None:
    choices = resolved(tmp_path)
    made, listen = made_of(choices, tmp_path)
    assert made.durable
    assert made.workers >= 1
    assert made.worker is None
    assert made.replay_share == 0.02
    assert 1 <= len(made.name) <= 64
    assert listen is None


def test_a_variable_of_ours_that_means_nothing_is_warned_of() -> None:
    known = [each.variable for each in settings]
    others = ["RINGRIFT_HOME", "RINGRIFT_TOKEN", "RINGRIFT_PYTHON", "RINGRIFT_VECTORS", "HOME"]
    assert list(unknown_variables([*known, *others])) == []
    assert list(unknown_variables(["RINGRIFT_WORKRES"])) == [
        "the variable RINGRIFT_WORKRES means nothing here; did you mean RINGRIFT_WORKERS?"
    ]


@pytest.mark.parametrize("name", ["RINGRIFT_FOO", "RINGRIFT_", "RINGRIFT_ADDRESS"])
def test_a_variable_that_is_near_none_of_ours_is_told_which_there_are(name: str) -> None:
    (said,) = unknown_variables([name])
    assert said.startswith(
        f"the variable {name} means nothing here; there are RINGRIFT_ADVERTISE, RINGRIFT_EPHEMERAL"
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "toml", "expected"),
    [
        (["--token", "o"], {"RINGRIFT_TOKEN": "e"}, "token-file = '{}'", "o"),
        ([], {"RINGRIFT_TOKEN": "e"}, "token-file = '{}'", "e"),
        ([], {}, "token-file = '{}'", "in the file"),
        ([], {"RINGRIFT_TOKEN": "e"}, "", "e"),
        (["--token-file", "{}"], {"RINGRIFT_TOKEN": "e"}, "", "in the file"),
        (["--token", "o"], {"RINGRIFT_TOKEN_FILE": "{}"}, "", "o"),
        ([], {"RINGRIFT_TOKEN": "e", "RINGRIFT_TOKEN_FILE": "{}"}, "", "in the file"),
        ([], {}, "", None),
    ],
)
def test_the_token_comes_from_the_highest_source(
    arguments: list[str],
    environment: dict[str, str],
    toml: str,
    expected: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "token"
    file.write_text("in the file")
    monkeypatch.setattr(os, "environ", {k: v.format(file) for k, v in environment.items()})
    options = cli.parse(["run", *(each.format(file) for each in arguments)])[1]
    (tmp_path / "settings.toml").write_text(toml.format(file))
    choices = resolve(vars(options), os.environ, tmp_path / "settings.toml")
    assert read_token(options.token, run_module._token_file(options, choices)) == expected
    assert "RINGRIFT_TOKEN" not in os.environ


def show(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RINGRIFT_")}
    return subprocess.run(
        [sys.executable, "-m", "ringrift", "config", "show", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=kept | environment,
    )


def test_config_show_aligns_values_and_origins_and_hides_no_default(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('join = ["a", "b:1"]\nephemeral = true\nname = "x"\n')
    done = show("--origin", "--home", str(tmp_path), "--name", "desk", RINGRIFT_WORKERS="3")
    assert done.returncode == Exit.HEALTHY
    width = len("(every address, port 8770 or the next free)")
    rows = [
        ("join", "a, b:1", str(file)),
        ("token-file", "(none)", "default"),
        ("listen", "(every address, port 8770 or the next free)", "default"),
        ("advertise", "(the addresses that it finds)", "default"),
        ("name", "desk", "--name"),
        ("workers", "3", "RINGRIFT_WORKERS"),
        ("worker", "(the built-in worker)", "default"),
        ("replay-share", "0.02", "default"),
        ("log-file", "(stderr only)", "default"),
        ("ephemeral", "yes", str(file)),
    ]
    assert done.stdout.splitlines() == [
        f"{name:<12}  {value:<{width}}  {origin}" for name, value, origin in rows
    ]
    assert done.stderr == ""


def test_config_show_as_data(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("workers = 0\n")
    plain = json.loads(show("--json", "--home", str(tmp_path)).stdout)
    assert (plain["workers"], plain["join"], plain["listen"]) == (0, [], None)
    told = json.loads(show("--json", "--origin", "--home", str(tmp_path)).stdout)
    assert told["workers"] == {
        "value": 0, "source": "file", "origin": str(tmp_path / "settings.toml"),
    }  # fmt: skip


def test_config_show_refuses_what_run_would_and_shows_no_secret(tmp_path: Path) -> None:
    done = show("--listen", "h:99999", "--home", str(tmp_path), RINGRIFT_TOKEN="secret-2")
    assert done.returncode == Exit.USAGE
    assert done.stderr.startswith("ringrift-agent: --listen: port 99999 is not between")
    done = show(
        "--json", "--origin", "--home", str(tmp_path), RINGRIFT_TOKEN="secret-2", RINGRIFT_X=""
    )
    assert "secret-2" not in done.stdout + done.stderr
    assert "RINGRIFT_X means nothing here" in done.stderr
    done = show("--origin", "--token", "secret-3", "--home", str(tmp_path))
    assert done.returncode == Exit.HEALTHY
    assert "secret-3" not in done.stdout + done.stderr
