"""Data x on_failure x partitions x engine, each by a real run: what is recorded, published, loaded and stopped."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from dagster import AssetKey, DagsterEventType, DagsterInstance, ExecuteInProcessResult

from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.errors import ConfigError
from etl.quality.engines.polars import PolarsEngine
from etl.quality.engines.truthound.engine import TruthoundEngine
from etl.settings import load_settings
from tests.tiny_project import ROWS_PER_DAY, TinyProject, make_project

NO_RULES = ("volume", "undated")  # checks of each extract
DAY = "2026-01-02"
TRANSFER = AssetKey(["acme", "transfer", "orders"])
LOAD = AssetKey(["acme", "load", "orders"])
QUARANTINE = AssetKey(["acme", "quarantine", "orders"])
RULES = [
    {"column": "order_id", "type": "not_null"},
    {"column": "order_id", "type": "unique"},
    {"column": "amount", "type": "in_range", "min": 0},
]
# What a case does to the rows of the day, and which rows its rules reject then.
SPOIL = {
    "good": ((), 0),
    "bad": (("UPDATE orders SET amount = -1 WHERE order_id = 203",), 1),
    "null and duplicate": (
        (
            "UPDATE orders SET order_id = NULL WHERE order_id IN (204, 205)",
            "UPDATE orders SET order_id = 206 WHERE order_id = 207",
        ),
        4,
    ),
    "empty": ((f"DELETE FROM orders WHERE created_at >= '{DAY}' AND created_at < '2026-01-03'",), 0),
    "misspelt column": ((), 0),
    "engine raises": ((), 0),
}
UNKNOWN = ("misspelt column", "engine raises")


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    result: ExecuteInProcessResult
    evaluations: dict[str, tuple[bool, str, str | None, str]]
    materialized: set[AssetKey]
    published: int | None
    rejected: int | None
    loaded: int | None


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    made = make_project(tmp_path)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made


def configure(project: TinyProject, *, partitioned: bool, on_failure: str, engine: str, rules: list[Any]) -> None:
    changes: dict[str, Any] = {
        "quality": {"engine": engine, "on_failure": on_failure, "rules": rules},
        "volume": "off",  # the rules are what is judged here
    }
    if not partitioned:
        changes |= {"date_column": None, "partitions": None, "trino_output": {"mode": "replace"}}
    project.write_pipeline(changes)


def spoil(project: TinyProject, *statements: str) -> None:
    connection = sqlite3.connect(project.source)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def rows(path: Path) -> int | None:
    return pl.scan_parquet(path).select(pl.len()).collect().item() if path.is_file() else None


def execute(
    project: TinyProject, instance: DagsterInstance, *, partition: str | None, only: AssetKey | None = None
) -> Outcome:
    definitions = definitions_of(load_tenant("acme", load_settings()))
    result = definitions.resolve_job_def("acme_all").execute_in_process(
        instance=instance,
        partition_key=partition,
        raise_on_error=False,
        asset_selection=None if only is None else [only],
    )
    evaluations = {}
    for event in result.all_events:
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            found = event.asset_check_evaluation_data
            if found.check_name in NO_RULES:
                continue
            status = str(found.metadata["status"].value) if "status" in found.metadata else ""
            evaluations[found.check_name] = (found.passed, found.severity.name, found.partition, status)
    place = f"dt={partition}/data.parquet" if partition else "data.parquet"
    aside = (project.data / "lake" / "acme" / "transfer_quarantine" / "orders" / place).parent
    warehouse = project.data / "warehouse" / "acme.duckdb"
    loaded = None
    if warehouse.is_file():
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            loaded = connection.sql("SELECT count(*) FROM shop.orders").fetchone()[0]
    return Outcome(
        result=result,
        evaluations=evaluations,
        materialized={e.asset_key for e in result.get_asset_materialization_events() if e.asset_key},
        published=rows(project.data / "lake" / "acme" / "transfer" / "orders" / place),
        rejected=sum(rows(each) or 0 for each in aside.glob("*.parquet")) or None,
        loaded=loaded,
    )


@pytest.mark.parametrize("engine", ["truthound", "polars"])
@pytest.mark.parametrize("partitioned", [True, False], ids=["partitioned", "whole"])
@pytest.mark.parametrize("on_failure", ["block", "quarantine", "warn"])
@pytest.mark.parametrize("case", list(SPOIL))
def test_a_verdict_decides_what_is_published(
    project: TinyProject,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
    on_failure: str,
    partitioned: bool,
    engine: str,
) -> None:
    rules = [*RULES, {"column": "amuont", "type": "positive"}] if case == "misspelt column" else RULES
    configure(project, partitioned=partitioned, on_failure=on_failure, engine=engine, rules=rules)
    statements, bad = SPOIL[case]
    if case == "empty" and not partitioned:
        statements = ("DELETE FROM orders",)
    spoil(project, *statements)
    if case == "engine raises":
        for each in (PolarsEngine, TruthoundEngine):
            monkeypatch.setattr(each, "judge", fail)
    read = (0 if case == "empty" else ROWS_PER_DAY) if partitioned else (0 if case == "empty" else 3 * ROWS_PER_DAY)
    partition = DAY if partitioned else None

    with DagsterInstance.ephemeral() as instance:
        got = execute(project, instance, partition=partition)

    broken = bad > 0 or case in UNKNOWN
    stopped = broken and (on_failure == "block" or (on_failure == "quarantine" and case in UNKNOWN))
    assert set(got.evaluations) == {"not_null__order_id", "unique__order_id", "in_range__amount"} | (
        {"positive__amuont"} if case == "misspelt column" else set()
    )
    assert {each[2] for each in got.evaluations.values()} == {partition}
    failing = {name: each for name, each in got.evaluations.items() if not each[0]}
    assert bool(failing) is broken
    assert {each[1] for each in failing.values()} <= {"ERROR" if stopped or case in UNKNOWN else "WARN"}
    if case in UNKNOWN:
        assert {each[3] for each in failing.values()} == {"error"}
    assert got.result.success is not stopped
    if stopped:
        assert TRANSFER not in got.materialized
        assert LOAD not in got.materialized
        assert (got.published, got.rejected, got.loaded) == (None, None, None)
        return
    rejected = bad if on_failure == "quarantine" else 0
    assert {TRANSFER, LOAD} <= got.materialized
    assert got.published == read - rejected
    assert got.rejected == (rejected or None)
    assert got.loaded == read - rejected
    assert (QUARANTINE in got.materialized) is (on_failure == "quarantine")


def fail(*args: object, **kwargs: object) -> object:
    raise RuntimeError("the engine is broken")


def test_a_blocked_partition_keeps_the_last_good_one_and_a_load_by_itself_says_whose_it_is(
    project: TinyProject,
) -> None:
    configure(project, partitioned=True, on_failure="block", engine="polars", rules=RULES)
    good = project.data / "lake" / "acme" / "transfer" / "orders" / f"dt={DAY}" / "data.parquet"
    with DagsterInstance.ephemeral() as instance:
        first = execute(project, instance, partition=DAY)
        before = good.read_bytes()
        spoil(project, *SPOIL["bad"][0])
        second = execute(project, instance, partition=DAY)
        assert not second.result.success
        assert good.read_bytes() == before
        third = execute(project, instance, partition=DAY, only=LOAD)
    assert third.result.success
    event = next(e for e in third.result.get_asset_materialization_events() if e.asset_key == LOAD)
    metadata = event.step_materialization_data.materialization.metadata
    assert metadata["from_run"].value == first.result.run_id


def test_a_range_judges_each_day_by_itself(project: TinyProject) -> None:
    configure(project, partitioned=True, on_failure="block", engine="polars", rules=RULES)
    spoil(project, *SPOIL["bad"][0])
    definitions = definitions_of(load_tenant("acme", load_settings()))
    with DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("acme_all").execute_in_process(
            instance=instance,
            raise_on_error=False,
            tags={
                "dagster/asset_partition_range_start": "2026-01-01",
                "dagster/asset_partition_range_end": "2026-01-03",
            },
        )
        assert not result.success
        assert instance.get_materialized_partitions(TRANSFER) == {"2026-01-01", "2026-01-03"}
        evaluations = [
            e.asset_check_evaluation_data
            for e in result.all_events
            if e.event_type == DagsterEventType.ASSET_CHECK_EVALUATION
            and e.asset_check_evaluation_data.check_name not in NO_RULES
        ]
    assert len(evaluations) == 3 * len(RULES)
    assert {(e.partition, e.check_name) for e in evaluations if not e.passed} == {(DAY, "in_range__amount")}


def test_more_rejected_rows_than_allowed_block_the_partition(project: TinyProject) -> None:
    configure(project, partitioned=True, on_failure="quarantine", engine="polars", rules=RULES)
    quality = {"max_quarantine_rate": 0.1, "engine": "polars", "on_failure": "quarantine", "rules": RULES}
    project.write_pipeline({"quality": quality})
    spoil(project, *SPOIL["null and duplicate"][0])  # 4 of 20 rows
    with DagsterInstance.ephemeral() as instance:
        got = execute(project, instance, partition=DAY)
    assert not got.result.success
    assert (got.published, got.rejected, got.loaded) == (None, None, None)
    failure = next(e for e in got.result.all_events if e.event_type == DagsterEventType.STEP_FAILURE)
    assert "20.00% of the rows would be rejected, 10.00% is the limit" in str(failure.step_failure_data)


def test_a_partition_that_is_good_again_leaves_no_rejected_rows(project: TinyProject) -> None:
    configure(project, partitioned=True, on_failure="quarantine", engine="polars", rules=RULES)
    spoil(project, *SPOIL["bad"][0])
    with DagsterInstance.ephemeral() as instance:
        assert execute(project, instance, partition=DAY).rejected == 1
        spoil(project, "UPDATE orders SET amount = 3 WHERE order_id = 203")
        again = execute(project, instance, partition=DAY)
    assert (again.published, again.rejected, again.loaded) == (ROWS_PER_DAY, None, ROWS_PER_DAY)


def test_a_misspelt_rule_does_not_load_and_the_message_names_its_line(project: TinyProject) -> None:
    path = project.write_pipeline({"quality": {"rules": [{"column": "order_id", "type": "not_nul"}]}})
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "not_nul" in text)
    with pytest.raises(ConfigError) as error:
        load_tenant("acme", load_settings())
    assert "`not_nul`" in str(error.value)
    assert "not_null" in str(error.value)
    assert f"config.yaml:{line}:" in str(error.value)


def test_personal_columns_never_show_in_events(project: TinyProject) -> None:
    configure(project, partitioned=True, on_failure="warn", engine="truthound", rules=RULES)
    quality = {"on_failure": "warn", "rules": RULES, "safe_columns": ["amount"]}
    project.write_pipeline({"pii_columns": ["name"], "quality": quality})
    spoil(project, "UPDATE orders SET amount = -1, name = 'Kim Secret' WHERE order_id = 203")
    with DagsterInstance.ephemeral() as instance:
        got = execute(project, instance, partition=DAY)
        text = "".join(str(e) for e in instance.all_logs(got.result.run_id))
    assert "203" in text  # the key says which row it is
    assert "Kim Secret" not in text
    assert "이름" not in text
