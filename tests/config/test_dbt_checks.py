"""What `dbt:` of a tenant's file may not say, with the line where it stands."""

from collections.abc import Callable

import pytest

from tests.config.conftest import Project


@pytest.mark.parametrize("name", ["tenant", "schema", "partition_start", "partition_end"])
def test_a_variable_that_the_product_gives_is_refused(one_problem: Callable[..., str], name: str) -> None:
    problem = one_problem(f"id: acme\ndbt:\n  vars:\n    word: hello\n    {name}: beta\n")
    assert f"the dbt variable `{name}` is given by the product at tenants/acme/config.yaml:5:" in problem
    assert "allowed: " in problem


@pytest.mark.parametrize(
    ("dbt", "whose"),
    [
        ("schema: etl_ledger", "the loads themselves"),
        ("schema: ETL_Kept", "the loads themselves"),
        ("schema: etl_staging", "the loads themselves"),
        ("schema: information_schema", "DuckDB"),
        ("schema: pg_catalog, target: postgres", "the database"),
        ("schema: pg_toast, target: postgres", "the database"),
    ],
)
def test_a_schema_that_is_nobodys_is_refused(one_problem: Callable[..., str], dbt: str, whose: str) -> None:
    problem = one_problem(f"id: acme\ndbt: {{{dbt}}}\n")
    assert f"belongs to {whose} at tenants/acme/config.yaml:2:" in problem
    assert "allowed: a schema of the tenant's own" in problem


def test_other_variables_and_schemas_are_accepted(project: Project) -> None:
    found = project.load("id: acme\ndbt: {schema: marts, vars: {tenants: 3, start: x}}\n")
    assert (found.dbt.target_schema, dict(found.dbt.variables)) == ("marts", {"tenants": 3, "start": "x"})
