"""`etl rules`: the list, one page, and suggestions that hold."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
import yaml
from typer.testing import CliRunner

from etl.cli.rules import rules
from etl.errors import NothingExamined, QualityError
from etl.quality import check
from etl.quality.rules import RULE_TYPES

app = typer.Typer()
app.command("rules")(rules)
app.command("other")(lambda: None)


def run(*arguments: str) -> Any:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["rules", *arguments])


def test_the_list_names_every_rule() -> None:
    shown = run().output
    assert all(kind in shown for kind in RULE_TYPES)


def test_one_rule_is_shown_with_its_arguments_and_an_example() -> None:
    shown = run("in_range").output
    assert "max_inclusive" in shown
    assert "{column: qty, type: in_range, min: 0, max: 150}" in shown


@pytest.mark.parametrize("engine", ["polars", "truthound"])
@pytest.mark.parametrize("strictness", ["strict", "moderate", "lenient"])
def test_suggestions_are_yaml_and_hold_on_their_file(tmp_path: Path, engine: str, strictness: str) -> None:
    frame = pl.DataFrame({"id": range(40), "no": ["yes: {x}", "n"] * 20, "f": [0.5, None] * 20}).with_columns(
        day=pl.date(2026, 1, 1), price=pl.col("id").cast(pl.Decimal(12, 2))
    )
    frame.write_parquet(tmp_path / "orders.parquet")
    done = run("suggest", str(tmp_path / "orders.parquet"), "--engine", engine, "--strictness", strictness)
    assert done.exit_code == 0, done.output
    learnt = yaml.safe_load(done.output)["quality"]["rules"]
    assert {"column": "id", "type": "not_null"} in learnt
    assert check(frame, learnt, engine="polars").is_success


def test_wrong_use_is_explained(tmp_path: Path) -> None:
    assert isinstance(run("suggest").exception, QualityError)
    assert "did you mean `unique`" in str(run("uniqe").exception)
    assert "there is no file" in str(run("suggest", str(tmp_path / "no.parquet")).exception)
    assert "strictness" in str(run("suggest", "x.parquet", "--strictness", "moderat").exception)
    assert "takes no file" in str(run("unique", "x.parquet").exception)
    assert "takes 2 files" in str(run("drift", "x.parquet").exception)


def test_drift_between_two_files_has_an_exit_code(tmp_path: Path) -> None:
    frame = pl.DataFrame({"n": range(200), "kind": ["a", "b"] * 100, "gone": [None] * 200}).with_columns(
        pl.col("gone").cast(pl.Int64)
    )
    frame.write_parquet(tmp_path / "before.parquet")
    frame.with_columns(pl.col("n") + 1000).write_parquet(tmp_path / "other.parquet")
    frame.drop("gone").write_parquet(tmp_path / "whole.parquet")
    before, other, whole = (str(tmp_path / f"{name}.parquet") for name in ("before", "other", "whole"))
    moved = run("drift", before, other)
    assert moved.exit_code == 1
    assert "drifted" in moved.output
    assert run("drift", whole, whole).exit_code == 0
    unknown = run("drift", before, before)
    assert isinstance(unknown.exception, NothingExamined), "what nobody could compare is not stable"
    assert "gone" in str(unknown.exception)


def test_personal_data_is_told_by_column_and_never_shown(tmp_path: Path) -> None:
    people = pl.DataFrame({"mail": ["ann@example.org", "bob@example.com"] * 20, "note": ["fine", "late"] * 20})
    people.write_parquet(tmp_path / "people.parquet")
    people.select("note").write_parquet(tmp_path / "notes.parquet")
    pl.DataFrame({"n": [1]}).write_parquet(tmp_path / "numbers.parquet")
    found = run("pii", str(tmp_path / "people.parquet"))
    assert found.exit_code == 1
    assert "mail" in found.output
    assert "ann@" not in found.output
    assert run("pii", str(tmp_path / "notes.parquet")).exit_code == 0
    pl.DataFrame({"s": pl.Series([None], dtype=pl.String)}).write_parquet(tmp_path / "nulls.parquet")
    people.head(0).write_parquet(tmp_path / "empty.parquet")
    for name in ("numbers", "nulls", "empty"):
        assert isinstance(run("pii", str(tmp_path / f"{name}.parquet")).exception, NothingExamined), name


def test_values_that_hardly_repeat_and_moments_are_no_stable_categories(tmp_path: Path) -> None:
    moments = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 1, 2), "1m", eager=True)
    frames = {
        "before": {"key": [f"a{n}" for n in range(1441)], "at": moments},
        "after": {"key": [f"b{n}" for n in range(1441)], "at": moments},
        "later": {"at": moments.dt.offset_by("300d")},
        "same": {"at": moments},
    }
    for name, columns in frames.items():
        pl.DataFrame(columns).write_parquet(tmp_path / f"{name}.parquet")
    before, after, later, same = (str(tmp_path / f"{name}.parquet") for name in frames)
    assert isinstance(run("drift", before, after).exception, NothingExamined)
    assert run("drift", same, later).exit_code == 1
    assert run("drift", same, same).exit_code == 0


@pytest.mark.parametrize("word", ["suggest", "pii", "drift"])
def test_a_file_that_is_no_parquet_is_named(tmp_path: Path, word: str) -> None:
    (tmp_path / "bad.parquet").write_text("no")
    bad = str(tmp_path / "bad.parquet")
    failed = run(word, *([bad, bad] if word == "drift" else [bad])).exception
    assert isinstance(failed, QualityError)
    assert "bad.parquet cannot be read as Parquet" in str(failed)
