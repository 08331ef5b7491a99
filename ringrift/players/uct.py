"""The player that searches: plain UCT, for two to four players.

UCT is Kocsis and Szepesvari's ("Bandit based Monte-Carlo Planning", ECML 2006): a tree grows by a
node at a time, at the end of a path on which every choice went to the child with the highest upper
confidence bound. Values are vectors, an entry for each player, and every choice is made for the
player whose it is, as in max^n (Luckhardt and Irani, AAAI 1986); so it does not matter whose turn
follows. Games are too long to play out: what a leaf is worth, the evaluation says. Nodes widen with
their visits (Coulom, "Computing Elo Ratings of Move Patterns in the Game of Go", 2007).
"""

import math
import random

from ringrift.players.evaluation import chances, leads_after
from ringrift.rules import Move, State, apply, legal_moves

budget_default = 200
budget_max = 999_999

_exploration = 0.3
"""The weight of a bound's second term, as a part of the range of the children's values: a move
counts for ten times less on a large board than on a small one."""
_widening = 1.0
"""A node visited n times has up to this times the square root of n children, rounded up."""


class UctPlayer:
    """Named `uct`, or `uct_N` for a budget of N: makes the move that its search visits most.

    The budget is how often the root's children are visited before a decision: a limit of the nodes
    made for it. Visits from the player's earlier searches of this game count, and spare the work.
    """

    def __init__(self, budget: int = budget_default) -> None:
        """Raise `ValueError` unless the budget lies between 1 and `budget_max`."""
        if not 1 <= budget <= budget_max:
            raise ValueError(f"budget is {budget}; expected 1 to {budget_max}")
        self._budget = budget
        self._kept: Node | None = None

    def choose(self, state: State, rng: random.Random) -> Move:
        """Return the move visited most; the only one at once."""
        moves = legal_moves(state)
        if len(moves) == 1:
            return moves[0]
        root = (self._kept and self._kept.find(state)) or Node(state)
        while root.visits <= self._budget:
            root.grow(rng)
        move = root.most_visited()
        self._kept = root.children[move]
        return move


class Node:
    """A position in which a player has a choice, or in which the game is over."""

    __slots__ = ("_untried", "children", "state", "totals", "visits")

    def __init__(self, state: State) -> None:
        """Start from a position, or from where its forced moves lead."""
        moves = legal_moves(state)
        while len(moves) == 1:
            state = apply(state, moves[0])
            moves = legal_moves(state)
        self.state = state
        self.visits = 0
        self.totals = [0.0] * len(state.variant.seats)
        """Each player's sum of values over all visits, seat 1 first."""
        self.children: dict[Move, Node] = {}
        self._untried: list[Move] | None = None

    def grow(self, rng: random.Random) -> None:
        """Add the node at the end of the most promising path, and count its value all along it."""
        path = [self]
        while path[-1].visits and (child := path[-1].descend(rng)):
            path.append(child)
        values = chances(path[-1].state)
        for node in path:
            node.visits += 1
            for index, value in enumerate(values):
                node.totals[index] += value

    def most_visited(self) -> Move:
        """Return the move of the child most visited; among equals, of the one worth most."""
        seat = self.state.player
        return max(
            self.children,
            key=lambda move: (self.children[move].visits, self.children[move].value(seat)),
        )

    def value(self, seat: int) -> float:
        """Return the mean of a player's values over all visits, of which there is one at least."""
        return self.totals[seat - 1] / self.visits

    def find(self, state: State) -> "Node | None":
        """Return the node of a position, here or below, if there is one."""
        open_nodes = [self]
        while open_nodes:
            node = open_nodes.pop()
            if node.state == state:
                return node
            if node.state.turn <= state.turn:
                open_nodes += node.children.values()
        return None

    def descend(self, rng: random.Random) -> "Node | None":
        """Return a new child while this node may widen, or else the best; none at a game's end."""
        if self._untried is None:
            self._untried = _ranked(self.state, rng)
        if self._untried and len(self.children) < _widening * math.sqrt(self.visits):
            move = self._untried.pop()
            self.children[move] = Node(apply(self.state, move))
            return self.children[move]
        return self._best()

    def _best(self) -> "Node | None":
        """Return the child with the highest upper confidence bound for the player to move."""
        seat, children = self.state.player, list(self.children.values())
        if not children:
            return None
        values = [child.value(seat) for child in children]
        width = _exploration * (max(values) - min(values)) * math.sqrt(math.log(self.visits))
        bounds = [
            value + width / math.sqrt(child.visits)
            for value, child in zip(values, children, strict=True)
        ]
        return children[bounds.index(max(bounds))]


def _ranked(state: State, rng: random.Random) -> list[Move]:
    """Return the legal moves, those that `greedy` likes best last and equals in random order."""
    moves = list(legal_moves(state))
    rng.shuffle(moves)
    leads = dict(zip(moves, leads_after(state, moves), strict=True))
    return sorted(moves, key=leads.__getitem__)
