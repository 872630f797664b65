"""What people are shown of a file never stops the stage that made it."""

import polars as pl
import pytest

from etl.config import load_tenant
from etl.pipeline import stage
from etl.pipeline.stage import sample_of
from etl.running.metadata import stage_metadata
from etl.settings import load_settings
from tests.pipeline.stages import run_stage
from tests.tiny_project import TinyProject


def test_rows_that_python_has_no_value_for_are_a_note(project: TinyProject) -> None:
    pipeline = load_tenant("acme", load_settings(project.environ)).pipelines["orders"]
    far = pl.LazyFrame({"n": [1]}).with_columns(d=pl.lit(9_000_000, dtype=pl.Int32).cast(pl.Date))
    found = sample_of(far, pipeline)
    assert found.columns == (("n", "Int64"), ("d", "Date"))
    assert found.preview == ()
    assert found.note.startswith("the first rows cannot be shown")


def test_a_note_stands_where_the_rows_would(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException("a fault of a library")

    monkeypatch.setattr(stage, "preview_rows", broken)
    result = run_stage(project, "extract")
    assert result.rows == 20
    assert "cannot be shown: PanicException" in str(stage_metadata(result)["preview"].value)


def test_the_comments_of_the_database_are_the_descriptions_of_the_columns(project: TinyProject) -> None:
    result = run_stage(project, "extract").model_copy(update={"comments": {"amount": "in EUR"}})
    columns = stage_metadata(result)["dagster/column_schema"].value.columns
    assert {each.name: each.description for each in columns} == {
        "order_id": None, "name": None, "amount": "in EUR", "created_at": None,
    }  # fmt: skip
