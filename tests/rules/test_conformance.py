"""The command that runs published test data, on a folder made up here."""

import copy
import errno
import io
import json
import os
import pathlib
import subprocess
import sys
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringrift.rules.conformance import Failed, Passed, Skipped, judge, load, strata
from ringrift.rules.conformance import __main__ as command
from ringrift.rules.conformance.__main__ import main
from tests.rules.conformance_items import (
    Vector,
    chain,
    claim,
    class_c,
    class_d,
    class_e,
    crossing,
    elimination,
    game,
    judged,
    line,
    reward,
    short_segment,
    step,
    trace,
)
from tests.rules.json_values import edits_of

# Whatever an item holds, it has a verdict


kinds = [
    ("contract_v2", step(), "A"),
    ("contract_v2", chain(), "B"),
    ("contract_v2", claim(), "C"),
    ("contract_v2", elimination(), "D"),
    ("contract_v2", short_segment(), "E"),
    ("contract_extra", reward(), ""),
    ("rules_parity", trace(), ""),
    ("transitions", line(), ""),
    ("games", game(4), ""),
]


@settings(deadline=None)
@given(st.data())
def test_an_item_with_anything_in_one_place_is_judged(data: st.DataObject) -> None:
    stratum, value, label = data.draw(st.sampled_from(kinds))
    changed: Any = data.draw(edits_of(value))(copy.deepcopy(value))
    verdict = judged(stratum, changed, label)
    assert not (isinstance(verdict, Failed) and verdict.difference.startswith("the engine broke"))


