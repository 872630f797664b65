"""Attacks the law of ownership where a run is of some assets of a job, or of one tenant of a shared location.

A run of a pipeline or of a stage publishes nothing of another one, and a run of a tenant nothing of another tenant.
"""

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS


def published(target: Target) -> set[str]:
    """The stages of pipelines that have objects, of all tenants."""
    lake = target.project.data / "lake"
    return {"/".join(path.relative_to(lake).parts[:3]) for path in target.project.published()}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_of_some_assets_makes_no_others_in_any_location(target: Target) -> None:
    items = {"source_table": "orders", "date_column": "created_at", "partitions": {"start": DAYS[0], "end": DAYS[2]}}
    target.project.write_tenant({"assets": {"pipelines": {"items": items}}})
    target.project.write_tenant({}, tenant="beta")
    (target.project.root / "pyproject.toml").write_text("[tool.etl]\nshards = 2\n")
    (target.project.root / "workspace.yaml").write_text(
        "load_from:\n"
        + "".join(
            f"  - python_module: {{module_name: etl.all, attribute: shard_{number}, location_name: shard_{number},"
            " working_directory: .}\n"
            for number in (1, 2)
        )
    )
    assert "not-served" not in target.etl("check").text
    said = target.etl("run", "acme", "--pipeline", "items", "--from", DAYS[0], "--to", DAYS[1])
    assert said.code == 0, said.text
    assert published(target) == {"acme/extract/items"}
    said = target.etl("run", "acme", "--job", "orders", "--from", DAYS[0])
    assert said.code == 0, said.text
    assert "Write `etl run acme --pipeline orders`" in said.text
    before = {"acme/extract/items", "acme/extract/orders", "acme/transfer/orders"}
    assert published(target) == before
    assert target.warehouse("SELECT count(*) FROM shop.orders") == [(20,)]
    target.warehouse("DELETE FROM shop.orders WHERE order_id = 101")
    said = target.etl("run", "acme", "--pipeline", "orders", "--stage", "load", "--from", DAYS[0], "--reload")
    assert said.code == 0, said.text
    assert target.warehouse("SELECT count(*) FROM shop.orders") == [(20,)]
    assert published(target) == before
    refused = target.etl("run", "acme", "--pipeline", "ordres")
    assert refused.code == 2
    assert "did you mean `orders`" in refused.text
