"""Attacks the law that nothing is green that was not evaluated, through the sources of a dbt project and their tests."""

import pytest

from tests.attack.target import Target
from tests.dbt.projects import write_dbt
from tests.tiny_project import DAYS

# The source has another name than the extract that it reads, and its freshness is broken at any time.
SOURCES = """
version: 2
sources:
  - name: elsewhere
    meta:
      external_location: >-
        read_parquet('{{ env_var("ETL_LAKE_DIR") }}/{{ var("tenant") }}/extract/{identifier}/**/data.parquet')
    tables:
      - name: bestellungen
        identifier: orders
        config: {loaded_at_field: "timestamp '2020-01-01'", freshness: {error_after: {count: 1, period: day}}}
        columns: [{name: name, data_tests: [not_null]}]
"""


@pytest.mark.slow
def test_a_renamed_source_is_judged_after_its_extract_and_guards_its_models(target: Target) -> None:
    target.project.write_tenant({"dbt": {"enabled": True}})
    files: dict[str, str | None] = {
        "models/staging/sources.yml": SOURCES,
        "models/marts/named.sql": "select count(name) as named, count(*) as n from {{ source('elsewhere', 'bestellungen') }}",
    }
    write_dbt(target.project, files)
    said = target.run_days(DAYS[0], DAYS[0])
    assert target.warehouse("SELECT named, n FROM dbt.named") == [(20, 20)]
    failed = "check failed: extract orders: source_freshness_elsewhere_bestellungen"
    assert failed in said.text, "what is red in Dagster is told, although it stops nothing"

    target.source("UPDATE orders SET name = NULL WHERE order_id % 3 = 0")
    said = target.etl("run", "acme", "--partition", DAYS[0])
    assert said.code == 1, "the test judged the rows that the run before had left"
    assert "not_null_elsewhere_bestellungen_name" in said.text
    assert target.warehouse("SELECT named, n FROM dbt.named") == [(20, 20)]
    (loaded,) = target.warehouse("SELECT count(name) FROM shop.orders")[0]
    assert loaded < 20, "a test of dbt stops no load"

    said = target.etl("run", "acme", "--stage", "dbt")
    assert said.code == 1, "where only models are run, the test guards them too"
    assert target.warehouse("SELECT named, n FROM dbt.named") == [(20, 20)]


@pytest.mark.slow
def test_a_model_whose_name_dagster_does_not_take_is_named_with_its_file(target: Target) -> None:
    target.project.write_tenant({"dbt": {"enabled": True}})
    write_dbt(target.project, {"models/marts/모델.sql": "select 1 as one"})
    said = target.etl("check", "acme")
    assert said.code == 2
    assert "models/marts/모델.sql" in said.text
    assert "alias: 모델" in said.text
