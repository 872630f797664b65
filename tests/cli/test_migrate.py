"""`etl migrate`: shows, and writes only when it is asked to."""

import shutil
from pathlib import Path

import pytest

from tests.tiny_project import TinyProject

from .conftest import Etl

FOREIGN = Path(__file__).parents[1] / "fixtures" / "foreign"


@pytest.fixture
def file(project: TinyProject) -> Path:
    folder = project.root / "tenants" / "shop"
    folder.mkdir()
    return Path(shutil.copy(FOREIGN / "pipelinewise.yaml", folder / "config.yaml"))


def test_nothing_is_written_unless_it_is_asked_for(etl: Etl, file: Path) -> None:
    before = file.read_text()
    said = etl("migrate", str(file))
    assert said.code == 0, said.out + said.err
    assert file.read_text() == before
    assert "the result loads" in said.out
    assert "nothing was written" in said.out
    assert "-db_conn:" in said.out
    assert "+source_database:" in said.out
    assert "line 6" in said.out
    assert "hunter22" not in said.out + said.err


def test_what_was_written_loads(etl: Etl, file: Path) -> None:
    assert etl("migrate", str(file), "--write").code == 0
    assert "source_database:" in file.read_text()
    assert "hunter22" not in file.read_text()
    again = etl("migrate", str(file))
    assert again.code == 0
    assert "there is nothing to rewrite" in again.out


def test_another_place_can_be_named_and_the_original_stays(etl: Etl, file: Path, project: TinyProject) -> None:
    before = file.read_text()
    target = project.root / "tenants" / "new_shop" / "config.yaml"
    said = etl("migrate", str(file), "--tenant", "new_shop", "--output", str(target), "--write")
    assert said.code == 0, said.out + said.err
    assert file.read_text() == before
    assert "id: new_shop" in target.read_text()


def test_a_result_that_does_not_load_says_why_and_is_no_success(etl: Etl, file: Path) -> None:
    file.write_text(file.read_text() + "alien: 1\n")
    said = etl("migrate", str(file))
    assert said.code == 1
    assert "the result does not load yet: 1 problem" in said.out
    assert "unknown key `alien`" in said.out
    assert "alien  no key of this name is known" in said.out


@pytest.mark.parametrize("content", [None, "- a\n", "\xff"])
def test_a_file_that_cannot_be_read_is_wrong_usage(etl: Etl, file: Path, content: str | None) -> None:
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content.encode("latin-1"))
    assert etl("migrate", str(file)).code == 2
