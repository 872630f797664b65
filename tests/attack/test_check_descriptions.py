"""What a failed check says: the columns as they are written, what is asked, which rows, and how to see them.

The law "silence" holds beside it: a personal value is never shown.
"""

import json
from typing import Any

import polars as pl
import pytest
from dagster import DagsterEventType, DagsterInstance

from tests.attack.target import Target
from tests.tiny_project import DAYS

COLUMN = "주문명"
RULES = [
    {"column": COLUMN, "type": "not_null", "severity": "warning"},
    {"column": "amount", "type": "in_range", "min": 0, "max": 15, "severity": "warning"},
]


def evaluations(target: Target) -> dict[str, Any]:
    """The evaluation of each check of the one run, from Dagster's event log."""
    found: dict[str, Any] = {}
    with DagsterInstance.from_config(str(target.project.data / "dagster")) as instance:
        (run,) = instance.get_runs()
        for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION):
            evaluation = entry.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
            found[evaluation.check_name] = evaluation
    return found


def with_korean_column(target: Target) -> None:
    target.source(
        f'ALTER TABLE orders ADD COLUMN "{COLUMN}" TEXT',
        f"UPDATE orders SET \"{COLUMN}\" = 'secret ' || order_id WHERE order_id % 5 != 3",
    )


@pytest.mark.slow
def test_a_failed_check_names_its_columns_its_bounds_and_its_rows(target: Target) -> None:
    with_korean_column(target)
    pipeline = {
        "has_transfer": False,
        "pii_columns": ["name", COLUMN],
        "trino_output": {"key_columns": []},
        "quality": {"engine": "polars", "on_failure": "warn", "rules": RULES, "safe_columns": ["amount"]},
    }
    target.project.write_pipeline(pipeline)
    target.run_days(DAYS[0], DAYS[0])
    published = target.rows_of("extract")
    found = evaluations(target)
    (null_check,) = [each for name, each in found.items() if name.startswith("not_null")]
    wrong = [n for n, value in enumerate(published[COLUMN]) if value is None]
    assert not null_check.passed
    assert COLUMN in null_check.description
    assert null_check.metadata["columns"].value == COLUMN
    rows = null_check.metadata["rows"].value
    assert rows == wrong[: len(rows)]
    assert 0 < len(rows) <= 5
    assert f"rows {', '.join(map(str, rows))}" in null_check.description
    assert "see_rejected_rows" not in null_check.metadata, "nothing is set aside here"

    range_check = found["in_range__amount"]
    assert "in_range of `amount` (min 0, max 15)" in range_check.description
    assert range_check.metadata["asked"].value == "in_range of `amount` (min 0, max 15)"
    first = published.with_row_index("n").filter(pl.col("amount") > 15)
    assert range_check.metadata["rows"].value == first["n"].to_list()[:5]
    assert "15.25" in range_check.metadata["sample"].value, "a column that is declared safe is shown"
    shown = json.dumps({k: str(v.value) for k, v in range_check.metadata.items()}, ensure_ascii=False)
    assert "secret" not in shown, "a personal column is not shown, although it is declared safe"
    assert "이름" not in shown


@pytest.mark.slow
def test_where_rows_are_set_aside_the_command_that_shows_them_is_named_and_works(target: Target) -> None:
    with_korean_column(target)
    rules = [{**each, "severity": "error"} for each in RULES]
    target.project.write_pipeline(
        {"has_transfer": False, "quality": {"engine": "truthound", "on_failure": "quarantine", "rules": rules}}
    )
    target.run_days(DAYS[0], DAYS[0])
    (null_check,) = [each for name, each in evaluations(target).items() if name.startswith("not_null")]
    assert COLUMN in null_check.description
    command = null_check.metadata["see_rejected_rows"].value
    assert command == f"etl quarantine show acme orders --partition {DAYS[0]}"
    assert "rows" not in null_check.metadata, "the rows stand in another object, in another order"
    said = target.etl(*command.split()[1:])
    assert said.code == 0, said.text
    assert COLUMN in said.out
