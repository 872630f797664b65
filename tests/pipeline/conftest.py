"""The tiny project, with this process looking at it."""

from pathlib import Path

import pytest

from tests.servers.object_store import bucket, object_store
from tests.tiny_project import TinyProject, make_project

__all__ = ["bucket", "object_store", "project"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    made = make_project(tmp_path)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made
