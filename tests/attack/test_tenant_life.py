"""Attacks on the life of a tenant: exports that name other places, and erasures that leave something."""

import json
from pathlib import Path

import pytest
from dagster import AssetCheckEvaluation, AssetKey

from tests.cli.conftest import Etl
from tests.lifecycle.conftest import elsewhere, etl, filled, world
from tests.lifecycle.scan import files_with
from tests.lifecycle.world import World, canary

__all__ = ["elsewhere", "etl", "filled", "world"]


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
