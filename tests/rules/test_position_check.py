"""A position that is read can be played on, and what play makes of it can be read again."""

import random
import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ringrift.rules import (
    Config,
    Move,
    MoveType,
    Phase,
    RuleSet,
    State,
    apply,
    configs,
    legal_moves,
    outcome,
)
from ringrift.rules.errors import NotationError
from ringrift.rules.geometry import bits
from ringrift.rules.json_state import read_state, write_state
from ringrift.rules.notation import cell_text
from ringrift.rules.position_text import parse_position, position_text
from ringrift.rules.state import rings_max, turns_max
from tests.rules.boards import position
from tests.rules.json_values import Edit, put
from tests.rules.walks import opening, walk

to_the_end = RuleSet(elimination_threshold=rings_max)


def reads_back(state: State) -> bool:
    """Return whether both readers take a position and find it as it was."""
    rules = state.variant.rules
    return parse_position(position_text(state), rules) == state == read_state(write_state(state))


# What is refused

pair = "square8_2p 8/2[11]3[2] 1"
apart = "square8_2p 8/2[1]/5[2] 1"
near = "square8_2p 8/2[11][2] 1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *[
            (f"{near} {phase} mover=c2", f"mover is .2, 1.; expected none in phase {phase}")
            for phase in ("ring_placement", "line_processing", "territory_processing")
        ],
        (f"{pair} forced_elimination mover=c2", "mover is .2, 1.; expected none in phase forced"),
        (
            f"{near} game_over mover=c2 result=timeout,1,2",
            "mover is .* expected none in phase game",
        ),
        ("square8_2p [1]A/AA 1 movement mover=a1", "mover is .0, 0.; expected a stack that can m"),
        (
            "square8_2p 8 1 chain_capture",
            "phase is 'chain_capture'; expected one in which player 1",
        ),
        (f"{apart} chain_capture", "phase is 'chain_capture'; expected one in which player 1"),
        (f"{apart} chain_capture mover=c2", "phase is 'chain_capture'; expected one in which"),
        (
            "square8_2p 8 2 forced_elimination",
            "phase is 'forced_.*; expected one in which player 2",
        ),
        ("square8_2p 8 1 line_processing owed=line", "phase is 'line_processing'; expected one in"),
        (
            "square8_2p 8 1 territory_processing owed=territory",
            "phase is 'territory.*; expected on",
        ),
        (
            f"{apart} territory_processing owed=territory flags=recovered",
            "phase is 'territory_processing'; expected one in which player 1 has a move",
        ),
        *[
            (f"{near} {phase} owed={owed}", f"owed is '{owed}'; expected nothing, or phase {owed}_")
            for owed in ("line", "territory")
            for phase in (*Phase,)
            if phase not in (f"{owed}_processing", "game_over")
        ],
        (
            f"{pair} movement hand=500,400 eliminated=0,98",
            "the number of rings is 1001; expected up to 1000 on the board, in hand and eliminated",
        ),
    ],
)
def test_a_typed_position_that_cannot_be_played_on_is_refused(text: str, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        parse_position(text)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (put("currentPhase", value="chain_capture"), "phase is 'chain_capture'; expected one in w"),
        (put("turn", "owed", value="line"), "owed is 'line'; expected nothing, or phase line_pro"),
        (put("players", 0, "eliminatedRings", value=998), "the number of rings is 1001; expected"),
        (put("mustMoveFromStackKey", value="0,0"), "mover is .0, 0.; expected a stack that can m"),
    ],
)
def test_json_that_cannot_be_played_on_is_refused(edit: Edit, message: str) -> None:
    value: Any = write_state(position("1 A 2\nA A 2"))
    with pytest.raises(NotationError, match=message):
        read_state(edit(value))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (put("winner", value=2), "turn.result.winner is 2; expected 1, who is ranked 1"),
        (put("winner", value=True), "turn.result.winner is True; expected a number from 1 to 2"),
        (put("ranking", value=[2, 2]), r"turn.result.ranking is \[2, 2\]; .* just one of them 1"),
        (put("ranking", value=[1, 1]), r"turn.result.ranking is \[1, 1\]; .* just one of them 1"),
        (put("ranking", value=[1, 3]), r"turn.result.ranking is 3; expected a number from 1 to 2"),
    ],
)
def test_a_result_in_which_winner_and_ranking_disagree_is_refused(edit: Edit, message: str) -> None:
    value: Any = write_state(apply(position("1 . 2", player=2), Move(MoveType.RESIGN)))
    assert value["turn"]["result"] == {"winner": 1, "reason": "resignation", "ranking": [1, 2]}
    edit(value["turn"]["result"])
    with pytest.raises(NotationError, match=message):
        read_state(value)


# What is read


