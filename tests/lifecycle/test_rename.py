"""A tenant gets another id: the same objects, rows and ledger; a run under the new id changes nothing."""

from collections.abc import Callable

import duckdb
import pytest

from tests.cli.conftest import Etl, broke_off
from tests.lifecycle.scan import files_with
from tests.lifecycle.world import World, canary


def ledger(world: World, tenant: str) -> list[tuple[object, ...]]:
    with duckdb.connect(world.project.data / "warehouse" / f"{tenant}.duckdb", read_only=True) as db:
        return db.execute(
            "SELECT seq, partition, version, digest, loaded_at FROM etl_ledger.loads ORDER BY 1"
        ).fetchall()


@pytest.mark.slow
def test_interrupted_at_any_point_it_is_the_same_under_the_new_id(
    world: World, etl: Etl, fault: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ledger(world, "acme")
    lake = world.project.data / "lake"
    names = {each.relative_to(lake / "acme").as_posix() for each in (lake / "acme").rglob("*.parquet")}
    assert "Nothing was changed" in etl("tenant", "rename", "acme", "zenith").out
    for point in ("fenced", "files_renamed", "object_renamed", "objects_renamed", "state_renamed", "objects_removed"):
        fault(f"lifecycle.{point}")
        broke_off(etl("tenant", "rename", "acme", "zenith", "--confirm", "acme"))
        assert not world.run("acme", stages=("load",)).success
        half = etl("tenant", "export", "acme", "--out", str(world.project.data / "half"))
        assert (half.code, "is being changed" in half.err) == (2, True), point
    fault("")
    said = etl("tenant", "rename", "acme", "zenith", "--confirm", "acme")
    assert said.code == 0, said.err
    assert {each.relative_to(lake / "zenith").as_posix() for each in (lake / "zenith").rglob("*.parquet")} == {
        *names, "life/state/data.parquet",
    }  # fmt: skip
    assert [each.relative_to(lake / "acme").as_posix() for each in (lake / "acme").rglob("*.parquet")] == [
        "life/state/data.parquet"
    ]
    assert ledger(world, "zenith") == before
    assert world.run("zenith").success
    assert ledger(world, "zenith") == before
    assert not (world.project.root / "tenants" / "acme").exists()
    assert "tenants.zenith.definitions" in (world.project.root / "workspace.yaml").read_text()
    assert "tenants.acme.definitions" not in (world.project.root / "workspace.yaml").read_text()
    assert etl("tenant", "rename", "zenith", "acme_eu", "--confirm", "zenith").code == 2


@pytest.mark.slow
def test_what_stayed_under_the_old_id_goes_with_the_tenant(world: World, etl: Etl) -> None:
    manifest = world.project.data / "dbt" / "acme" / "target" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(f"select '{canary('acme')}'")  # as dbt leaves it
    assert etl("tenant", "rename", "acme", "zenith", "--confirm", "acme").code == 0
    assert world.run("zenith").success
    assert etl("tenant", "erase", "zenith", "--confirm", "zenith").code == 0
    assert files_with(canary("acme"), *world.folders) == []
    names = [path.relative_to(world.project.data).as_posix() for path in world.project.data.rglob("*")]
    own = [name for name in names if {"acme", "zenith"} & set(name.replace(".", "/").split("/"))]
    assert not [each for each in own if not each.startswith("lake/")]
    assert sorted(each for each in own if each.endswith(".parquet")) == [
        f"lake/{tenant}/life/state/data.parquet" for tenant in ("acme", "zenith")
    ]
