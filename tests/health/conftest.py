"""The tiny project."""

from pathlib import Path

import pytest

from tests.tiny_project import TinyProject, make_project


@pytest.fixture
def project(tmp_path: Path) -> TinyProject:
    return make_project(tmp_path)
