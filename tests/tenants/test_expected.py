"""What each warehouse table must hold, in SQL over the demo source written apart from the transforms."""

import datetime as dt
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from .conftest import TENANTS, load

EXPECTED = Path(__file__).parent / "expected"
CASES = sorted((file.parent.name, file.stem) for file in EXPECTED.glob("*/*.sql"))
DAYS = [dt.date(2026, 1, day) for day in range(1, 11)]
Source = Callable[[str], duckdb.DuckDBPyConnection]

# The rows that the blocking and quarantining rules accept, said once more and in SQL.
ACCEPTED = {
    "equipment_event": "event_code SIMILAR TO '[EW][0-9]{3}' AND occurred_at <= created_at",
    "workplace": "coalesce(business_registration_number SIMILAR TO '[0-9]{10}', true) AND status_code IN (1, 2)",
    "stock_price": "low <= high AND coalesce(close > 0, true)",
}


def expected(tenant: str, pipeline: str) -> str:
    """The SQL (DuckDB, the source attached as `src`) of what the pipeline's warehouse table must hold."""
    return (EXPECTED / tenant / f"{pipeline}.sql").read_text(encoding="utf-8")


def pipelines(tenant: str) -> dict[str, Any]:
    text = (TENANTS / tenant / "config.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["tenant"]["assets"]["pipelines"])


def read_window(connection: duckdb.DuckDBPyConnection, pipeline: dict[str, Any], day: dt.date | None) -> pl.LazyFrame:
    """What an extract would bring of one day, or of the whole table."""
    table, column = pipeline["source_table"], pipeline.get("date_column")
    where = "" if column is None else f"WHERE {column} >= '{day}' AND {column} < DATE '{day}' + 1"
    return connection.execute(f"FROM src.{table} {where}").pl().lazy()


@cache
def transformed(connection: duckdb.DuckDBPyConnection, tenant: str, name: str) -> pl.DataFrame:
    """The transform's output of every partition, those rows that its rules accept."""
    config = pipelines(tenant)
    function = getattr(load(TENANTS / tenant / "transforms" / f"{name}.py"), name)
    days: list[dt.date | None] = [*DAYS] if "date_column" in config[name] else [None]
    frames = []
    for day in days:
        inputs = {
            each: read_window(connection, config[each], day) for each in config[name].get("transfer_inputs", [name])
        }
        frame = function(**inputs).collect(engine="streaming")  # noqa: F841  DuckDB reads it by its name
        accepted = connection.sql(f"SELECT * FROM frame WHERE {ACCEPTED.get(name, 'true')}").pl()
        frames.append(accepted.with_columns(pl.lit(day, pl.Date).alias("etl_partition")))
    return pl.concat(frames)


@pytest.mark.parametrize(("tenant", "pipeline"), CASES)
def test_transform_gives_what_independent_sql_gives(source: Source, tenant: str, pipeline: str) -> None:
    connection = source(tenant)
    want = connection.execute(expected(tenant, pipeline)).pl()
    got = transformed(connection, tenant, pipeline)
    output = pipelines(tenant)[pipeline]["trino_output"]
    keys = output["key_columns"]
    if output["mode"] == "upsert":
        got = got.sort(output["order_column"]).unique(keys, keep="last")
    if output["mode"] == "replace_partition":
        keys = ["etl_partition", *keys]
    else:
        got = got.drop("etl_partition")
    assert want.height > 0
    assert got.columns == want.columns
    assert_frame_equal(got.sort(keys), want.sort(keys), check_dtypes=False, rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize(("tenant", "pipeline"), CASES)
def test_keys_of_the_warehouse_table_are_unique(source: Source, tenant: str, pipeline: str) -> None:
    output = pipelines(tenant)[pipeline]["trino_output"]
    keys = [*output["key_columns"], *(["etl_partition"] if output["mode"] == "replace_partition" else [])]
    twice = source(tenant).execute(
        f"SELECT {', '.join(keys)} FROM ({expected(tenant, pipeline)}) GROUP BY ALL HAVING count(*) > 1"
    )
    assert twice.fetchall() == []


def test_every_pipeline_has_an_expectation() -> None:
    configured = [(tenant, name) for tenant in ("default", "project_01", "project_02") for name in pipelines(tenant)]
    assert sorted(configured) == CASES


def test_transform_keeps_the_type_of_the_date_column(source: Source) -> None:
    for tenant, name in CASES:
        column = pipelines(tenant)[name].get("date_column")
        if column:
            before = read_window(source(tenant), pipelines(tenant)[name], DAYS[1]).collect_schema()[column]
            assert transformed(source(tenant), tenant, name).schema[column] == before
