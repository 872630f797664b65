"""`etl explain` on a real project: what it says after real runs, and what it does not know."""

import shutil

import polars as pl
import pytest
from dagster import AssetKey, DagsterInstance

from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.settings import load_settings
from tests.tiny_project import TRANSFORM, TinyProject

from .conftest import Etl

LAST_DAY = {"partitions": {"start": "2026-01-03", "end": "2026-01-03", "timezone": "Asia/Seoul"}}
RULES = [{"column": "order_id", "type": "not_null"}, {"column": "cents", "type": "in_range", "min": 100}]


def run(project: TinyProject, day: str = "2026-01-03", *stages: str) -> bool:
    with DagsterInstance.from_config(str(project.data / "dagster")) as instance:
        job = definitions_of(load_tenant("acme", load_settings())).resolve_job_def("acme_all")
        chosen = [AssetKey(["acme", stage, "orders"]) for stage in stages] or None
        return job.execute_in_process(
            partition_key=day, instance=instance, asset_selection=chosen, raise_on_error=False
        ).success


def test_what_never_ran_is_unknown_and_not_healthy(etl: Etl, project: TinyProject) -> None:
    said = etl("explain", "acme/orders")
    assert said.code == 3
    assert "is unknown: nothing is known: Dagster's event log has no run of it" in said.out
    assert "healthy" not in said.out


def test_what_ran_is_healthy_with_the_evidence(etl: Etl, project: TinyProject) -> None:
    project.write_pipeline(LAST_DAY)
    assert run(project)
    said = etl("explain", "acme/orders")
    assert said.code == 0, said.out + said.err
    assert "acme/orders is healthy: the last known run succeeded, and nothing is promised" in said.out
    assert "extract 2026-01-03: 20 rows published" in said.out
    assert "transfer 2026-01-03: 20 rows published" in said.out
    assert "load: the ledger says that 20 rows were loaded into shop.orders" in said.out
    assert "shop.orders has 20 rows of it now" in said.out
    assert "Owners: team:shop; no target sends a message to anybody." in said.out


def test_a_complete_day_that_is_not_there_is_missing(etl: Etl, project: TinyProject) -> None:
    """Days that never ran, and a day in the middle whose object is gone, or has no bytes any more."""
    assert run(project)
    said = etl("explain", "acme/orders")
    assert said.code == 1
    assert "is missing: 2026-01-01, 2026-01-02 are complete, and the lake has no object of them" in said.out
    assert "- `etl run acme --pipeline orders --from 2026-01-01 --to 2026-01-02`" in said.out
    said = etl("explain", "acme/orders", "--partition", "2026-01-01")
    assert said.code == 1
    assert "is missing: 2026-01-01 is complete, and the lake has no object of it" in said.out
    assert "- `etl run acme --pipeline orders --from 2026-01-01`" in said.out
    assert run(project, "2026-01-01")
    assert run(project, "2026-01-02")
    assert etl("explain", "acme/orders").code == 0
    transferred = project.data / "lake/acme/transfer/orders/dt=2026-01-02/data.parquet"
    content = transferred.read_bytes()
    transferred.write_bytes(b"")
    said = etl("explain", "acme/orders")
    assert said.code == 1
    assert "is missing: the published object of 2026-01-02 has 0 bytes" in said.out
    assert etl("explain", "acme/orders", "--partition", "2026-01-02").code == 1
    assert etl("explain", "acme/orders", "--partition", "2026-01-01").code == 0
    transferred.write_bytes(content)
    shutil.rmtree(project.data / "lake/acme/extract/orders/dt=2026-01-01")
    said = etl("explain", "acme/orders")
    assert said.code == 1
    assert "is missing: 2026-01-01 " in said.out


def test_a_promise_about_data_that_is_gone_is_not_on_track(etl: Etl, project: TinyProject) -> None:
    project.write_pipeline({**LAST_DAY, "sla": {"freshness": {"max_age_hours": 24}}})
    assert run(project)
    assert "promise max_age: on track" in etl("explain", "acme/orders").out
    shutil.rmtree(project.data / "lake")
    said = etl("explain", "acme/orders")
    assert said.code == 1
    assert "promise max_age: unmeasured, what was published is gone from the lake" in said.out


