"""A pipeline whose rows are to be cut in another way: the load is refused, and what `etl verify` names mends it."""

import contextlib
import re
import shutil
import sqlite3
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from etl.cli.set_aside import set_aside
from etl.config import load_tenant
from etl.errors import WarehouseError
from etl.pipeline.verdict import Reconciliation
from etl.pipeline.verify import reconcile
from etl.settings import load_settings
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import WarehousePlace
from tests.pipeline.stages import run_stages, table
from tests.tiny_project import TinyProject

pytestmark = pytest.mark.slow  # partitions cut at each place

NOW = datetime(2026, 2, 1, tzinfo=UTC)
NO_DATE: dict[str, Any] = {"date_column": None}
DATED: dict[str, Any] = {"date_column": "created_at"}


def by_column(column: str, *keys: str) -> dict[str, Any]:
    return {**NO_DATE, "partitions": {"by": column, "keys": list(keys), "start": None, "end": None, "timezone": None}}


def by_time(**said: str | None) -> dict[str, Any]:
    return {**DATED, "partitions": {"timezone": "UTC", "naive_timezone": "UTC", **said}}


def hours(zone: str) -> dict[str, Any]:
    return by_time(by="hour", start="2026-01-02T06:00", end="2026-01-02T07:00", timezone=zone)


REGION, PROD = by_column("region", "emea", "apac"), by_column("prod", "x", "y")
DAY = by_time(start="2026-01-02", end="2026-01-02")
WEEK = by_time(by="week", start="2025-12-29", end="2025-12-29")
MONTH = by_time(by="month", start="2026-01", end="2026-01")
WHOLE = {**NO_DATE, "partitions": None}
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "region to prod": (REGION, PROD),
    "the zone of hours": (hours("UTC"), hours("Asia/Kolkata")),
    "day to key": (DAY, REGION),
    "key to day": (REGION, DAY),
    "day to week": (DAY, WEEK),
    "day to hour": (DAY, hours("UTC")),
    "week to month": (WEEK, MONTH),
    "key to whole": (REGION, WHOLE),
    "whole to key": (WHOLE, REGION),
}


@pytest.fixture
def project(project: TinyProject) -> TinyProject:
    with contextlib.closing(sqlite3.connect(project.source)) as connection, connection:
        for column, values in (("region", ("emea", "apac")), ("prod", ("x", "y"))):
            connection.execute(f"ALTER TABLE orders ADD COLUMN {column} TEXT")
            divisor = 1 if column == "region" else 2
            for number, value in enumerate(values):
                connection.execute(f"UPDATE orders SET {column} = '{value}' WHERE order_id / {divisor} % 2 = {number}")
    return project


def write(project: TinyProject, cut: dict[str, Any], mode: str) -> None:
    mode = "replace" if cut == WHOLE and mode == "replace_partition" else mode
    output = {"mode": mode, "key_columns": ["order_id"]}
    project.write_pipeline({"has_transfer": False, "undated": "ignore", "trino_output": output, **cut})


def keys(project: TinyProject) -> list[str | None]:
    scheme = load_tenant("acme", load_settings(project.environ)).pipelines["orders"].scheme
    return list(scheme.keys(NOW))


def run(project: TinyProject, run_id: str) -> None:
    for key in keys(project):
        run_stages(project, ("extract", "load"), key, run_id=run_id)


def verified(project: TinyProject) -> Reconciliation:
    settings = load_settings(project.environ)
    config = load_tenant("acme", settings)
    warehouse = open_warehouse(WarehousePlace(), settings, "acme")
    return reconcile(config, config.pipelines["orders"], f"sqlite:///{project.source}", warehouse, settings, now=NOW)


def obey(project: TinyProject, remedy: str) -> None:
    """The table away, the folder of the lake away, and all partitions: the words of the remedy in their order."""
    first, folder, last = re.fullmatch(
        r"`etl (set-aside acme orders --yes)` renames it .*; then remove (\S+) of the lake, then `etl (run .*)`", remedy
    ).groups()  # type: ignore[union-attr]
    set_aside("acme", first.split()[2], yes=True)
    shutil.rmtree(project.data / "lake" / folder)
    every = keys(project)
    of = f" --from {every[0]} --to {every[-1]}" if every[0] else ""
    assert last == f"run acme --pipeline orders{of}"
    run(project, "remedy")


@pytest.mark.parametrize("mode", ["replace_partition", "upsert", "append"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_refused_and_verify_names_what_mends_it(project: TinyProject, change: str, mode: str) -> None:
    before, now = CHANGES[change]
    write(project, before, mode)
    run(project, "before")
    held = table(project)
    assert verified(project).status == "agrees"
    write(project, now, mode)
    for is_run in (False, True):
        if is_run:
            with pytest.raises(WarehouseError, match=r"`etl set-aside acme orders --yes`"):
                run(project, "now")
        assert table(project).equals(held)
        found = verified(project)
        assert found.status == "differs"
        (remedy,) = {finding.remedy for _, finding in found.differing}
    obey(project, remedy)
    mended = verified(project)
    assert mended.status == "agrees", [str(each) for _, each in (*mended.differing, *mended.unknown)]
    rows = table(project)
    assert rows.height == rows["order_id"].n_unique()


@pytest.mark.parametrize("mode", ["replace_partition", "append"])
def test_rows_that_an_earlier_release_put_in_twice_are_told(project: TinyProject, mode: str) -> None:
    write(project, REGION, mode)
    run(project, "before")
    warehouse = project.data / "warehouse" / "acme.duckdb"
    with duckdb.connect(warehouse) as connection:
        connection.execute("UPDATE etl_ledger.loads SET cut_by = NULL")
    write(project, PROD, mode)
    run(project, "now")
    with duckdb.connect(warehouse) as connection:
        connection.execute("UPDATE etl_ledger.loads SET cut_by = NULL")
    assert table(project).height == 120
    found = verified(project)
    assert found.status == "differs"
    problem, remedy = next((each.problem, each.remedy) for _, each in found.differing if "twice" in each.problem)
    assert "60 rows of" in problem
    obey(project, remedy)
    assert verified(project).status == "agrees"


def test_a_key_fewer_is_no_other_way_to_cut(project: TinyProject) -> None:
    write(project, REGION, "replace_partition")
    run(project, "before")
    write(project, by_column("region", "emea"), "replace_partition")
    run(project, "now")
    found = verified(project)
    assert (found.status, found.differing) == ("not_compared", ())


def test_days_of_another_zone_replace_each_other_in_their_places(project: TinyProject) -> None:
    """Their keys are the same: until all days are run again, `etl verify` tells of each that is not."""
    write(project, by_time(start="2026-01-01", end="2026-01-03"), "replace_partition")
    run(project, "before")
    write(project, by_time(start="2026-01-01", end="2026-01-03", timezone="Asia/Seoul"), "replace_partition")
    found = verified(project)
    assert found.status == "differs"
    assert all("`etl run acme --pipeline orders --from" in each.remedy for _, each in found.differing)
    run(project, "now")
    assert verified(project).status == "agrees"