@pytest.mark.parametrize(
    "text",
    [
        "square8_2p 8/2[11]2[2][1] 1 forced_elimination hand=0,0 eliminated=996,0",
        "square8_2p [11]6[2] 1 forced_elimination hand=0,0 eliminated=0,997",
        f"square8_2p [11]6[2] 1 forced_elimination turn={turns_max}",
        f"square8_2p 8 1 territory_processing turn={turns_max} streaks=0,{turns_max}",
        f"square8_2p [12] 1 territory_processing hand=9,0 flags=changed streaks=0,-{turns_max}",
    ],
)
def test_numbers_at_their_limits_leave_room_for_what_play_adds(text: str) -> None:
    state = parse_position(text, to_the_end)
    (move, *_) = legal_moves(state)
    after = apply(state, move)
    assert state.turn < after.turn or state.eliminated != after.eliminated
    assert reads_back(state)
    assert reads_back(after)


def test_a_game_that_ended_while_an_elimination_was_owed_reads_back() -> None:
    state = parse_position("square8_2p [11]6[2] 1 line_processing owed=line")
    for kind in (MoveType.RESIGN, MoveType.TIMEOUT):
        assert reads_back(apply(state, Move(kind)))


_cells = (".", "a", "b", "A", "B", "[1]", "[2]", "[12]", "[21]", "[1122]", "[2211]")
_owing = {"line_processing": "owed=line", "territory_processing": "owed=territory"}


def by_seat(players: int, numbers: st.SearchStrategy[int]) -> st.SearchStrategy[str]:
    """Return lists of a number for each player, as they are typed."""
    several = st.lists(numbers, min_size=players, max_size=players)
    return several.map(lambda found: ",".join(map(str, found)))


@st.composite
def typed(draw: st.DrawFn) -> str:
    """Return positions with few pieces, most of which can be read, in any phase."""
    config = draw(st.sampled_from([c for c in configs if c.board in ("square8", "hex8")]))
    cells = st.sampled_from(_cells)
    rows = draw(st.lists(st.lists(cells, min_size=1, max_size=5), min_size=1, max_size=6))
    board = "/".join("".join(row) for row in rows)
    phase = draw(st.sampled_from([phase.value for phase in Phase if phase != Phase.GAME_OVER]))
    seats, near_limit = config.players, turns_max - 3
    named = {
        "hand": by_seat(seats, st.sampled_from((0, 0, 1, 9, 30))),
        "eliminated": by_seat(seats, st.sampled_from((0, 0, 0, 0, 3, 11, 950))),
        "turn": st.sampled_from((0, 2, turns_max)).map(str),
        "flags": st.sampled_from(("recovered", "changed", "recovered,changed,swapped")),
        "streaks": by_seat(seats, st.sampled_from((0, -3, 3, near_limit, -near_limit))),
        "lost": by_seat(seats, st.sampled_from((0, 1, turns_max))),
        "last": st.integers(0, seats).map(str),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(named))))
    words = [f"{name}={draw(named[name])}" for name in sorted(chosen)]
    if phase in _owing and draw(st.booleans()):
        words.append(_owing[phase])
    board = re.sub(r"\.+", lambda run: str(len(run.group())), board)
    return " ".join([config.name, board, str(draw(st.integers(1, 2))), phase, *words])


@given(typed(), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_whatever_is_read_is_played_on_and_each_position_on_the_way_reads_back(
    text: str, forced: bool, rng: random.Random
) -> None:
    rules = rng.choice((RuleSet(), to_the_end))
    try:
        state = parse_position(text, rules)
        movable = [
            cell_text(state.variant.board, at) for at in bits(state.controlled[state.player])
        ]
        if forced and movable:
            state = parse_position(f"{text} mover={rng.choice(movable)}", rules)
    except NotationError:
        assume(False)
    assert legal_moves(state)
    assert reads_back(state)
    assert reads_back(apply(state, Move(MoveType.RESIGN)))
    for _, _, after in walk(state, rng, 15):
        assert legal_moves(after) or outcome(after)
        assert reads_back(after)


@pytest.mark.parametrize("board_name", ["square8", "hex8"])
@pytest.mark.parametrize("players", [2, 3, 4])
def test_in_as_many_turns_as_there_are_players_a_count_grows_that_has_an_end(
    board_name: str, players: int
) -> None:
    rng = random.Random(players)
    for _ in range(20):
        counts: list[int] = []
        for before, _, after in walk(opening(Config(board_name, players), rng), rng):
            if after.turn > before.turn:
                grown = 2 * after.collapsed.bit_count() + after.marked.bit_count()
                counts.append(grown + sum(after.eliminated))
        assert all(now < later for now, later in zip(counts, counts[players:], strict=False))
