"""One person is erased: from objects, rejected rows, tables and events, and does not come back from the lake."""

import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import duckdb
import polars as pl
import pytest

from etl.cli.start import EXIT_FAILED
from tests.cli.conftest import Etl, broke_off
from tests.lifecycle.scan import files_with
from tests.lifecycle.world import PERSON, World, canary

KEY = ("tenant", "erase-subject", "acme", "--key", "person=-")


@pytest.fixture
def erase(etl: Etl, monkeypatch: pytest.MonkeyPatch) -> Etl:
    def call(*more: str) -> object:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{PERSON}\n"))
        return etl(*KEY, *more)

    return call  # type: ignore[return-value]


def left(world: World) -> list[str]:
    """Where the person still is, of what belongs to the tenant; its source is its own."""
    found = files_with(PERSON, *world.folders)
    return [each for each in found if "acme_eu" not in each and not each.startswith(("demo/", "dagster/"))]


def people(world: World, tenant: str = "acme") -> list[str]:
    with duckdb.connect(world.project.data / "warehouse" / f"{tenant}.duckdb", read_only=True) as db:
        return [row[0] for row in db.execute(f"SELECT person FROM shop.{tenant}_orders ORDER BY order_id").fetchall()]


def delete_in_source(world: World) -> None:
    with closing(sqlite3.connect(world.project.data / "demo" / "acme.sqlite")) as db, db:
        db.execute("DELETE FROM orders WHERE person = ?", (PERSON,))


def test_the_person_is_nowhere_and_nobody_else_is_gone(world: World, erase: Etl) -> None:
    before, others = people(world), people(world, "acme_eu")
    found = left(world)
    assert any("warehouse/acme.duckdb" in each for each in found)
    assert any("lake/acme/transfer_quarantine" in each for each in found)
    assert PERSON in before
    assert "Nothing was changed" in erase().out
    assert left(world) == found

    delete_in_source(world)
    said = erase("--confirm", "acme")
    assert said.code == 0, said.err
    assert left(world) == []
    assert people(world) == [each for each in before if each != PERSON]
    assert people(world, "acme_eu") == others
    with world.instance() as instance:
        shown = [str(entry) for run in world.runs("acme") for entry in instance.all_logs(run.run_id)]
    assert not [each for each in shown if PERSON in each]
    assert world.config("acme").origin.life is None


@pytest.mark.slow
def test_the_lake_does_not_bring_the_person_back_and_the_days_are_reconciled(
    world: World, erase: Etl, etl: Etl
) -> None:
    delete_in_source(world)
    assert erase("--confirm", "acme").code == 0
    tables = people(world)
    assert world.run("acme", stages=("load",)).success
    assert people(world) == tables
    assert world.run("acme", stages=("transfer", "load", "quarantine")).success
    assert people(world) == tables
    said = etl("verify", "acme", "--pipeline", "orders")
    assert said.code == 0, said.out + said.err


@pytest.mark.slow
def test_the_footers_say_it_and_keep_their_origin(world: World, erase: Etl) -> None:
    from etl.lake.lake import ObjectRef, open_lake

    ref = ObjectRef(tenant="acme", stage="transfer", pipeline="orders", partition="2026-01-03")
    before = open_lake(world.settings).find(ref)
    assert erase("--confirm", "acme").code == 0
    after = open_lake(world.settings).find(ref)
    assert before is not None
    assert after is not None
    assert after.provenance.run_id == before.provenance.run_id
    assert after.provenance.format == 3
    assert after.provenance.erased is not None
    assert after.provenance.erased.before == before.version
    assert after.provenance.erased.rows == 2  # a good row and a rejected one
    assert after.provenance.rows_read == before.provenance.rows_read - 2
    assert after.provenance.rows == before.provenance.rows - 1
    extract = open_lake(world.settings).find(ref.model_copy(update={"stage": "extract"}))
    assert extract is not None
    assert after.provenance.inputs is not None
    assert after.provenance.inputs.listed[0].version == extract.version
    quarantined = list((world.project.data / "lake" / "acme" / "transfer_quarantine" / "orders").rglob("*.parquet"))
    assert len(quarantined) == 3
    assert [pl.read_parquet(each).height for each in sorted(quarantined)] == [0, 1, 1]  # a person discarded the first


@pytest.mark.slow
def test_what_the_source_would_bring_back_is_told(world: World, erase: Etl) -> None:
    said = erase("--confirm", "acme")
    assert said.code == 0, said.err
    assert "the source of the pipeline orders has 6 rows of the person" in said.out


@pytest.mark.slow
def test_the_certificate_holds_no_value(world: World, erase: Etl) -> None:
    assert erase("--confirm", "acme").code == 0
    (path,) = (world.project.root / "certificates").glob("*.json")
    content = json.loads(path.read_text())
    assert content["subject"] == "person"
    text = path.read_text() + path.with_suffix(".txt").read_text()
    assert PERSON not in text
    assert canary("acme") not in text


@pytest.mark.slow
def test_interrupted_at_any_point_it_goes_on(world: World, erase: Etl, fault: Callable[[str], None]) -> None:
    before = people(world)
    delete_in_source(world)
    points = ("begun", "object_rewritten", "object_rewritten@2", "rejected_rewritten", "objects_rewritten",
              "partition_loaded", "loaded_again", "previews_removed", "certified")  # fmt: skip
    for point in points:
        fault(f"lifecycle.{point}")
        broke_off(erase("--confirm", "acme"))
        if point == "object_rewritten":
            done = world.run("acme", stages=("load",))
            assert not done.success  # no run works in between
    fault("")
    said = erase("--confirm", "acme")
    assert said.code == 0, said.err
    assert left(world) == []
    assert people(world) == [each for each in before if each != PERSON]
    (path,) = (world.project.root / "certificates").glob("*.json")
    assert json.loads(path.read_text())["interruptions"] == len(points)
    assert world.run("acme", stages=("load",)).success


@pytest.mark.slow
def test_another_persons_erasure_waits_for_the_first(
    world: World, erase: Etl, etl: Etl, fault: Callable[[str], None]
) -> None:
    fault("lifecycle.objects_rewritten")
    broke_off(erase("--confirm", "acme"))
    fault("")
    said = etl("tenant", "erase-subject", "acme", "--key", "person=4711004", "--confirm", "acme")
    assert said.code == 2
    assert "another person was not finished" in said.err


@pytest.mark.slow
def test_a_person_without_rows_is_told_by_the_exit_code(
    world: World, etl: Etl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBJECT", "nobody")
    said = etl("tenant", "erase-subject", "acme", "--key", "person=@SUBJECT", "--confirm", "acme")
    assert said.code == EXIT_FAILED
    assert etl("tenant", "erase-subject", "acme", "--key", "person=@MISSING").code == 2


def test_objects_without_the_key_are_named(world: World, etl: Etl) -> None:
    said = etl("tenant", "erase-subject", "acme", "--key", "cents=1")
    assert "not examined, because it lacks a key column: extract orders" in said.out
