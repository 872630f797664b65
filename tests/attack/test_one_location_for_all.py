"""Attacks the law of ownership where all tenants are one code location: `etl.all`.

The process of a run loads only the code of its own tenant, and takes the others' variables away before it does. What a
tenant merges by hand takes no other tenant down, and is refused with the file and the remedy where it cannot be merged.
"""

import json
from pathlib import Path

import pytest

from tests.attack.target import Target

WRITES_DOWN = '''"""Writes down which process loads it, and what that process may read."""

import json
import os

from etl import build_tenant_definitions

with open({path!r}, "a", encoding="utf-8") as file:
    file.write(json.dumps([os.getpid(), sorted(os.environ)]) + "\\n")
defs = build_tenant_definitions({tenant!r})
'''
TRANSFORM = '''"""Writes down which process executes it."""

import os
from pathlib import Path

import polars as pl


def orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    """The rows as they are."""
    Path({path!r}).write_text(str(os.getpid()), encoding="utf-8")
    return orders
'''
MERGES = '''"""A tenant with definitions of its own."""

import dagster as dg

from etl import build_tenant_definitions

defs = dg.Definitions.merge(build_tenant_definitions("acme"), dg.Definitions({own}))
'''


def of_one_location(target: Target) -> None:
    """Serve all tenants under the name that `etl run acme` asks for."""
    target.project.write_tenant({}, tenant="beta")
    (target.project.root / "workspace.yaml").write_text(
        "load_from:\n  - python_module:\n      module_name: etl.all\n      attribute: defs\n"
        "      location_name: acme\n      working_directory: .\n"
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_process_of_a_run_loads_no_other_tenant(target: Target, tmp_path: Path) -> None:
    of_one_location(target)
    loaded = {tenant: tmp_path / f"{tenant}.jsonl" for tenant in ("acme", "beta")}
    for tenant, path in loaded.items():
        code = WRITES_DOWN.format(path=str(path), tenant=tenant)
        (target.project.root / "tenants" / tenant / "definitions.py").write_text(code)
    executed = tmp_path / "executed"
    target.project.write_transform(TRANSFORM.format(path=str(executed)))
    target.environ.update({"BETA_DB_PASSWORD": "Sprosser-8-of-beta", "ACME_TOKEN": "Bluthaenfling-9"})
    target.run_days("2026-01-01", "2026-01-01")

    worker = int(executed.read_text())
    seen = {name: dict(map(json.loads, path.read_text().splitlines())) for name, path in loaded.items()}
    assert seen["beta"], "the code server loads every tenant"
    assert worker not in seen["beta"], "the run's process does not"
    assert "ACME_TOKEN" in seen["acme"][worker]
    assert "BETA_DB_PASSWORD" not in seen["acme"][worker], "taken away before the tenant's code is loaded"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("own", "problem", "remedy"),
    [
        ("executor=dg.multiprocess_executor", "both have an executor", "define_asset_job(..., executor_def=...)"),
        ('resources={"acme_lake": "mine"}', "different resources with same key", "rename what has a key"),
    ],
)
def test_what_cannot_be_merged_is_refused_with_file_and_remedy(
    target: Target, own: str, problem: str, remedy: str
) -> None:
    target.project.write_tenant({}, tenant="beta")
    (target.project.root / "tenants" / "acme" / "definitions.py").write_text(MERGES.format(own=own))
    by_dagster = target.dagster("definitions", "validate", "-m", "tenants.acme.definitions", "-a", "defs")
    together = target.dagster("definitions", "validate", "-m", "etl.all")
    for said in (target.etl("check"), by_dagster, together):
        assert said.code != 0, said.text
        text = " ".join(said.text.split())
        assert "tenants/acme/definitions.py cannot be merged with what config.yaml defines" in text
        assert problem in text
        assert remedy in text
    assert target.etl("check", "beta").code == 0


def test_loggers_and_resources_of_ones_own_are_merged(target: Target) -> None:
    own = 'resources={"mine": "x"}, loggers={"mine": dg.colored_console_logger}'
    (target.project.root / "tenants" / "acme" / "definitions.py").write_text(MERGES.format(own=own))
    said = target.etl("check", "acme")
    assert said.code == 0, said.text


def test_an_executor_for_everything_takes_no_other_tenant_down(target: Target) -> None:
    target.project.write_tenant({}, tenant="beta")
    path = target.project.root / "tenants" / "acme" / "definitions.py"
    path.write_text("import dagster as dg\n\ndefs = dg.Definitions(executor=dg.multiprocess_executor)\n")
    listed = target.command(
        ["python", "-c", "from etl.all import defs; print(*map(str, defs.resolve_all_asset_keys()))"]
    )
    assert listed.code == 0, listed.text
    for key in ("['acme', 'broken', 'configuration']", "['beta', 'extract', 'orders']"):
        assert key in listed.out


@pytest.mark.slow
def test_a_job_of_a_tenant_whose_id_begins_alike_is_not_taken(target: Target) -> None:
    of_one_location(target)
    target.project.write_tenant({}, tenant="acme_eu")
    for job in ("eu_all", "acme_eu_all", "eu_daily_etl"):
        said = target.etl("run", "acme", "--job", job)
        assert said.code == 2, said.text
        assert "tenant acme has no job" in said.text
    assert not target.project.published()


def test_a_job_with_the_name_of_another_tenants_job_is_found_by_check(target: Target) -> None:
    target.project.write_tenant({}, tenant="acme_eu")
    target.project.write_tenant({"jobs": {"eu_all": {"selection": "*"}}})
    said = target.etl("check")
    assert said.code == 2, said.text
    assert "the job `eu_all` of tenant acme and the job `all` of tenant acme_eu have one name, acme_eu_all" in said.text
