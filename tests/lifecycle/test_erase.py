"""A tenant is erased: nothing of it is left anywhere, and of another tenant nothing is gone."""

import json
from collections.abc import Callable

import pytest
from dagster import DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from tests.cli.conftest import Etl, broke_off
from tests.lifecycle.scan import files_with
from tests.lifecycle.world import World, canary

POINTS = (
    "lifecycle.fenced",
    "lifecycle.begun",
    *(
        f"lifecycle.removed.{each}"
        for each in (
            "runs", "records", "state", "promises", "messages", "pages", "tables", "warehouse_files", "lake", "variables", "files",
        )
    ),
    "lifecycle.certified",
    "lifecycle.erased",
)  # fmt: skip


def test_nothing_is_left_of_the_tenant_and_nothing_is_gone_of_the_other(world: World, etl: Etl) -> None:
    before, other = files_with(canary("acme"), *world.folders), files_with(canary("acme_eu"), *world.folders)
    kinds = ("lake/acme/", "_quarantine/", "warehouse/", "history/runs/", "storage/", "notify.sqlite", "sla.sqlite",
             "demo/", "staging/", ".env", "quarantine/", "last_good/", "portal/")  # fmt: skip
    assert [each for each in kinds if not any(each in path for path in before)] == []  # the scan finds all of them

    said = etl("tenant", "erase", "acme")
    assert said.code == 0, said.err
    assert "Nothing was changed" in said.out
    assert files_with(canary("acme"), *world.folders) == before

    said = etl("tenant", "erase", "acme", "--confirm", "acme")
    assert said.code == 0, said.err
    assert files_with(canary("acme"), *world.folders) == []
    assert files_with(canary("acme_eu"), *world.folders) == other
    assert world.run("acme_eu").success
    assert [each.name for each in (world.project.root / "tenants").iterdir() if each.is_dir()] == ["acme_eu"]
    assert "tenants.acme.definitions" not in (world.project.root / "workspace.yaml").read_text()
    assert "tenants.acme_eu.definitions" in (world.project.root / "workspace.yaml").read_text()
    with world.instance() as instance:
        assert not [key for key in instance.all_asset_keys() if key.path[0] == "acme"]
        assert [key for key in instance.all_asset_keys() if key.path[0] == "acme_eu"]


def test_the_certificate_tells_numbers_and_what_could_not_be_erased_and_no_value(world: World, etl: Etl) -> None:
    etl("tenant", "erase", "acme", "--confirm", "acme")
    (path,) = (world.project.root / "certificates").glob("*.json")
    content = json.loads(path.read_text())
    amounts = {each["place"]: each for each in content["removed"]}
    assert amounts["lake"]["count"] == 9  # three days of extract, transfer and rejected rows
    assert amounts["tables"]["rows"] == 3 * 8 - 1 + 3  # good rows of three days, and the ledger's entries
    assert amounts["runs"]["count"] == 1
    assert amounts["variables"]["count"] == 1
    assert not any(each["count"] for each in content["remaining"])
    assert any("downstream" in each["what"] for each in content["not_erased"])
    text = path.with_suffix(".txt").read_text()
    assert "nothing is left in these places" in text
    assert "CANARY" not in path.read_text() + text


@pytest.mark.slow
def test_interrupted_at_any_point_it_goes_on_to_the_end(world: World, etl: Etl, fault: Callable[[str], None]) -> None:
    for point in POINTS:
        fault(point)
        broke_off(etl("tenant", "erase", "acme", "--confirm", "acme"))
    fault("")
    said = etl("tenant", "erase", "acme", "--confirm", "acme")
    assert said.code == 0, said.err
    assert files_with(canary("acme"), *world.folders) == []
    certificates = [json.loads(each.read_text()) for each in (world.project.root / "certificates").glob("*.json")]
    (content,) = certificates
    assert {each["place"]: each["count"] for each in content["removed"]}["lake"] == 9


def test_while_a_run_is_going_on_nothing_is_erased(world: World, etl: Etl) -> None:
    with world.instance() as instance:
        run = create_run_for_test(instance, "acme_all", status=DagsterRunStatus.STARTED, tags={"tenant": "acme"})
        create_run_for_test(instance, "acme_eu_all", status=DagsterRunStatus.STARTED, tags={"tenant": "acme_eu"})
    before = files_with(canary("acme"), *world.folders)
    said = etl("tenant", "erase", "acme", "--confirm", "acme")
    assert said.code == 2
    assert run.run_id in said.err
    assert "terminate" in said.err
    assert files_with(canary("acme"), *world.folders) == before


@pytest.mark.slow
def test_an_old_copy_of_the_files_does_not_bring_the_tenant_back(world: World, etl: Etl) -> None:
    copy = (world.project.root / "tenants" / "acme" / "config.yaml").read_text()
    assert etl("tenant", "erase", "acme", "--confirm", "acme").code == 0
    world.project.write_tenant({}, tenant="acme").write_text(copy)
    done = world.run("acme")
    assert not done.success
    (failure,) = [each for each in done.all_events if each.is_step_failure][:1]
    assert "was erased" in str(failure.step_failure_data.error)
    assert not (world.project.data / "lake" / "acme" / "extract").exists()


def test_another_id_is_no_confirmation(world: World, etl: Etl) -> None:
    said = etl("tenant", "erase", "acme", "--confirm", "acme_eu")
    assert said.code == 2
    assert "give the same id twice" in said.err


@pytest.mark.slow
def test_tables_on_a_trino_are_refused_with_what_to_do_there(world: World, etl: Etl) -> None:
    catalog = {"type": "sql", "uri": "sqlite:///:memory:", "warehouse": "s3://nowhere"}
    place = {"type": "trino", "host": "nowhere", "iceberg": catalog}
    world.project.write_tenant({"warehouse": place}, tenant="acme")
    said = etl("tenant", "erase", "acme")
    assert said.code == 2
    assert "SELECT DISTINCT schema_name, table_name" in said.err
    said = etl("tenant", "erase", "acme", "--without-warehouse", "--confirm", "acme")
    assert said.code == 0, said.err
    text = next((world.project.root / "certificates").glob("*.txt")).read_text()
    assert "the command was given --without-warehouse" in text
