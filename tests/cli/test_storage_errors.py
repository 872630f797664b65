"""An error of Dagster's own database is told with its place and a remedy, not as a trace."""

import pytest
import sqlalchemy

from etl.cli.home import opened_instance
from etl.errors import NothingExamined
from etl.settings import load_settings
from tests.tiny_project import TinyProject, make_project


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    made = make_project(tmp_path_factory.mktemp("project"))
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made


def test_a_database_that_fails_is_named_with_its_folder(project: TinyProject) -> None:
    with (
        pytest.raises(NothingExamined, match=f"Dagster's storage.*{project.data / 'dagster'}.*no such table") as told,
        opened_instance(load_settings()),
        sqlalchemy.create_engine("sqlite://").connect() as connection,
    ):
        connection.execute(sqlalchemy.text("SELECT * FROM runs"))
    assert "disk is full" in told.value.hint