def test_rows_that_another_configuration_judged_are_told(etl: Etl, project: TinyProject) -> None:
    assert run(project)
    assert "configuration has changed since" not in etl("explain", "acme/orders").out
    project.write_pipeline({"quality": {"rules": [{"column": "cents", "type": "in_range", "min": 10_000_000}]}})
    assert "transfer 2026-01-03: the configuration has changed since" in etl("explain", "acme/orders").out


def test_a_blocked_run_is_told_with_rule_rows_and_commands(
    etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_UI_URL", "http://localhost:3000/")
    project.write_pipeline({"quality": {"rules": RULES}})
    assert not run(project)
    said = etl("explain", "acme/orders")
    assert said.code == 1
    assert "is blocked: acme/orders [2026-01-03] transfer: nothing was published" in said.out
    assert "in_range__cents failed for 1 of 20 rows" in said.out
    assert "the rule `in_range__cents` at tenants/acme/config.yaml:" in said.out
    assert "`etl run acme --pipeline orders --from 2026-01-03`" in said.out
    assert "http://localhost:3000/assets/acme/load/orders" in said.out
    assert "이름" not in said.out


def test_rows_that_were_set_aside_are_named_with_their_place(etl: Etl, project: TinyProject) -> None:
    project.write_pipeline({"quality": {"rules": RULES, "on_failure": "quarantine"}})
    assert run(project)
    said = etl("explain", "acme/orders")
    assert "1 rows were set aside, `etl quarantine show acme orders --partition 2026-01-03`" in said.out


@pytest.mark.slow
def test_what_is_out_of_date_is_stale_although_its_last_run_succeeded(etl: Etl, project: TinyProject) -> None:
    project.write_pipeline(LAST_DAY)
    assert run(project)
    project.write_transform(TRANSFORM.replace("* 100", "* 1000"))
    assert run(project, "2026-01-03", "transfer")
    said = etl("explain", "acme/orders")
    assert said.code == 1
    assert "is stale: shop.orders holds another version than is published" in said.out


@pytest.mark.slow
def test_a_lake_that_cannot_be_read_is_not_healthy(etl: Etl, project: TinyProject) -> None:
    project.write_pipeline(LAST_DAY)
    assert run(project)
    path = project.data / "lake/acme/transfer/orders/dt=2026-01-03/data.parquet"
    frame = pl.read_parquet(path)
    path.unlink()
    frame.write_parquet(path)
    said = etl("explain", "acme/orders")
    assert said.code == 3
    assert "the lake cannot be read" in said.out
    shutil.rmtree(project.data / "lake")
    said = etl("explain", "acme/orders")
    assert said.code == 1
    assert "is missing: 2026-01-03 was published, and the lake has no object of it now" in said.out
    assert "no partition of it is in the lake" in said.out


def test_a_newest_day_that_is_gone_from_the_lake_is_missing(etl: Etl, project: TinyProject) -> None:
    """An older day that is there does not hide it."""
    project.write_pipeline({"partitions": {**LAST_DAY["partitions"], "start": "2026-01-02"}})
    assert run(project, "2026-01-02")
    assert run(project)
    for stage in ("extract", "transfer"):
        shutil.rmtree(project.data / f"lake/acme/{stage}/orders/dt=2026-01-03")
    for options in ((), ("--partition", "2026-01-03")):
        said = etl("explain", "acme/orders", *options)
        assert said.code == 1, said.out
        assert "is missing: 2026-01-03 was published" in said.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("acme/ordrs",), "did you mean `orders`"),
        (("acme",), "write `etl explain TENANT/PIPELINE`"),
        (("acmee/orders",), "did you mean `acme`"),
        (("acme/orders", "--partition", "soon"), "`soon` is no day"),
        (("acme/orders", "--partition", "2026-01"), "is more than one partition"),
    ],
)
def test_what_makes_no_sense_is_refused(etl: Etl, project: TinyProject, arguments: tuple[str, ...], says: str) -> None:
    said = etl("explain", *arguments)
    assert said.code == 2
    assert says in said.err


def test_an_address_of_the_ui_that_is_none_is_refused(
    etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_UI_URL", "dagster.example.com")
    said = etl("explain", "acme/orders")
    assert said.code == 2
    assert "ETL_UI_URL is `dagster.example.com`" in said.err
