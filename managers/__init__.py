"""Who does the work on a node, one manager to a module."""
