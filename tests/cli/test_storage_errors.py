"""A storage that cannot be read is told with its place and a remedy, not as a trace."""

import pytest
import sqlalchemy

from etl.cli.home import opened_instance
from etl.errors import NothingExamined
from etl.settings import load_settings
from tests.tiny_project import TinyProject, make_project

from .conftest import Etl


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


@pytest.mark.parametrize("words", [("verify", "acme"), ("explain", "acme/orders"), ("quarantine", "list")])
def test_a_lake_that_is_a_file_is_named_and_nothing_is_known(etl: Etl, project: TinyProject, words: tuple[str]) -> None:
    (project.data / "lake").write_text("no folder")
    said = etl(*words)
    assert said.code == 3, said
    assert f"the lake {project.data / 'lake'} cannot be read: Not a directory" in " ".join(
        (said.out + said.err).split()
    )
