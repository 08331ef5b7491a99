"""Positions and moves as JSON: older spellings are read, and what is wrong is named."""

import contextlib
import copy
import functools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringrift.rules import Config, IllegalMove, Move, MoveType, Phase, State, apply
from ringrift.rules.errors import NotationError
from ringrift.rules.json_move import read_move, write_move
from ringrift.rules.json_state import read_state, write_state
from ringrift.rules.moves import RecoveryMode
from tests.rules.boards import looks_like, move, play, position
from tests.rules.json_values import Edit, anything, edits_of, put


def test_a_position_is_written_in_the_published_shape() -> None:
    state = position("112 . a\nB", hand=(3, 4), eliminated=(1, 2))
    value: Any = write_state(state)
    assert value["board"] == {
        "type": "square8",
        "stacks": {
            "0,0": {
                "position": {"x": 0, "y": 0},
                "rings": [1, 1, 2],
                "stackHeight": 3,
                "capHeight": 2,
                "controllingPlayer": 1,
            }
        },
        "markers": {"2,0": {"position": {"x": 2, "y": 0}, "player": 1}},
        "collapsedSpaces": {"0,1": 2},
    }
    assert value["players"] == [
        {"playerNumber": 1, "ringsInHand": 3, "eliminatedRings": 1, "territorySpaces": 0},
        {"playerNumber": 2, "ringsInHand": 4, "eliminatedRings": 2, "territorySpaces": 1},
    ]
    assert (value["currentPlayer"], value["currentPhase"]) == (1, "movement")


def test_hex_cells_are_read_with_and_without_z() -> None:
    value = {
        "board": {"type": "hex8", "stacks": {"1,-1": {"rings": [1]}, "0,2,-2": {"rings": [2]}}},
        "players": [
            {"playerNumber": seat, "ringsInHand": 1, "eliminatedRings": 0} for seat in (1, 2)
        ],
        "currentPlayer": 1,
        "currentPhase": "movement",
        "gameStatus": "waiting",
    }
    state = read_state(value)
    at = state.variant.board.cell
    assert state.stacks == {at(1, -1): b"\1", at(0, 2): b"\2"}
    step = {
        "type": "move_stack",
        "from": {"x": 1, "y": -1, "z": 0},
        "to": {"x": 2, "y": -1, "z": None},
    }
    assert read_move(state, step) == move(state, MoveType.MOVE_STACK, (2, -1), start=(1, -1))
    step["to"] = {"x": 2, "y": -1, "z": 5}
    with pytest.raises(NotationError, match=r"to\.z is 5; expected -1"):
        read_move(state, step)


def test_a_threshold_in_the_position_overrides_that_of_the_config() -> None:
    value: Any = write_state(position("1 . 2"))
    assert read_state(value).variant.elimination_threshold == 18
    value["victoryThreshold"] = 10
    assert read_state(value).variant.elimination_threshold == 10


