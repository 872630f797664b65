"""A tenant is exported, and imported elsewhere: the same objects, tables and ledger; a changed export is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from etl.config.config_loader import load_tenant
from etl.lifecycle.erasable import Subject
from etl.lifecycle.export import export as export_tenant
from tests.cli.conftest import Etl, broke_off
from tests.lifecycle.world import World
from tests.tiny_project import DAYS, TinyProject

Rows = list[tuple[object, ...]]


def tables(world: World) -> tuple[Rows, Rows, list[tuple[object, ...]]]:
    """The table, the ledger, and the table's columns."""
    with duckdb.connect(world.project.data / "warehouse" / "acme.duckdb", read_only=True) as db:
        rows = db.execute("SELECT * FROM shop.acme_orders ORDER BY ALL").fetchall()
        ledger = db.execute("SELECT * FROM etl_ledger.loads ORDER BY seq").fetchall()
        return rows, ledger, db.execute("DESCRIBE shop.acme_orders").fetchall()


def objects(world: World) -> dict[str, bytes]:
    lake = world.project.data / "lake" / "acme"
    return {
        each.relative_to(lake).as_posix(): each.read_bytes()
        for each in sorted(lake.rglob("*.parquet"))
        if not each.is_relative_to(lake / "life")
    }


def exported(etl: Etl, out: Path) -> str:
    said = etl("tenant", "export", "acme", "--out", str(out))
    assert said.code == 0, said.err
    return said.out.rpartition("SHA-256 ")[2].strip()


def test_imported_elsewhere_it_is_the_same_and_a_run_changes_nothing(
    world: World, etl: Etl, tmp_path: Path, elsewhere: Callable[[], World]
) -> None:
    before, lake = tables(world), objects(world)
    source = world.project.data / "demo" / "acme.sqlite"
    digest = exported(etl, tmp_path / "out")
    shutil.copy(source, tmp_path / "source.sqlite")
    assert etl("tenant", "erase", "acme", "--confirm", "acme").code == 0
    other = elsewhere()
    said = etl("tenant", "import", str(tmp_path / "out"), "--sha256", digest)
    assert said.code == 0, said.err
    assert tables(other) == before
    assert objects(other) == lake
    (other.project.data / "demo").mkdir()
    shutil.copy(tmp_path / "source.sqlite", other.project.data / "demo" / "acme.sqlite")
    assert other.run("acme").success
    assert tables(other) == before
    assert set(objects(other)) >= {each for each in lake if "_quarantine" not in each}


@pytest.mark.slow
def test_erased_and_imported_again_on_the_same_instance_only_if_said(world: World, etl: Etl, tmp_path: Path) -> None:
    before = tables(world)
    exported(etl, tmp_path / "out")
    said = etl("tenant", "import", str(tmp_path / "out"))
    assert said.code == 2
    assert "is here already" in said.err
    assert etl("tenant", "erase", "acme", "--confirm", "acme").code == 0
    said = etl("tenant", "import", str(tmp_path / "out"))
    assert said.code == 2
    assert "was erased here" in said.err
    said = etl("tenant", "import", str(tmp_path / "out"), "--over-erased", "acme")
    assert said.code == 0, said.err
    assert tables(world) == before


def _changed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _any_object(out: Path) -> Path:
    return min((out / "lake").rglob("*.parquet"))


