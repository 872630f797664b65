"""Attacks on the life of a tenant: exports that name other places, and erasures that leave something."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dagster import AssetCheckEvaluation, AssetKey

from etl.warehouse import subject_rows
from etl.warehouse.contract import Column
from etl.warehouse.key_value import RowCondition
from tests.cli.conftest import Etl, broke_off
from tests.lifecycle.conftest import elsewhere, etl, fault, filled, world
from tests.lifecycle.scan import files_with
from tests.lifecycle.test_export import export
from tests.lifecycle.world import World, canary, pipelines

__all__ = ["elsewhere", "etl", "export", "fault", "filled", "world"]


@pytest.mark.parametrize("name", ["../../outside", "/outside", "Acme", "_template", "a b", ""])
def test_an_export_whose_tenant_is_no_id_is_refused_before_anything_is_written(
    world: World, etl: Etl, tmp_path: Path, name: str
) -> None:
    assert etl("tenant", "export", "acme", "--out", str(tmp_path / "export")).code == 0
    manifest = tmp_path / "export" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "tenant": name}))
    before = sorted(tmp_path.rglob("*"))
    said = etl("tenant", "import", str(tmp_path / "export"))
    assert (said.code, "tenant" in said.err) == (2, True)
    assert sorted(tmp_path.rglob("*")) == before


def test_events_of_no_run_are_erased_too(world: World, etl: Etl) -> None:
    """A sensor or a command judges a check without a run; SQLite keeps such events in a file of their own."""
    with world.instance() as instance:
        for tenant in ("acme", "acme_eu"):
            key = AssetKey([tenant, "load", "orders"])
            evaluation = AssetCheckEvaluation(
                asset_key=key, check_name="reconciled", passed=True, metadata={"x": canary(tenant)}
            )
            instance.report_runless_asset_event(evaluation)
    other = files_with(canary("acme_eu"), *world.folders)
    assert any("runs/.db" in each or "index.db" in each for each in files_with(canary("acme"), *world.folders))
    assert etl("tenant", "erase", "acme", "--confirm", "acme").code == 0
    assert files_with(canary("acme"), *world.folders) == []
    assert files_with(canary("acme_eu"), *world.folders) == other


def test_a_tenant_that_was_renamed_is_erased_with_what_stood_under_its_old_id(world: World, etl: Etl) -> None:
    said = etl("tenant", "rename", "acme", "umbrella", "--confirm", "acme")
    assert said.code == 0, said.err
    env = world.project.root / ".env"
    env.write_text(env.read_text().replace("ACME_DB", "UMBRELLA_DB"))
    said = etl("tenant", "erase", "umbrella", "--confirm", "umbrella")
    assert said.code == 0, said.err
    assert files_with(canary("acme"), *world.folders) == []
    assert files_with(canary("acme_eu"), *world.folders) != []


def _table(world: World, sql: str) -> None:
    """A table as dbt of the tenant may have built it: everything in the file is the tenant's."""
    with duckdb.connect(world.project.data / "warehouse" / "acme.duckdb") as db:
        db.execute("CREATE SCHEMA IF NOT EXISTS dbt")
        db.execute(f"CREATE TABLE dbt.{sql}")


def _count(world: World, table: str, where: str) -> int:
    with duckdb.connect(world.project.data / "warehouse" / "acme.duckdb", read_only=True) as db:
        found = db.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()
        assert found is not None
        return int(found[0])


