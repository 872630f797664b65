"""The tiny project with a file of quotas, and a clock that the test sets."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

import etl.pipeline.room
from tests.pipeline.conftest import project
from tests.tiny_project import TinyProject

__all__ = ["project"]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    def set_to(moment: datetime) -> None:
        monkeypatch.setattr(etl.pipeline.room, "now", lambda: moment)

    set_to(NOON)
    return set_to


def write_quotas(project: TinyProject, text: str) -> None:
    (project.root / "tenants" / "quotas.yaml").write_text(text, encoding="utf-8")
