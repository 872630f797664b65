"""A project to attack, and the commands as a person types them, each a process of its own."""

from pathlib import Path

import pytest

from tests.attack.target import Target
from tests.tiny_project import make_project


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """The tiny project: the tenant `acme`, one pipeline of three days from SQLite, into DuckDB."""
    return Target(make_project(tmp_path))
