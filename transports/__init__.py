"""How bytes move between nodes."""
