"""What a failing dbt test stops: with severity error everything downstream, in dbt and in Python; as a warning nothing."""

from collections.abc import Iterator

import pytest
from dagster import AssetKey, AssetSelection, DagsterInstance, Definitions, asset, define_asset_job, in_process_executor

from tests.dbt.projects import definitions, inside, only_dbt, rows, run, write_dbt
from tests.tiny_project import TinyProject, make_project

FILES = {
    "models/staging/measured.sql": "{{ config(materialized='table') }} select -1 as value",
    "models/marts/trusted.sql": "{{ config(materialized='table') }} select value from {{ ref('measured') }}",
    "models/marts/published.sql": "{{ config(materialized='table') }} select value from {{ ref('trusted') }}",
    "models/marts/marts.yml": """
        version: 2
        models:
          - name: measured
            data_tests: [never_negative: {column: value, config: {severity: warn}}]
          - name: trusted
            data_tests: [never_negative: {column: value}]
          - name: published
            data_tests: [never_negative: {column: value}]
        """,
    "macros/never_negative.sql": "{% test never_negative(model, column) %}select * from {{ model }} where {{ column }} < 0{% endtest %}",
}


@asset(key=["gates", "python", "after_warning"], deps=[AssetKey(["gates", "dbt", "measured"])])
def after_warning() -> None:
    """By hand, beside what the YAML makes."""


@asset(key=["gates", "python", "after_error"], deps=[AssetKey(["gates", "dbt", "trusted"])])
def after_error() -> None:
    """By hand, beside what the YAML makes."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyProject]:
    made = make_project(tmp_path_factory.mktemp("gates"))
    only_dbt(made, "gates")
    write_dbt(made, FILES, "gates")
    with inside(made):
        yield made


def with_python(selection: AssetSelection) -> Definitions:
    job = define_asset_job("everything", selection=selection, executor_def=in_process_executor)
    return Definitions.merge(definitions("gates"), Definitions(assets=[after_warning, after_error], jobs=[job]))


def test_an_error_blocks_models_and_python_assets_after_it(project: TinyProject) -> None:
    with DagsterInstance.ephemeral() as instance:
        done = run(with_python(AssetSelection.all()), "everything", instance)
    assert not done.result.success
    assert done.materialized == {"gates/dbt/measured", "gates/dbt/trusted"}
    assert done.evaluations == {
        ("never_negative_measured_value", None): (False, "WARN"),
        ("never_negative_trusted_value", None): (False, "ERROR"),
    }
    failure = next(event for event in done.result.all_events if event.is_step_failure)
    assert "never_negative_trusted_value: fail: Got 1 result" in str(failure.step_failure_data.error)
    tables = rows(project, "SELECT table_name FROM duckdb_tables() ORDER BY 1", "gates")
    assert tables == [("measured",), ("trusted",)]


def test_a_warning_blocks_nothing(project: TinyProject) -> None:
    selection = AssetSelection.assets(["gates", "dbt", "measured"], ["gates", "python", "after_warning"])
    with DagsterInstance.ephemeral() as instance:
        done = run(with_python(selection), "everything", instance)
    assert done.result.success
    assert done.materialized == {"gates/dbt/measured", "gates/python/after_warning"}
    assert done.evaluations == {("never_negative_measured_value", None): (False, "WARN")}


def test_a_test_that_cannot_be_evaluated_is_no_pass(project: TinyProject) -> None:
    write_dbt(
        project,
        {"macros/never_negative.sql": FILES["macros/never_negative.sql"].replace("{{ column }} <", "no_such_column <")},
        "gates",
    )
    with DagsterInstance.ephemeral() as instance:
        done = run(with_python(AssetSelection.assets(["gates", "dbt", "measured"])), "everything", instance)
    assert not done.result.success
    assert done.evaluations == {("never_negative_measured_value", None): (False, "ERROR")}