def test_a_finished_game_reads_back() -> None:
    state = apply(position("1 . 2"), Move(MoveType.RESIGN))
    assert read_state(write_state(state)) == state


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda _: [], r"state is \[\]; expected an object"),
        (put("board", value=None), "board is None; expected an object"),
        (put("board", "type", value="square9"), "board.type is 'square9'; expected one of square8"),
        (put("board", "type", value=["square8"]), r"board.type is \['square8'\]; expected one of"),
        (put("board", "markers", value=[]), r"markers is \[\]; expected an object"),
        (put("players", value="me"), "players is 'me'; expected an array"),
        (put("players", value=[{}] * 9), "players has 9 entries; expected 2 to 4"),
        (put("players", 0, "playerNumber", value=2), r"players\[1\]\.playerNumber is 2; .* once"),
        (put("players", 0, "ringsInHand", value=-1), r"players\[0\]\.ringsInHand is -1; .* 0 to"),
        (put("players", 0, "eliminatedRings", value=True), "eliminatedRings is True"),
        (put("currentPlayer", value=3), "currentPlayer is 3; expected a number from 1 to 2"),
        (put("currentPhase", value="lunch"), "currentPhase is 'lunch'; .* ring_placement, "),
        (put("currentPhase", value="game_over"), "phase is 'game_over'; expected game_over exact"),
        (put("gameStatus", value="completed"), "gameStatus is 'completed'"),
        (put("gameStatus", value="odd"), "gameStatus is 'odd'; expected one of active"),
        (put("gameStatus", value=""), "gameStatus is ''; expected one of active"),
        (put("turnNumber", value=0.5), "turnNumber is 0.5"),
        (put("turnNumber", value=False), "turnNumber is False"),
        (put("turnNumber", value=float("nan")), "turnNumber is nan; expected a number from 0"),
        (put("turnNumber", value=10**5000), "turnNumber is a number of 16610 bits; expected a"),
        (put("victoryThreshold", value=0), "victoryThreshold is 0"),
        (
            put("board", "stacks", "9,9", value={"rings": [1]}),
            r"stacks: \(9, 9\) is not on square8",
        ),
        (put("board", "stacks", "0", value={"rings": [1]}), "stacks is '0'; expected a cell"),
        (put("board", "stacks", "4,4", value={"rings": []}), "rings is .*; expected 1 to"),
        (put("board", "stacks", "4,4", value={"rings": [3]}), r"stacks\[4,4\]\.rings is 3"),
        (put("board", "stacks", "2,0", value={"rings": [1]}), "a cell that holds nothing else"),
        (put("board", "markers", "4,4", value={"player": 0}), r"markers\[4,4\]\.player is 0"),
        (put("board", "markers", "4,4", value=1), r"markers\[4,4\] is 1; expected an object"),
        (put("board", "collapsedSpaces", "4,4", value="1"), r"collapsedSpaces\[4,4\] is '1'"),
        (
            put("mustMoveFromStackKey", value="4,4"),
            "StackKey is '4,4'; expected the cell of a stack",
        ),
        (put("mustMoveFromStackKey", value=44), "mustMoveFromStackKey is 44; expected a cell as"),
        (put("turn", "owed", value="all"), "turn.owed is 'all'; expected one of nothing"),
        (put("turn", "changed", value=1), "turn.changed is 1; expected true or false"),
        (put("turn", "streaks", value=[1]), r"turn.streaks is \[1\]; expected 2 numbers"),
        (put("turn", "lastActor", value=3), "turn.lastActor is 3"),
    ],
)
def test_what_is_wrong_with_a_position_is_named(edit: Edit, message: str) -> None:
    value: Any = copy.deepcopy(write_state(position("11 . a . 21\nB")))
    with pytest.raises(NotationError, match=message):
        read_state(edit(value))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "move is 7; expected an object"),
        ({"type": "fly"}, "type is 'fly'; expected one of place_ring, "),
        ({"type": "move_stack", "player": 2}, "player is 2; expected 1, who is to move"),
        ({"type": "move_stack", "player": True}, "player is True; expected a number from 1 to 2"),
        ({"type": "move_stack"}, "from is None; expected an object"),
        ({"type": "place_ring", "to": {"x": 0}}, r"to\.y is None"),
        (
            {"type": "place_ring", "to": {"x": 0, "y": 0}, "placementCount": 4},
            "placementCount is 4",
        ),
        (
            {"type": "place_ring", "to": {"x": 0, "y": 0}, "placementCount": 0},
            "placementCount is 0; expected a number from 1 to 3",
        ),
        (
            {"type": "overtaking_capture", "from": {"x": 0, "y": 0}, "to": {"x": 1, "y": 0}},
            "captureTarget is None; expected a cell, unless",
        ),
        ({"type": "process_line", "formedLines": []}, "to is None; expected an object"),
        ({"type": "process_line", "formedLines": 5}, "formedLines is 5; expected an array"),
        (
            {"type": "process_line", "formedLines": [{"positions": []}]},
            r"formedLines\[0\]\.positions is \[\]; expected at least one cell",
        ),
        ({"type": "process_line", "to": {"x": 0, "y": 0}}, "formedLines is None; expected a line"),
        (
            {"type": "choose_territory_option", "disconnectedRegions": [{"spaces": []}]},
            "disconnectedRegions is .* expected one of 0 claimable regions",
        ),
        (
            {"type": "choose_territory_option", "to": {"x": 0, "y": 0}},
            r"to is \{'x': 0, 'y': 0\}; expected one of 0 claimable regions",
        ),
        (
            {
                "type": "recovery_slide",
                "from": {"x": 0, "y": 0},
                "to": {"x": 1, "y": 0},
                "extractionStacks": [7],
            },
            "extractionStacks is 7; expected a cell as 'x,y'",
        ),
        (
            {"type": "recovery_slide", "from": {"x": 0, "y": 0}, "to": {"x": 1, "y": 0}},
            "recovery_slide is .* expected one of the position's slides",
        ),
    ],
)
def test_what_is_wrong_with_a_move_is_named(value: object, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        read_move(position("1 . a . 21"), value)


def test_older_types_and_snake_case_fields_are_read() -> None:
    state = position("11 2 . 2 .", phase=Phase.CHAIN_CAPTURE)
    value = {
        "type": "chain_capture",
        "from_pos": {"x": 0, "y": 0},
        "capture_target": {"x": 1, "y": 0},
        "to": {"x": 2, "y": 0},
    }
    expected = move(state, MoveType.CONTINUE_CAPTURE_SEGMENT, (2, 0), start=(0, 0), target=(1, 0))
    assert read_move(state, value) == expected
    with pytest.raises(IllegalMove):
        apply(state, read_move(state, {**value, "capture_target": {"x": 3, "y": 0}}))
    del value["capture_target"]
    assert read_move(state, value) == expected
    state = position("a a a a a 1 2", phase=Phase.LINE_PROCESSING)
    cells = [{"x": x, "y": 0} for x in range(5)]
    reward = {
        "type": "choose_line_reward",
        "formed_lines": [{"positions": cells}],
        "collapsed_markers": cells[1:],
    }
    assert looks_like(apply(state, read_move(state, reward)), "a A A A A 1 2")


def test_a_line_or_region_may_be_named_by_its_first_cell() -> None:
    first: dict[str, object] = {"to": {"x": 0, "y": 0}}
    state = position("a a a a 1 2", phase=Phase.LINE_PROCESSING)
    named = read_move(state, {"type": "process_line", **first})
    assert named == move(state, MoveType.PROCESS_LINE, (3, 0), start=(0, 0))
    other_end = {"type": "process_line", "formedLines": [], "to": {"x": 3, "y": 0}}
    assert read_move(state, other_end) == named
    state = position(". a\na . . 1 2", phase=Phase.TERRITORY_PROCESSING)
    named = read_move(state, {"type": "process_territory_region", **first})
    assert named == move(state, MoveType.CHOOSE_TERRITORY_OPTION, (0, 0), extra=1)


def test_a_part_of_a_line_must_be_in_a_row_and_of_the_right_length() -> None:
    state = position("a a a a a a 1 2", phase=Phase.LINE_PROCESSING)
    cells = [{"x": x, "y": 0} for x in range(6)]
    value = {"type": "choose_line_option", "formedLines": [{"positions": cells}]}
    for chosen in (cells[:3], [*cells[:3], cells[4]], [*cells[:5]]):
        with pytest.raises(NotationError, match="the whole line or 4 cells of it in a row"):
            read_move(state, {**value, "collapsedMarkers": chosen})


def test_a_slide_is_found_by_as_much_as_is_said_of_it() -> None:
    state = position(
        """
        a a a a . .
        . . . . a .
        . 2211 . 21
        """
    )
    value = {"type": "recovery_slide", "from": {"x": 4, "y": 1}, "to": {"x": 4, "y": 0}}
    slide = MoveType.RECOVERY_SLIDE

    def found(**more: object) -> Move:
        return read_move(state, {**value, **more})

    paid = [
        move(state, slide, (4, 0), start=(4, 1), target=target, extra=RecoveryMode.LINE_ALL)
        for target in ((1, 2), (3, 2))
    ]
    free = move(state, slide, (4, 0), start=(4, 1), target=(1, 0), extra=RecoveryMode.LINE_PART)
    assert found() == found(option=1) == found(recoveryMode="line") == paid[0]
    assert found(extractionStacks=["3,2"]) == paid[1]
    assert found(recoveryOption=2) == free
    assert found(option=2, collapsePositions=[{"x": x, "y": 0} for x in (1, 2, 3, 4)]) == free
    for wrong in (
        {"recoveryMode": "fallback"},
        {"extractionStacks": ["5,5"], "option": 1},
        {"option": 2, "collapsePositions": [{"x": 0, "y": 0}]},
    ):
        with pytest.raises(NotationError, match="recovery_slide"):
            found(**wrong)


def one_of_each() -> list[tuple[State, Move]]:
    """Return moves with every shape of fields, each in a position where it is legal."""
    lines = position("a a a a a 1 2", phase=Phase.LINE_PROCESSING)
    hexes = position(
        """
            a a a a .
           . . . . . .
          . . . . . . .
         . . . . . . . .
        . . . . . . . . .
         . . . . . . . .
          . . . . . . .
           . . . . . .
            1 . 2 . .
        """,
        Config("hex8", 2),
        phase=Phase.LINE_PROCESSING,
    )
    owing = play(hexes, MoveType.PROCESS_LINE, (3, -4), start=(0, -4))
    buried = position(
        """
        a a a a . .
        . . . . a .
        . 2211 . 21
        """
    )
    slide, whole = MoveType.RECOVERY_SLIDE, RecoveryMode.LINE_ALL
    return [
        (buried, move(buried, slide, (4, 0), start=(4, 1), target=(1, 2), extra=whole)),
        (
            lines,
            move(lines, MoveType.CHOOSE_LINE_OPTION, (4, 0), start=(0, 0), target=(1, 0), extra=2),
        ),
        (hexes, move(hexes, MoveType.PROCESS_LINE, (3, -4), start=(0, -4))),
        (owing, move(owing, MoveType.ELIMINATE_RINGS_FROM_STACK, (-4, 4))),
    ]


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (
            0,
            {
                "type": "recovery_slide",
                "player": 1,
                "from": {"x": 4, "y": 1},
                "to": {"x": 4, "y": 0},
                "recoveryMode": "line",
                "recoveryOption": 1,
                "collapsePositions": [{"x": x, "y": 0} for x in range(5)],
                "extractionStacks": ["1,2"],
            },
        ),
        (
            1,
            {
                "type": "choose_line_option",
                "player": 1,
                "to": {"x": 0, "y": 0},
                "formedLines": [
                    {
                        "positions": [{"x": x, "y": 0} for x in range(5)],
                        "player": 1,
                        "length": 5,
                        "direction": {"x": 1, "y": 0},
                    }
                ],
                "collapsedMarkers": [{"x": x, "y": 0} for x in (1, 2, 3, 4)],
            },
        ),
        (
            2,
            {
                "type": "process_line",
                "player": 1,
                "to": {"x": 0, "y": -4, "z": 4},
                "formedLines": [
                    {
                        "positions": [{"x": x, "y": -4, "z": 4 - x} for x in range(4)],
                        "player": 1,
                        "length": 4,
                        "direction": {"x": 1, "y": 0, "z": -1},
                    }
                ],
            },
        ),
        (
            3,
            {
                "type": "eliminate_rings_from_stack",
                "player": 1,
                "to": {"x": -4, "y": 4, "z": 0},
                "eliminatedRings": [{"player": 1, "count": 1}],
                "eliminationContext": "line",
            },
        ),
    ],
)
def test_a_move_is_written_in_the_published_shape(index: int, expected: object) -> None:
    state, chosen = one_of_each()[index]
    assert write_move(state, chosen) == expected
    assert read_move(state, expected) == chosen


