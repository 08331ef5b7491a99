"""ringrift-agent: boxes that play, keep and share RingRift games by themselves."""

__all__ = ["__version__"]

__version__ = "0.1.0"