def _certificate(world: World) -> dict[str, Any]:
    (path,) = (world.project.root / "certificates").glob("*.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize("key", ["order_id=0203", "amount=3"])
def test_a_person_is_found_by_the_columns_type_in_objects_and_in_every_table(world: World, etl: Etl, key: str) -> None:
    where = key.replace("=0", "=")
    _table(world, "m_orders AS SELECT order_id, amount, name FROM shop.acme_orders")
    assert _count(world, "dbt.m_orders", where) > 0
    said = etl("tenant", "erase-subject", "acme", "--key", key, "--confirm", "acme")
    assert said.code == 0, said.out + said.err
    assert _count(world, "dbt.m_orders", where) == 0
    assert _count(world, "shop.acme_orders", where) == 0
    removed = {each["place"]: each["rows"] for each in _certificate(world)["removed"]}
    assert removed["tables"] > 0
    assert removed["objects"] > 0


def test_what_cannot_be_compared_and_other_spellings_are_no_success(world: World, etl: Etl) -> None:
    _table(world, "m_json AS SELECT [order_id] AS order_id, name FROM shop.acme_orders")
    _table(world, "m_text AS SELECT CAST(order_id AS VARCHAR) AS order_id, name FROM shop.acme_orders")
    call = ("tenant", "erase-subject", "acme", "--key", "order_id=0203")
    said = etl(*call)
    assert said.code == 3
    assert "dbt.m_json" in said.out
    assert "1 rows of dbt.m_text with the value in another spelling" in said.out
    said = etl(*call, "--confirm", "acme")
    assert said.code == 3
    named = [each["what"] for each in _certificate(world)["not_examined"]]
    assert [each for each in named if "m_json" in each]
    assert [each for each in named if "m_text" in each]
    said = etl("tenant", "erase-subject", "acme", "--key", "order_id=203", "--confirm", "acme")
    assert said.code == 3  # the list is still there
    assert _count(world, "dbt.m_text", "order_id = '203'") == 0


def test_the_scan_at_the_end_does_not_trust_the_deletion(
    world: World, etl: Etl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comparison that finds too little, in the deletion and in the count alike."""
    right = subject_rows.condition

    def too_little(column: Column, value: str) -> RowCondition | None:
        found = right(column, value)
        return found._replace(sql=f"({found.sql}) AND name IS NULL") if found and column.name == "amount" else found

    monkeypatch.setattr(subject_rows, "condition", too_little)
    said = etl("tenant", "erase-subject", "acme", "--key", "amount=3", "--confirm", "acme")
    assert said.code == 0  # the table was loaded again from the objects
    _table(world, "m_orders AS SELECT 3.0::DOUBLE AS amount, 'x' AS name")
    said = etl("tenant", "erase-subject", "acme", "--key", "amount=3", "--confirm", "acme")
    assert said.code == 1
    assert "still there" in said.err
    monkeypatch.undo()
    monkeypatch.chdir(world.project.root)


def test_a_person_without_rows_and_a_misspelled_column_are_told_apart(world: World, etl: Etl) -> None:
    said = etl("tenant", "erase-subject", "acme", "--key", "person=NOBODY")
    assert said.code == 1
    assert "the person has no row of acme anywhere" in said.out
    assert "would lose" not in said.out
    said = etl("tenant", "erase-subject", "acme", "--key", "persn=4711003")
    assert said.code == 2
    assert "did you mean `person`?" in said.err


def test_the_certificate_counts_the_objects_of_each_pipeline(world: World, etl: Etl) -> None:
    shutil.copytree(world.project.data / "lake/acme/extract/orders", world.project.data / "lake/acme/extract/other")
    said = etl("tenant", "erase-subject", "acme", "--key", "cents=300", "--confirm", "acme")
    assert said.code == 0, said.err
    assert "extract of the pipeline orders: 3 objects were not examined" in said.out
    assert "extract of the pipeline other: 3 objects were not examined" in said.out


def _with_own_source(world: World) -> None:
    """The tenant reads a file of its own folder, its Python imports from there, and its dbt names the folder."""
    folder = world.project.root / "tenants" / "acme"
    shutil.move(world.project.data / "demo" / "acme.sqlite", folder / "src.sqlite")
    source = {"driver": "sqlite", "database": "tenants/acme/src.sqlite", "host": None, "username": None}
    world.project.write_tenant({"source_database": source, "assets": {"pipelines": pipelines("acme")}})
    text = (folder / "config.yaml").read_text()
    text = "".join(line for line in text.splitlines(keepends=True) if "_DB_" not in line and ": null" not in line)
    (folder / "config.yaml").write_text(text)
    assert world.run("acme", stages=("extract",)).success


def test_a_tenant_whose_source_lies_in_its_own_folder_is_renamed(world: World, etl: Etl) -> None:
    _with_own_source(world)
    said = etl("tenant", "rename", "acme", "acme_new", "--confirm", "acme")
    assert said.code == 0, said.err
    assert "tenants/acme_new/src.sqlite" in (world.project.root / "tenants/acme_new/config.yaml").read_text()
    assert world.run("acme_new", stages=("extract", "load")).success
    assert not (world.project.root / "tenants" / "acme").exists()


def _everything(world: World) -> dict[str, bytes]:
    """Every file but those of Dagster, of locks, and those that are made again."""
    skipped = ("dagster", "locks", "__pycache__", "staging", "last_good", "portal")
    return {
        str(path): path.read_bytes()
        for folder in world.folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(each in path.parts for each in skipped)
    }


def _promises(world: World) -> list[Any]:
    with closing(sqlite3.connect(world.project.data / "sla.sqlite")) as db:
        return db.execute("SELECT * FROM states ORDER BY tenant").fetchall()


@pytest.mark.parametrize("taken", ["variable", "warehouse", "workspace"])
def test_a_renaming_that_cannot_end_is_refused_before_anything_is_written(
    world: World, etl: Etl, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if taken == "variable":  # the file is not valid under the new id, in an environment where variables must be set
        monkeypatch.setenv("DAGSTER_ENVIRONMENT", "prod")
        for each in ("HOST", "NAME", "USER", "PASSWORD"):
            monkeypatch.setenv(f"ACME_DB_{each}", "x")
    elif taken == "warehouse":
        (world.project.data / "warehouse" / "zenith.duckdb").write_bytes(b"")
    else:
        workspace = world.project.root / "workspace.yaml"
        workspace.write_text(workspace.read_text() + "other: {}\n")
    before = _everything(world)
    said = etl("tenant", "rename", "acme", "zenith", "--confirm", "acme")
    assert said.code == 2
    assert {"variable": "ZENITH_DB_HOST", "warehouse": "zenith.duckdb", "workspace": "workspace.yaml"}[
        taken
    ] in said.err
    assert _everything(world) == before
    monkeypatch.undo()


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", ["fenced", "files_renamed", "object_renamed@2", "objects_renamed", "state_renamed", "objects_removed"]
)
def test_an_interrupted_renaming_can_be_given_up(
    world: World, etl: Etl, fault: Callable[[str], None], point: str
) -> None:
    before = _everything(world)
    with duckdb.connect(world.project.data / "warehouse" / "acme.duckdb", read_only=True) as db:
        ledger = db.execute("SELECT * FROM etl_ledger.loads ORDER BY seq").fetchall()
    promises = _promises(world)
    fault(f"lifecycle.{point}")
    broke_off(etl("tenant", "rename", "acme", "zenith", "--confirm", "acme"))
    fault("")
    said = etl("tenant", "erase", "acme", "--confirm", "acme")
    assert (said.code, "--undo" in said.err) == (2, True)
    said = etl("tenant", "rename", "acme", "--undo", "--confirm", "acme")
    assert said.code == 0, said.err
    after = _everything(world)
    changed = {each for each in before.keys() | after.keys() if before.get(each) != after.get(each)}
    rewritten = {str(world.project.data / name) for name in ("warehouse/acme.duckdb", "sla.sqlite")}
    assert {each for each in changed if "/life/" not in each} <= rewritten
    assert _promises(world) == promises
    with duckdb.connect(world.project.data / "warehouse" / "acme.duckdb", read_only=True) as db:
        assert db.execute("SELECT * FROM etl_ledger.loads ORDER BY seq").fetchall() == ledger
    assert world.run("acme", stages=("load",)).success
    assert etl("tenant", "rename", "acme", "--undo", "--confirm", "acme").code == 2
    assert etl("tenant", "rename", "acme", "zenith", "--confirm", "acme").code == 0


def test_a_renaming_goes_on_with_a_file_that_a_person_has_corrected(
    world: World, etl: Etl, fault: Callable[[str], None]
) -> None:
    fault("lifecycle.files_renamed")
    broke_off(etl("tenant", "rename", "acme", "zenith", "--confirm", "acme"))
    fault("")
    path = world.project.root / "tenants" / "zenith" / "config.yaml"
    path.write_text(path.read_text().replace("name: Acme", "name: Zenith"))
    said = etl("tenant", "rename", "acme", "zenith", "--confirm", "acme")
    assert said.code == 0, said.err
    assert "name: Zenith" in path.read_text()


def _remade(out: Path, change: Callable[[dict[str, Any]], None] | None = None) -> None:
    """The manifest with the hashes that the files have now: whoever changes an export can do that too."""
    path = out / "manifest.json"
    manifest = json.loads(path.read_text())
    for each in manifest["files"]:
        content = (out / each["path"]).read_bytes()
        each |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if change:
        change(manifest)
    path.write_text(json.dumps(manifest))


def _without_a_row(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(1), path)


def _other_row(path: Path) -> None:
    """A table of as many rows, of which one is another: only the ledger's digests show it."""
    rows = pq.read_table(path).to_pylist()
    schema = pq.read_schema(path)
    rows[0] = {**rows[0], "name": "forged"}
    pq.write_table(pa.Table.from_pylist(rows, schema), path)


def _replaced(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def _an_object(out: Path) -> Path:
    return min((out / "lake").rglob("*.parquet"))


FORGED: dict[str, Callable[[Path], object]] = {
    "an empty ledger": lambda out: (out / "ledger.jsonl").write_text(""),
    "a ledger of another tenant": lambda out: _replaced(out / "ledger.jsonl", '"acme"', '"acme_eu"'),
    "a ledger twice": lambda out: (out / "ledger.jsonl").write_text((out / "ledger.jsonl").read_text() * 2),
    "a table with a row less": lambda out: _without_a_row(out / "tables" / "000.parquet"),
    "a table with another row": lambda out: _other_row(out / "tables" / "000.parquet"),
    "an object with a row less": lambda out: _without_a_row(_an_object(out)),
    "a file of another tenant": lambda out: _replaced(out / "tenant" / "config.yaml", "id: acme", "id: acme_eu"),
    "a file that is not valid": lambda out: _replaced(out / "tenant" / "config.yaml", "source_table", "sauce_table"),
    "an empty file": lambda out: (out / "tenant" / "config.yaml").write_text(""),
}
MANIFESTS: dict[str, dict[str, Any]] = {
    "another kind of warehouse": {"warehouse": "postgres"},
    "another tenant": {"tenant": "acme_eu"},
    "a format that is a text": {"format": "1"},
    "a number of entries that is a text": {"entries": "3"},
}


@pytest.mark.parametrize("forged", [*FORGED, *MANIFESTS])
def test_a_refused_import_has_written_nothing_and_the_right_one_is_accepted(
    forged: str, export: tuple[Path, str], etl: Etl, tmp_path: Path, elsewhere: Callable[[], World], world: World
) -> None:
    out = tmp_path / "forged"
    shutil.copytree(export[0], out)
    if forged in FORGED:
        FORGED[forged](out)
        _remade(out)
    else:
        _remade(out, lambda manifest: manifest.update(MANIFESTS[forged]))
    other = elsewhere()
    (other.project.root / "workspace.yaml").write_text("load_from: []\n")
    before = _everything(other)
    said = etl("tenant", "import", str(out))
    assert said.code == 2, said.out
    assert _everything(other) == before
    if forged == "a table with another row":
        said = etl("tenant", "import", str(export[0]))
        assert said.code == 0, said.err


@pytest.mark.slow
@pytest.mark.parametrize("point", ["fenced", "object_imported@3"])
def test_after_a_killed_import_of_another_export_the_right_one_is_accepted(
    point: str, export: tuple[Path, str], etl: Etl, tmp_path: Path, elsewhere: Callable[[], World], world: World,
    fault: Callable[[str], None],
) -> None:  # fmt: skip
    out = tmp_path / "forged"
    shutil.copytree(export[0], out)
    _replaced(out / "tenant" / "config.yaml", "name: Acme", "name: Other")
    _remade(out)
    other = elsewhere()
    fault(f"lifecycle.{point}")
    broke_off(etl("tenant", "import", str(out)))
    fault("")
    said = etl("tenant", "import", str(export[0]))
    assert said.code == 0, said.err
    assert "name: Acme" in (other.project.root / "tenants/acme/config.yaml").read_text()
    assert other.config("acme").origin.life is None


def test_an_erasure_of_an_erased_tenant_names_the_certificate_and_no_other_tenant(world: World, etl: Etl) -> None:
    assert etl("tenant", "erase", "acme", "--confirm", "acme").code == 0
    (proof,) = (world.project.root / "certificates").glob("*.json")
    for confirm in ((), ("--confirm", "acme")):
        said = etl("tenant", "erase", "acme", *confirm)
        assert said.code == 0, said.err
        assert proof.name in said.out
        assert "acme_eu" not in said.out + said.err
    for call in (("erase", "acme_e"), ("erase-subject", "acme_e", "--key", "person=1"), ("erase", "../acme_eu")):
        said = etl("tenant", *call)
        assert said.code == 2
        assert "did you mean" not in said.err
    said = etl("tenant", "erase-subject", "acme", "--key", "person=1")
    assert (said.code, proof.name in said.err) == (2, True)
