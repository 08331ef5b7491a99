"""The node's record store, and the manager that vouches for what the node puts in."""

from managers.state.manager import StateManager as StateManager
