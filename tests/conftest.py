"""Fixtures shared by every test."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on trio, as the agent does."""
    return "trio"
