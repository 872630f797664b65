"""Attacks the law of ownership where files are read: a target that no tenant may load is refused with its line."""

import pytest
import yaml

from tests.attack.target import Target

POSTGRES = {"warehouse": {"type": "postgres", "url": "postgresql://${ACME_WH_USER}@wh.example/lake"}}


@pytest.mark.parametrize(
    ("schema", "more"),
    [
        ("etl_ledger", {}),
        ("ETL_Kept", {}),
        ("etl_staging", {}),
        ("information_schema", {}),
        ("pg_catalog", {}),
        ("pg_temp", POSTGRES),
    ],
)
def test_a_schema_that_is_not_the_tenants_is_refused_with_its_line(
    target: Target, schema: str, more: dict[str, object]
) -> None:
    pipelines = {"orders": {"trino_output": {"target_schema": schema}}}
    path = target.project.write_tenant({"assets": {"pipelines": pipelines}, **more})
    line = next(at for at, text in enumerate(path.read_text().splitlines(), 1) if "target_schema" in text)
    said = target.etl("check")
    assert said.code == 2, said.text
    assert f"the schema `{schema}` belongs to" in said.text
    assert f"config.yaml:{line}" in said.text.replace("\n", "")


def test_two_pipelines_with_one_table_are_refused_however_its_name_is_written(target: Target) -> None:
    target.project.write_tenant(
        {"assets": {"pipelines": {"more": {"source_table": "orders", "save_to_trino": True,
                                           "trino_output": {"target_table": "ORDERS", "target_schema": "Shop"}}}}}
    )  # fmt: skip
    said = target.etl("check")
    assert (said.code, "load the same table shop.orders" in said.text) == (2, True), said.text


def test_two_tenants_with_one_table_of_one_database_are_refused_by_check_and_by_the_location_of_all(
    target: Target,
) -> None:
    warehouse = {"type": "postgres", "host": "wh.example", "database": "lake", "username": "acme"}
    target.project.write_tenant({"warehouse": warehouse})
    path = target.project.write_tenant({"warehouse": {**warehouse, "username": "globex"}}, tenant="globex")
    for tenants in ([], ["acme"], ["globex"]):
        said = target.etl("check", *tenants)
        assert said.code == 2, said.text
        assert "`orders` of tenant globex and `orders` of tenant acme load the same table shop.orders" in said.text
    listed = target.dagster("definitions", "validate", "-m", "etl.all")
    assert listed.code != 0
    assert "load the same table shop.orders" in listed.text
    told = yaml.safe_load(path.read_text())
    told["tenant"]["assets"]["pipelines"]["orders"]["trino_output"]["target_schema"] = "globex"
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    assert target.etl("check").code == 0
