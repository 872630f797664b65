"""What strangers found at the command line: pipelines left out without a word, a file whose link and mode were lost."""

from pathlib import Path

import duckdb
import pytest

from tests.cli.conftest import Etl, etl, project  # noqa: F401  the command, in this process, on the tiny project
from tests.tiny_project import DAYS, TinyProject


def test_a_run_names_the_pipelines_that_have_no_such_partition(etl: Etl, project: TinyProject) -> None:  # noqa: F811
    early = {"source_table": "orders", "date_column": "created_at", "save_to_trino": False}
    early |= {"partitions": {"start": DAYS[0], "end": DAYS[0], "timezone": "Asia/Seoul"}}
    project.write_tenant({"assets": {"pipelines": {"early": early}}})
    said = etl("run", "acme")
    assert said.code == 0, said
    words = " ".join((said.out + said.err).split())
    assert f"not in this run: early, its days go from {DAYS[0]} to {DAYS[0]}" in words
    assert "orders: done" in words


@pytest.mark.parametrize("linked", [True, False])
def test_a_file_that_is_written_again_keeps_its_place_and_who_may_read_it(
    etl: Etl,  # noqa: F811
    project: TinyProject,  # noqa: F811
    tmp_path: Path,
    linked: bool,
) -> None:
    file = project.data / "warehouse" / "acme.duckdb"
    file.parent.mkdir(parents=True)
    place = tmp_path / "other_disk.duckdb" if linked else file
    with duckdb.connect(str(place)) as database:
        database.execute("CREATE TABLE kept AS SELECT range AS n FROM range(10)")
    place.chmod(0o600)
    if linked:
        file.symlink_to(place)
    said = etl("maintain", "acme", "--rewrite")
    assert "wrote the file again" in said.out, said
    assert file.is_symlink() is linked
    assert place.stat().st_mode & 0o777 == 0o600
    with duckdb.connect(str(file), read_only=True) as database:
        assert database.execute("SELECT count(*) FROM kept").fetchall() == [(10,)]
