"""Attacks the law of lineage where rows are not cut into days: hours of a day on which clocks change, and regions.

No row may be lost or doubled between two partitions, one job runs both kinds, and what a person changes by hand is found
and mended by the command that is named.
"""

import re
import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.attack.target import Target

BEGIN = datetime(2025, 10, 25, 22, tzinfo=UTC)
OUTPUT = {"target_schema": "shop", "mode": "replace_partition"}
HOURS: dict[str, Any] = {
    "source_table": "orders",
    "date_column": "created_at",
    "partitions": {
        "by": "hour", "start": "2025-10-26", "end": "2025-10-26", "timezone": "Europe/Berlin", "naive_timezone": "UTC",
    },
    "save_to_trino": True,
    "trino_output": {"target_table": "hours", **OUTPUT},
}  # fmt: skip
REGIONS: dict[str, Any] = {
    "query": "SELECT order_id, name AS region, amount FROM orders WHERE name = :partition",
    "partitions": {"by": "region", "keys": ["north", "south"]},
    "save_to_trino": True,
    "trino_output": {"target_table": "regions", **OUTPUT},
}


def write(target: Target, **changes: Any) -> None:
    target.project.write_tenant(
        {"assets": {"pipelines": {"orders": None, "hours": HOURS, "regions": REGIONS | changes}}, "jobs": None}
    )


def test_keys_that_would_lie_in_one_folder_or_leave_it_are_refused(target: Target) -> None:
    for keys, said in (
        (["a", "A"], "stands there twice"),
        (["../a"], "cannot be a partition's key"),
        ([], "no `keys`"),
    ):
        write(target, partitions={"by": "region", "keys": keys})
        found = target.etl("check", "acme")
        assert (found.code, said in " ".join(found.text.split())) == (2, True), found.text
        assert "config.yaml:" in found.text


@pytest.mark.slow
def test_hours_and_regions_of_one_job_hold_every_row_once(target: Target) -> None:
    rows = [(n, ("north", "south")[n % 2], n + 0.5, BEGIN + n * timedelta(minutes=30)) for n in range(50)]
    values = ", ".join(f"({n}, '{region}', {amount}, '{at:%Y-%m-%d %H:%M:%S}')" for n, region, amount, at in rows)
    target.source("DELETE FROM orders", f"INSERT INTO orders VALUES {values}")
    write(target)
    said = target.etl("run", "acme", "--from", "2025-10-26")
    assert said.code == 0, said.text
    assert "2 runs, since the pipelines do not have the same partitions" in said.text
    counts = "SELECT count(*), count(DISTINCT order_id), count(DISTINCT etl_partition) FROM shop.{}"
    assert target.warehouse(counts.format("hours")) == [(50, 50, 25)]
    assert target.warehouse(counts.format("regions")) == [(50, 50, 2)]
    assert len(target.materialized("load", "hours")) == 25
    assert target.materialized("load", "regions") == ["north", "south"]
    assert target.etl("verify", "acme").code == 0

    target.warehouse(
        "UPDATE shop.hours SET amount = 0 WHERE order_id = 8", "DELETE FROM shop.regions WHERE order_id = 9"
    )
    said = target.etl("verify", "acme")
    assert said.code == 1, said.text
    remedies = re.findall(r"`etl (run acme --pipeline \S+ --stage load --from \S+ --to \S+ --reload)`", said.text)
    assert len(remedies) == 2, said.text
    assert "--pipeline hours --stage load --from 2025-10-26T0200Z" in remedies[0]
    assert "--pipeline regions --stage load --from south" in remedies[1]
    for each in remedies:
        assert target.etl(*each.split()).code == 0
    assert target.etl("verify", "acme").code == 0


@pytest.mark.slow
def test_a_time_is_read_in_the_zone_of_the_pipeline_and_not_in_that_of_another_with_the_same_hours(
    target: Target,
) -> None:
    """The hours of both are the same moments of UTC, so that Dagster's definitions of them are equal."""
    target.source("DELETE FROM orders", *(
        f"INSERT INTO orders VALUES ({hour}, 'north', 1.0, '2026-01-05 {hour:02}:10:00')" for hour in range(24)
    ))  # fmt: skip

    def hours(start: str, zone: str) -> dict[str, Any]:
        return HOURS | {
            "partitions": {"by": "hour", "start": start, "timezone": zone, "naive_timezone": "UTC"},
            "trino_output": {"target_table": zone[:3].lower(), **OUTPUT},
        }

    pipelines = {
        "orders": None, "a": hours("2026-01-05T05:00", "UTC"), "z": hours("2026-01-05T00:00", "America/New_York"),
    }  # fmt: skip
    target.project.write_tenant({"assets": {"pipelines": pipelines}, "jobs": None})
    for which, asked, tables in (
        (("--pipeline", "a"), "2026-01-05T07:00", {"utc": [(7,)]}),
        ((), "2026-01-05T08:00", {"utc": [(7,), (8,)], "ame": [(13,)]}),
    ):
        said = target.etl("run", "acme", *which, "--from", asked)
        assert said.code == 0, said.text
        for table, ids in tables.items():
            assert target.warehouse(f"SELECT order_id FROM shop.{table} ORDER BY 1") == ids


@pytest.mark.slow
def test_values_of_another_column_are_refused_and_what_verify_names_mends_the_table(target: Target) -> None:
    query = "SELECT order_id, 'all' AS region, 'n1' AS shop FROM orders"
    cut = {"date_column": None, "query": query, "undated": "ignore"}
    write(target, **cut, partitions={"by": "region", "keys": ["all"]})
    assert target.etl("run", "acme", "--pipeline", "regions").code == 0
    held = target.warehouse("SELECT count(*), count(DISTINCT order_id) FROM shop.regions")
    write(target, **cut, partitions={"by": "shop", "keys": ["n1"]})
    said = target.etl("run", "acme", "--pipeline", "regions")
    assert said.code == 1, said.text
    assert "keys like all of `region`" in " ".join(said.text.split())
    assert target.warehouse("SELECT count(*), count(DISTINCT order_id) FROM shop.regions") == held
    said = target.etl("verify", "acme", "--pipeline", "regions")
    assert said.code == 1, said.text
    assert "--reload" not in said.text
    assert "`etl set-aside acme regions --yes` renames it" in " ".join(said.text.split())
    assert target.etl("set-aside", "acme", "regions", "--yes").code == 0
    shutil.rmtree(target.project.data / "lake" / "acme" / "extract" / "regions")
    said = target.etl("run", "acme", "--pipeline", "regions", "--from", "n1", "--to", "n1")
    assert said.code == 0, said.text
    assert target.warehouse("SELECT count(*), count(DISTINCT order_id) FROM shop.regions") == held
    assert target.etl("verify", "acme", "--pipeline", "regions").code == 0
