"""What is wrong is said at the earliest moment that can know it, with tenant, pipeline and remedy; nothing is published."""

from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import DagsterEventType, DagsterInstance

from etl.definitions import build_tenant_definitions
from etl.errors import EtlError
from tests.pipeline.stages import table
from tests.tiny_project import ORDERS, TRANSFORM, TinyProject, make_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    made = make_project(tmp_path)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    build_tenant_definitions.cache_clear()
    return made


def same_target(project: TinyProject) -> None:
    project.write_tenant({"assets": {"pipelines": {"orders_again": {**ORDERS, "source_table": "orders"}}}})
    project.write_transform(TRANSFORM.replace("orders(orders", "orders_again(orders"), name="orders_again")


IN_FILES: dict[str, tuple[Callable[[TinyProject], object], list[str]]] = {
    "another_id_than_the_folders": (
        lambda project: project.write_tenant({"id": "acme2"}),
        ["`id` differs from the folder's name", "config.yaml:2:", "did you mean `acme`?"],
    ),
    "neither_table_nor_query": (
        lambda project: project.write_pipeline({"source_table": None}),
        ["neither `source_table` nor `query`", "assets.pipelines.orders", "write `source_table: ...`"],
    ),
    "two_pipelines_load_one_table": (
        same_target,
        ["load the same table shop.orders", "orders_again", "allowed: a table of its own for each pipeline"],
    ),
    "the_transform_is_missing": (
        lambda project: (project.root / "tenants/acme/transforms/orders.py").unlink(),
        ["transforms/orders.py", "is missing", "assets.pipelines.orders", "write it: `def orders("],
    ),
    "the_transform_has_another_name": (
        lambda project: project.write_transform("def order(frame):\n    return frame\n"),
        ["transforms/orders.py", "defines no function `orders`", "rename `order`"],
    ),
    "the_transform_is_no_python": (
        lambda project: project.write_transform("def orders(frame:\n"),
        ["transforms/orders.py", "assets.pipelines.orders"],
    ),
    "a_rule_is_misspelt": (
        lambda project: project.write_pipeline({"quality": {"rules": [{"column": "order_id", "type": "not_nul"}]}}),
        ["not_nul", "did you mean `not_null`", "config.yaml:"],
    ),
    "a_job_selects_nothing": (
        lambda project: project.write_tenant({"jobs": {"nightly": {"selection": "tag:domain=golden"}}}),
        ["job `nightly`", "config.yaml:", "selects nothing of tenant acme", "a selection looks like"],
    ),
    "a_job_reaches_for_another_tenant": (
        lambda project: project.write_tenant({"jobs": {"nightly": {"selection": 'key:"other/*"'}}}),
        ["job `nightly`", "assets of `other`", "a job runs assets of its own tenant"],
    ),
}


@pytest.mark.parametrize("name", sorted(IN_FILES))
def test_what_is_in_files_is_known_when_definitions_are_built(project: TinyProject, name: str) -> None:
    spoil, said = IN_FILES[name]
    spoil(project)
    with pytest.raises(EtlError) as caught:
        build_tenant_definitions("acme")
    message = str(caught.value)
    assert "acme" in message
    assert caught.value.hint
    for words in said:
        assert words in message, message


def test_a_tenant_that_is_not_there_is_named_with_the_nearest_that_is(project: TinyProject) -> None:
    with pytest.raises(EtlError, match=r"no tenant `acmee`.*\n.*did you mean `acme`"):
        build_tenant_definitions("acmee")


def test_in_prod_a_missing_variable_is_named_with_its_line(
    project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_ENVIRONMENT", "prod")
    with pytest.raises(EtlError) as caught:
        build_tenant_definitions("acme")
    for name in ("HOST", "NAME", "USER", "PASSWORD"):
        assert f"ACME_DB_{name} is not set" in str(caught.value)
    assert "tenants/acme/config.yaml:" in str(caught.value)


IN_THE_RUN: dict[str, tuple[Callable[[TinyProject], object], str, list[str]]] = {
    "the_source_is_down": (lambda project: project.source.unlink(), "extract", ["no demo source", "set ACME_DB_HOST"]),
    "the_table_is_not_there": (
        lambda project: project.write_pipeline({"source_table": "ordres"}),
        "extract",
        ["table `ordres` does not exist", "did you mean `orders`?"],
    ),
    "the_transform_raises": (
        lambda project: project.write_transform("def orders(orders):\n    raise ValueError('mine')\n"),
        "transfer",
        ["raised ValueError: mine", "tenants/acme/transforms/orders.py"],
    ),
    "the_transform_returns_something_else": (
        lambda project: project.write_transform("def orders(orders):\n    return orders.collect()\n"),
        "transfer",
        ["returned DataFrame, not a LazyFrame", "no .collect()"],
    ),
    "the_transform_changes_the_date": (
        lambda project: project.write_transform(
            "import polars as pl\n\n\ndef orders(orders):\n    return orders.with_columns(created_at=pl.lit(1))\n"
        ),
        "transfer",
        ["changes the date column `created_at`", "keep its type"],
    ),
}


@pytest.mark.parametrize("name", sorted(IN_THE_RUN))
def test_what_is_in_the_database_or_the_code_fails_its_step_and_what_comes_after(
    project: TinyProject, name: str
) -> None:
    spoil, stage, said = IN_THE_RUN[name]
    spoil(project)
    job = build_tenant_definitions("acme").resolve_job_def("acme_all")
    with DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, partition_key="2026-01-01", raise_on_error=False)
        assert not result.success
        (failure,) = [each for each in result.all_events if each.event_type == DagsterEventType.STEP_FAILURE]
        assert failure.step_key == f"acme__{stage}__orders"
        error = failure.step_failure_data.error
        assert error is not None
        message = (error.cause or error).message
        made = {event.asset_key.path[1] for event in result.get_asset_materialization_events() if event.asset_key}
    assert "acme/orders [2026-01-01]" in message
    for words in said:
        assert words in message, message
    assert {path.relative_to(project.data / "lake").parts[1] for path in project.published()} <= {"extract"} - {stage}
    assert table(project).is_empty()
    assert project.leftovers() == []
    assert made == {"extract"} - {stage}


def test_a_run_of_days_that_names_none_is_refused_with_what_to_write(project: TinyProject) -> None:
    job = build_tenant_definitions("acme").resolve_job_def("acme_all")
    with DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    (failure,) = [each for each in result.all_events if each.event_type == DagsterEventType.STEP_FAILURE]
    error = failure.step_failure_data.error
    assert error is not None
    message = (error.cause or error).message
    assert "the run names no day" in message
    assert "etl run acme --from" in message
    assert project.published() == []
