"""The tiny project, its unit tests, and the command that runs them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import etl, project
from tests.tiny_project import TinyProject

__all__ = ["etl", "project"]

Write = Callable[..., Path]


@pytest.fixture
def write(project: TinyProject) -> Write:
    """Write the text below `unit_tests:` to a file of the pipeline `orders`."""

    def write(text: str, name: str = "cases.yaml", pipeline: str = "orders") -> Path:
        folder = project.root / "tenants" / "acme" / "tests" / pipeline
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
