"""ringrift-agent: boxes that play, keep and share RingRift games by themselves."""

__version__ = "0.1.0"