# Whatever is read, the answer is a value or a `NotationError`


@settings(deadline=None)
@given(anything)
def test_any_json_is_read_or_refused_by_name(value: object) -> None:
    for read in (read_state, functools.partial(read_move, position("1 . a . 21"))):
        with contextlib.suppress(NotationError):
            read(value)


@settings(deadline=None)
@given(st.data())
def test_a_position_with_anything_in_one_place_is_read_or_refused_by_name(
    data: st.DataObject,
) -> None:
    state, _ = data.draw(st.sampled_from(one_of_each()))
    value = write_state(state)
    edit = data.draw(edits_of(value))
    with contextlib.suppress(NotationError):
        read_state(edit(value))


@settings(deadline=None)
@given(st.data())
def test_a_move_with_anything_in_one_place_is_read_or_refused_by_name(data: st.DataObject) -> None:
    state, chosen = data.draw(st.sampled_from(one_of_each()))
    value = write_move(state, chosen)
    edit = data.draw(edits_of(value))
    with contextlib.suppress(NotationError):
        read_move(state, edit(value))


def test_what_is_nested_too_deeply_is_shown_in_part() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(NotationError, match=r"^board is \[\[\[\[\[\.\.\.\]+; expected an object$"):
        read_state({"board": value})
    with pytest.raises(NotationError, match="expected one of place_ring"):
        read_move(position("1"), {"type": value})