@pytest.mark.parametrize("fault", [KeyError(7), RecursionError("too deep"), StopIteration()])
def test_a_fault_of_the_engine_is_a_failure_of_the_item(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def broken(*_: object) -> None:
        raise fault

    monkeypatch.setattr("ringrift.rules.conformance.contract.apply", broken)
    assert judged("contract_v2", step()) == Failed(f"the engine broke: {fault!r}")


# The command


def write(folder: pathlib.Path, path: str, value: object) -> None:
    """Write a file of JSON, or of lines of JSON."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, list):
        target.write_text("".join(json.dumps(line) + "\n" for line in value), encoding="utf-8")
    else:
        target.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a folder with an item or two in every stratum; all pass or are skipped."""
    vectors = [step() | {"id": "a"}, claim() | {"id": "c"}, elimination() | {"id": "d"}]
    write(tmp_path, "contract_v2/some.json", {"vectors": vectors})
    write(tmp_path, "contract_extra/some.json", {"vectors": [reward()]})
    write(tmp_path, "rules_parity/v1/trace.some.json", trace())
    write(tmp_path, "fsm/some.json", {"vectors": [{"id": "it"}]})
    write(tmp_path, "transitions/transitions.jsonl", [line()])
    write(tmp_path, "games/some.jsonl", [game(4) | {"id": "one"}, game(5) | {"id": "two"}])
    manifest = {
        "side": "made up",
        "contract_v2": [{"id": name, "class": name.upper()} for name in "acd"],
        "contract_extra": [{"id": "it"}],
        "rules_parity": [{"file": "rules_parity/v1/trace.some.json"}],
        "fsm": [{"id": "it"}],
        "transitions": [{"id": "it"}],
        "games": [{"id": "one"}, {"id": "two"}],
    }
    write(tmp_path, "MANIFEST.json", manifest)
    return tmp_path


fsm = "fsm: an abstract phase diagram, for orientation only"
all_well = {
    "contract_v2": {"passed": 1, "failed": 0, "skipped": {class_c: 1, class_d: 1}},
    "contract_extra": {"passed": 1, "failed": 0, "skipped": {}},
    "rules_parity": {"passed": 1, "failed": 0, "skipped": {}},
    "fsm": {"passed": 0, "failed": 0, "skipped": {fsm: 1}},
    "transitions": {"passed": 1, "failed": 0, "skipped": {}},
    "games": {"passed": 2, "failed": 0, "skipped": {}},
}


def test_the_report_counts_by_stratum_and_in_all(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "contract_v2     1 passed, 0 failed, 2 skipped",
        f"  skipped    1 {class_c}",
        f"  skipped    1 {class_d}",
        "contract_extra  1 passed, 0 failed, 0 skipped",
        "rules_parity    1 passed, 0 failed, 0 skipped",
        "fsm             0 passed, 0 failed, 1 skipped",
        f"  skipped    1 {fsm}",
        "transitions     1 passed, 0 failed, 0 skipped",
        "games           2 passed, 0 failed, 0 skipped",
        "in all          6 passed, 0 failed, 3 skipped",
    ]


def test_the_report_as_json_has_three_fields_a_stratum(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == all_well
    assert printed.err == ""


def test_a_failure_is_named_with_its_first_difference(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = line()
    item["after"]["hand"]["2"] = 5
    write(folder, "transitions/transitions.jsonl", [item])
    assert main([str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[7:9] == [
        "transitions     0 passed, 1 failed, 0 skipped",
        "  failed   it: hand[2] is 0; expected 5",
    ]
    assert main([str(folder), "--json"]) == 1
    printed = capsys.readouterr()
    failed = {"passed": 0, "failed": 1, "skipped": {}}
    assert json.loads(printed.out) == all_well | {"transitions": failed}
    assert printed.err == "failed: it: hand[2] is 0; expected 5\n"


def test_the_names_of_items_steer_no_terminal(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aside = crossing(". . .\na . .\na . .\na . .\n1 . 2") | {"id": "a\x1b"}
    write(folder, "contract_v2/some.json", {"vectors": [aside, step() | {"id": "b\x1b"}]})
    write(folder, "MANIFEST.json", {"contract_v2": [{"id": "a\x1b", "class": "A"}]})
    assert main([str(folder)]) == 1
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "  failed   b\\x1b: class is None; " in told
    assert "  passed   a\\x1b: 1 assertion set aside: " in told


def test_what_is_set_aside_is_told(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aside = crossing(". . .\na . .\na . .\na . .\n1 . 2") | {"id": "a"}
    write(folder, "contract_v2/some.json", {"vectors": [aside]})
    main([str(folder)])
    told = capsys.readouterr().out
    assert "  passed   a: 1 assertion set aside: pendingDecisionType, since its move" in told


def test_what_the_manifest_lists_must_be_there(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folder.glob("*/*.json*"):
        path.unlink()
    assert main([str(folder)]) == 1
    told = capsys.readouterr().out
    assert "  failed   two: MANIFEST.json lists it, and no file holds it\n" in told
    assert "in all          1 passed, 8 failed, 0 skipped\n" in told


def test_what_the_manifest_does_not_list_is_run_all_the_same(folder: pathlib.Path) -> None:
    write(folder, "MANIFEST.json", {})
    assert [(item.stratum, item.id) for item in load(folder)][3:] == [
        ("contract_extra", "it"),
        ("rules_parity", "v1/trace.some"),
        ("fsm", "it"),
        ("transitions", "it"),
        ("games", "one"),
        ("games", "two"),
    ]


def test_strata_without_items_are_counted_too(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "MANIFEST.json", {})
    write(tmp_path, "transitions/transitions.jsonl", [line()])
    assert main([str(tmp_path), "--json"]) == 0
    nothing = {"passed": 0, "failed": 0, "skipped": {}}
    counted = dict.fromkeys(strata, nothing) | {"transitions": nothing | {"passed": 1}}
    assert json.loads(capsys.readouterr().out) == counted


def test_a_folder_without_any_item_is_refused(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "MANIFEST.json", {})
    assert main([str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith("', with no item; expected some in " + ", ".join(strata) + "\n")


def test_an_id_that_two_files_share_has_a_class_in_each(folder: pathlib.Path) -> None:
    write(folder, "contract_v2/other.json", {"vectors": [short_segment() | {"id": "a"}]})
    entries = [
        {"id": "a", "file": "contract_v2/some.json", "class": "A"},
        {"id": "a", "file": "contract_v2/other.json", "class": "E"},
        {"id": "a", "file": "contract_v2/third.json", "class": "A"},
    ]
    write(folder, "MANIFEST.json", {"contract_v2": entries})
    items = [item for item in load(folder) if (item.stratum, item.id) == ("contract_v2", "a")]
    assert [item.earlier for item in items] == [(), (), ()]
    found = "MANIFEST.json lists it, and no file holds it"
    assert [judge(item) for item in items] == [Skipped(class_e), Passed(), Failed(found)]


def test_an_id_that_one_file_has_twice_has_its_class_both_times(folder: pathlib.Path) -> None:
    write(folder, "contract_v2/some.json", {"vectors": [step() | {"id": "a"}] * 2})
    assert [judge(item) for item in load(folder)][:2] == [Passed(), Passed()]


def test_steps_of_one_story_know_the_steps_before_them(folder: pathlib.Path) -> None:
    tagged: Vector = {"tags": ["x", "sequence:s"]}
    other = step() | {"tags": ["x"]}
    steps = [short_segment() | tagged | {"id": "1"}, other, step() | tagged | {"id": "2"}]
    write(folder, "contract_v2/some.json", {"vectors": steps})
    entries = [{"id": "2", "class": "E"}]
    write(folder, "MANIFEST.json", {"contract_v2": entries})
    items = [item for item in load(folder) if item.stratum == "contract_v2"]
    assert [len(item.earlier) for item in items] == [0, 0, 1]
    assert judge(items[2]) == Skipped(class_e)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("MANIFEST.json", None, "MANIFEST.json of "),
        ("MANIFEST.json", "[]", "MANIFEST.json: the value is []; expected an object"),
        ("MANIFEST.json", '{"fsm": 5}', "MANIFEST.json: fsm is 5; expected an array"),
        ("MANIFEST.json", '{"fsm": [{}]}', "MANIFEST.json: id is None; expected a string"),
        ("fsm/some.json", "{", "fsm/some.json: expected JSON: Expecting property name"),
        ("fsm/some.json", "\udcff", "fsm/some.json: expected JSON: 'utf-8' codec can't decode"),
        ("fsm/some.json", "[" * 100_000, "fsm/some.json: expected JSON: it is nested too deeply"),
        ("fsm/some.json", "1" * 5000, "fsm/some.json: expected JSON: Exceeds the limit"),
        ("fsm/some.json", "{}", "fsm/some.json: vectors is None; expected an array"),
        ("fsm/some.json", '{"vectors": [7]}', "fsm/some.json: vectors[0] is 7; expected an obj"),
        ("fsm/some.json", '{"vectors": [{}]}', "fsm/some.json: vectors[0]: id is None; expected"),
        ("games/some.jsonl", '{"id": "a"}\n5', "games/some.jsonl, line 2: the value is 5; exp"),
        ("games/some.jsonl", "\n{]", "games/some.jsonl, line 2: expected JSON: Expecting"),
        ("games/some.jsonl", "{}", "games/some.jsonl, line 1: id is None; expected a string"),
    ],
)
def test_data_that_cannot_be_read_end_the_run_by_name(
    folder: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    path: str,
    text: str | None,
    message: str,
) -> None:
    if text is None:
        (folder / path).unlink()
    else:
        (folder / path).write_text(text, encoding="utf-8", errors="surrogateescape")
    assert main([str(folder)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"python -m ringrift.rules.conformance: {message}")
    assert printed.err.count("\n") == 1


def test_a_folder_that_is_none_is_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.endswith("/nowhere'; expected a folder\n")


def test_a_folder_without_a_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([""])
    assert ended.value.code == 2
    assert "DIR: it is empty; expected the folder of the data" in capsys.readouterr().err


def test_a_name_that_no_folder_can_have_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a" * 5000]) == 2
    told = capsys.readouterr().err
    assert told.endswith("': File name too long; expected a folder\n")


def test_a_file_without_an_end_is_not_read(
    folder: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(folder / "games" / "pipe.jsonl")
    assert main([str(folder)]) == 2
    expected = f"games/pipe.jsonl of {str(folder)!r} is no file that ends; expected one\n"
    assert capsys.readouterr().err.endswith(expected)


def run(folder: pathlib.Path, stdout: int, **more: str) -> tuple[int, str]:
    """Run the command on a stdout, and return its status and what it says on stderr."""
    command = [sys.executable, "-m", "ringrift.rules.conformance", str(folder)]
    buffered = {**os.environ, "PYTHONUNBUFFERED": "", **more}
    done = subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, env=buffered, text=True, check=False
    )
    return done.returncode, done.stderr


def test_without_a_stdout_there_is_no_report(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main([str(folder)]) == 3
    told = "cannot write the output: stdout is closed"
    assert capsys.readouterr().err == f"python -m ringrift.rules.conformance: {told}\n"


def test_an_error_of_a_judgement_is_not_taken_for_one_of_the_report(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> NoReturn:
        raise BrokenPipeError("of an item")

    monkeypatch.setattr(command, "judge", fail)
    with pytest.raises(BrokenPipeError, match="of an item"):
        main([str(folder)])


def test_an_id_that_the_terminal_cannot_write_is_escaped(folder: pathlib.Path) -> None:
    write(folder, "transitions/more.jsonl", {"id": "\N{SNOWMAN}"})
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, encoding="ascii") as told:
        try:
            status, _ = run(folder, write_end, PYTHONIOENCODING="ascii")
        finally:
            os.close(write_end)
        assert "\\u2603: " in told.read()
    assert status == 1


def test_a_reader_that_has_gone_ends_the_report_quietly(folder: pathlib.Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        assert run(folder, write_end) == (3, "")
    finally:
        os.close(write_end)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device here is always full")
def test_a_full_disk_is_named(folder: pathlib.Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        status, told = run(folder, full)
    finally:
        os.close(full)
    reason = "cannot write the output: No space left on device"
    assert (status, told) == (3, f"python -m ringrift.rules.conformance: {reason}\n")


def test_a_help_that_cannot_be_written_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["--help"]) == 3
    told = "python -m ringrift.rules.conformance: cannot write the output: No space left\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("words", [[], ["a", "b"], ["a", "--jso"]])
def test_a_wrong_command_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert (
        "usage: python -m ringrift.rules.conformance [-h] [--json] DIR" in capsys.readouterr().err
    )


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    told = capsys.readouterr().out
    assert "python -m ringrift.rules.conformance ../vectors" in told
    assert "exit status: 0" in told