def _fewer_entries(out: Path) -> None:
    path = out / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "entries": content["entries"] - 1}))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed object": (lambda out: _changed(_any_object(out)), "was changed"),
    "a changed table": (lambda out: _changed(out / "tables" / "000.parquet"), "was changed"),
    "a changed ledger": (lambda out: _changed(out / "ledger.jsonl"), "was changed"),
    "a missing object": (lambda out: _any_object(out).unlink(), "is missing"),
    "an object more": (
        lambda out: shutil.copy(_any_object(out), out / "lake" / "more.parquet"),
        "does not belong to it",
    ),
    "a link": (lambda out: (out / "lake" / "link").symlink_to("/etc/passwd"), "does not belong to it"),
    "no manifest": (lambda out: (out / "manifest.json").unlink(), "no complete export"),
    "a manifest of another make": (lambda out: (out / "manifest.json").write_text('{"format": 99}'), "format"),
    "a changed manifest": (_fewer_entries, "is not the manifest that was expected"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_changed_or_incomplete_export_is_refused_and_nothing_is_written(
    damage: str, export: tuple[Path, str], etl: Etl, tmp_path: Path, elsewhere: Callable[[], World], world: World
) -> None:
    out, digest = tmp_path / "damaged", export[1]
    shutil.copytree(export[0], out)
    work, says = DAMAGES[damage]
    work(out)
    other = elsewhere()
    said = etl("tenant", "import", str(out), "--sha256", digest) if damage == "a changed manifest" else etl(
        "tenant", "import", str(out)
    )  # fmt: skip
    assert said.code == 2
    assert says in " ".join(said.err.split())
    assert not list((other.project.root / "tenants").iterdir())
    assert not (other.project.data / "lake").exists()


@pytest.fixture(scope="module")
def export(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One export for all damages."""
    root = tmp_path_factory.mktemp("export")
    shutil.copytree(filled, root / "world")
    world = World(TinyProject(root / "world" / "project", root / "world" / "data"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in world.project.environ.items():
            patch.setenv(name, value)
        with world.instance() as instance:
            config = load_tenant("acme", world.settings).as_if_active()
            _, digest = export_tenant(Subject(config, world.settings, instance, "test"), root / "out")
    return root / "out", digest


def interrupted(etl: Etl, folder: Path) -> bool:
    try:
        return etl("tenant", "import", str(folder)).code != 0  # inside the warehouse, it becomes an error of its own
    except OSError:
        return True


@pytest.mark.slow
def test_an_interrupted_import_goes_on(
    export: tuple[Path, str], etl: Etl, elsewhere: Callable[[], World], fault: Callable[[str], None], world: World
) -> None:
    before = tables(world)
    other = elsewhere()
    for point in ("fenced", "table_made", "tables_imported", "object_imported", "objects_imported"):
        fault(f"lifecycle.{point}")
        assert interrupted(etl, export[0])
        config = other.config("acme")
        assert config.origin.life is not None
        assert config.origin.life.state == "importing"  # no run works on a half of it
        half = etl("tenant", "export", "acme", "--out", str(other.project.data / "half"))
        assert (half.code, "is being imported" in half.err) == (2, True)
    fault("")
    said = etl("tenant", "import", str(export[0]))
    assert said.code == 0, said.err
    assert tables(other) == before
    assert other.config("acme").origin.life is None


@pytest.mark.slow
def test_an_interrupted_export_is_none(world: World, etl: Etl, tmp_path: Path, fault: Callable[[str], None]) -> None:
    fault("lifecycle.object_exported")
    broke_off(etl("tenant", "export", "acme", "--out", str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()
    fault("")
    exported(etl, tmp_path / "out")


def _sql(world: World, *statements: str) -> None:
    with duckdb.connect(world.project.data / "warehouse" / "acme.duckdb") as db:
        for each in statements:
            db.execute(each)


def _cut(world: World) -> None:
    (world.project.data / f"lake/acme/extract/orders/dt={DAYS[1]}/data.parquet").write_bytes(b"")


def _change(world: World) -> None:
    _changed(world.project.data / f"lake/acme/extract/orders/dt={DAYS[1]}/data.parquet")


def _remove(world: World) -> None:
    for stage in ("extract", "transfer"):
        shutil.rmtree(world.project.data / f"lake/acme/{stage}/orders/dt={DAYS[1]}")


def _remove_rejected(world: World) -> None:
    shutil.rmtree(world.project.data / f"lake/acme/transfer_quarantine/orders/dt={DAYS[1]}")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_cut, f"extract/orders/dt={DAYS[1]}/data.parquet is not a complete Parquet file"),
        (_change, f"extract/orders/dt={DAYS[1]}/data.parquet"),
        (_remove, f"the ledger has a load of orders {DAYS[1]} into shop.acme_orders, and no object of it is there"),
        (_remove_rejected, f"acme/transfer/orders {DAYS[1]}: "),
        (lambda world: _sql(world, "DELETE FROM etl_ledger.loads"), "the ledger has no load into it"),
        (
            lambda world: _sql(world, "DROP TABLE shop.acme_orders"),
            "loads into shop.acme_orders, and there is no such table",
        ),
    ],
)
def test_what_is_damaged_or_missing_is_named(
    world: World, etl: Etl, tmp_path: Path, damage: Callable[[World], None], said: str
) -> None:
    damage(world)
    found = etl("tenant", "export", "acme", "--out", str(tmp_path / "out"))
    assert found.code == 1, found
    lines = [each for each in found.out.splitlines() if each.startswith("not exported: damaged or missing: ")]
    assert any(said in each for each in lines), lines
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert any(said in each for each in manifest["not_exported"])
