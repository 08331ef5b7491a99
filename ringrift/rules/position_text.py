"""Positions as one line of text, to be read and typed. `docs/notation.md` has the grammar.

    square8_2p 8/2[112]a4/8/4A3/8/8/8/8 1 movement hand=14,17 eliminated=0,1

Config, board, player to move and phase come first; then, in any order, what has a name. A name that
is missing has its default, so that a position can be typed for its board alone.
"""

import re
from collections.abc import Callable, Sequence

from ringrift.rules.config import Config, RuleSet
from ringrift.rules.errors import wrong
from ringrift.rules.geometry import Board
from ringrift.rules.json_fields import read_int, read_word
from ringrift.rules.moves import no_cell
from ringrift.rules.notation import cell_text, parse_cell
from ringrift.rules.position_check import checked, outcome_of, turns_read_max
from ringrift.rules.state import Owed, Phase, Reason, State, rings_max
from ringrift.rules.turn import default_rules, initial_state

position_characters_max = 16_384

_markers, _collapsed = "abcd", "ABCD"
_flags = ("recovered", "changed", "swapped")
_word = re.compile(r"(?P<empty>[1-9][0-9]?)|(?P<owned>[a-dA-D])|\[(?P<rings>[1-4]+)\]")


def position_text(state: State) -> str:
    """Return a position as one line of words separated by blanks."""
    words = [state.variant.config.name, _board_text(state), str(state.player), state.phase.value]
    named = ((name, write(state)) for name, (write, _) in _named.items())
    return " ".join(words + [f"{name}={text}" for name, text in named if text])


def parse_position(text: str, rules: RuleSet = default_rules) -> State:
    """Read a position; with the rule set of the one that was written, an equal one.

    Raises `NotationError`. Whether play can lead to the position is not asked, but `checked` must
    find that it can be played on.
    """
    if len(text) > position_characters_max:
        raise wrong(
            "the length of the position", len(text), f"up to {position_characters_max} characters"
        )
    words = text.split()
    if len(words) < 4:
        expected = "config, board, player and phase, such as 'square8_2p 8/2[11] 1 movement'"
        raise wrong("position", text, expected)
    config = Config.parse(words[0])
    state = initial_state(config, rules)
    _read_board(state, words[1])
    _read_start(state, words[2], words[3])
    _read_named(state, words[4:])
    return checked(state)


# The board


def _rows(board: Board) -> list[list[int]]:
    """Return the cells by rows, ascending with y, and in a row with x."""
    rows: dict[int, list[int]] = {}
    for cell in board.cells:
        rows.setdefault(cell % board.height, []).append(cell)
    return [rows[row] for row in sorted(rows)]


def _board_text(state: State) -> str:
    return "/".join(_row_text(state, row) for row in _rows(state.variant.board))


def _row_text(state: State, row: Sequence[int]) -> str:
    words = (_cell_word(state, cell) for cell in row)
    return re.sub(r"\.+", lambda run: str(len(run.group())), "".join(words))


def _cell_word(state: State, cell: int) -> str:
    if cell in state.stacks:
        return f"[{''.join(map(str, state.stacks[cell]))}]"
    for seat in state.variant.seats:
        if state.markers[seat] >> cell & 1:
            return _markers[seat - 1]
        if state.territory[seat] >> cell & 1:
            return _collapsed[seat - 1]
    return "."


def _read_board(state: State, text: str) -> None:
    rows, parts = _rows(state.variant.board), text.split("/")
    if len(parts) > len(rows):
        raise wrong("the number of rows", len(parts), f"up to {len(rows)}, divided by /")
    for number, (row, part) in enumerate(zip(rows, parts, strict=False), start=1):
        _read_row(state, row, part, f"row {number}")


def _read_row(state: State, row: Sequence[int], text: str, name: str) -> None:
    at = index = 0
    while at < len(text):
        found = _word.match(text, at)
        if found is None:
            expected = "numbers of empty cells, a to d, A to D, and stacks such as [112]"
            raise wrong(name, text[at:], expected)
        at = found.end()
        empty = int(found["empty"] or 0)
        if index + (empty or 1) > len(row):
            raise wrong(name, text, f"up to {len(row)} cells")
        if not empty:
            _read_cell(state, row[index], found, name)
        index += empty or 1


def _read_cell(state: State, cell: int, found: re.Match[str], name: str) -> None:
    players = state.variant.config.players
    if found["rings"]:
        rings = bytes(map(int, found["rings"]))
        read_int(max(rings), f"{name}: a ring's owner", 1, players)
        read_int(len(rings), f"{name}: the height of a stack", 1, rings_max)
        state.put_new_rings(cell, rings)
        return
    letter = found["owned"]
    owner = (_markers + _collapsed).index(letter) % len(_markers) + 1
    read_int(owner, f"{name}: the owner of {letter}", 1, players)
    if letter in _markers:
        state.put_markers(1 << cell, owner)
    else:
        state.put_territory(1 << cell, owner)


