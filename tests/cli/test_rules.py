"""`etl rules`: the list, one page, and suggestions that hold."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
import yaml
from typer.testing import CliRunner

from etl.cli.rules import rules
from etl.errors import QualityError
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