# The player to move, and what has a name


def _read_start(state: State, player: str, phase: str) -> None:
    """Read player and phase; set the defaults that are not those of a game's first position."""
    state.player = _number("player", player, 1, state.variant.config.players)
    state.phase = Phase(read_word(phase, "phase", Phase))
    state.streak = [0] * len(state.streak)
    for seat in state.variant.seats:
        state.hand[seat] = max(0, state.variant.rings - state.on_board[seat])


def _read_named(state: State, words: Sequence[str]) -> None:
    seen = set()
    for word in words:
        name, equals, text = word.partition("=")
        if name not in _named or not equals:
            raise wrong("a field", word, f"name=value, with one of {', '.join(_named)}")
        if name in seen:
            raise wrong(name, text, "to be given once")
        seen.add(name)
        _, read = _named[name]
        read(state, text)


def _number(name: str, text: str, low: int, high: int) -> int:
    value = int(text) if re.fullmatch("-?[0-9]{1,9}", text) else text
    return read_int(value, name, low, high)


def _numbers(state: State, name: str, text: str, low: int, high: int) -> list[int]:
    """Read a number for each seat, seat 1 first, into a list with an entry 0 before them."""
    parts, players = text.split(","), state.variant.config.players
    if len(parts) != players:
        raise wrong(name, text, f"{players} numbers, divided by commas")
    return [0, *(_number(name, part, low, high) for part in parts)]


def _listed(numbers: Sequence[object]) -> str:
    return ",".join(map(str, numbers))


def _listed_unless_zero(by_seat: Sequence[int]) -> str:
    return _listed(by_seat[1:]) if any(by_seat) else ""


def _read_hand(state: State, text: str) -> None:
    state.hand = _numbers(state, "hand", text, 0, rings_max)


def _read_eliminated(state: State, text: str) -> None:
    state.eliminated = _numbers(state, "eliminated", text, 0, rings_max)


def _read_turn(state: State, text: str) -> None:
    state.turn = _number("turn", text, 0, turns_read_max)


def _write_mover(state: State) -> str:
    return "" if state.mover == no_cell else cell_text(state.variant.board, state.mover)


def _read_mover(state: State, text: str) -> None:
    cell = parse_cell(state.variant.board, text, "mover")
    if not state.controlled[state.player] >> cell & 1:
        raise wrong("mover", text, f"a stack of player {state.player}")
    state.mover = cell


def _write_owed(state: State) -> str:
    return "" if state.owed is Owed.NOTHING else state.owed.value


def _read_owed(state: State, text: str) -> None:
    state.owed = Owed(read_word(text, "owed", (owed.value for owed in Owed)))


def _write_flags(state: State) -> str:
    held = (state.recovered, state.changed, state.swapped)
    return _listed([flag for flag, holds in zip(_flags, held, strict=True) if holds])


def _read_flags(state: State, text: str) -> None:
    given = [read_word(flag, "flags", _flags) for flag in text.split(",")]
    state.recovered, state.changed, state.swapped = (flag in given for flag in _flags)


def _read_streaks(state: State, text: str) -> None:
    state.streak = _numbers(state, "streaks", text, -turns_read_max, turns_read_max)


def _read_lost(state: State, text: str) -> None:
    state.lost_turn = _numbers(state, "lost", text, 0, turns_read_max)


def _read_last(state: State, text: str) -> None:
    state.last_actor = _number("last", text, 0, state.variant.config.players)


def _write_result(state: State) -> str:
    result = state.result
    return "" if result is None else _listed([result.reason.value, *result.ranking])


def _read_result(state: State, text: str) -> None:
    reason, _, ranks = text.partition(",")
    _, *ranking = _numbers(state, "result", ranks, 1, state.variant.config.players)
    state.result = outcome_of(ranking, Reason(read_word(reason, "result", Reason)), "result")


_named: dict[str, tuple[Callable[[State], str], Callable[[State, str], None]]] = {
    "hand": (lambda state: _listed(state.hand[1:]), _read_hand),
    "eliminated": (lambda state: _listed(state.eliminated[1:]), _read_eliminated),
    "turn": (lambda state: "" if state.turn == 1 else str(state.turn), _read_turn),
    "mover": (_write_mover, _read_mover),
    "owed": (_write_owed, _read_owed),
    "flags": (_write_flags, _read_flags),
    "streaks": (lambda state: _listed_unless_zero(state.streak), _read_streaks),
    "lost": (lambda state: _listed_unless_zero(state.lost_turn), _read_lost),
    "last": (lambda state: str(state.last_actor or ""), _read_last),
    "result": (_write_result, _read_result),
}
"""How each named field is written, as nothing where it has its default, and read."""
