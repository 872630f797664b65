"""A tenant whose file cannot be read can be erased; what the file would have told is named, and the end is not green."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Etl, broke_off
from tests.lifecycle.scan import files_with
from tests.lifecycle.world import World, canary


def broken(world: World, tenant: str = "acme") -> tuple[Path, str]:
    """The tenant's file with a mistake in its last line, and the text that it had."""
    path = world.project.root / "tenants" / tenant / "config.yaml"
    text = path.read_text()
    path.write_text(f"{text}warehouse: [postgres\n")
    return path, text


def test_everything_that_its_id_tells_goes_and_the_rest_is_named(world: World, etl: Etl) -> None:
    broken(world)
    other = files_with(canary("acme_eu"), *world.folders)
    said = etl("tenant", "export", "acme", "--out", "out")
    assert said.code == 2
    said = etl("tenant", "erase", "acme")
    assert said.code == 3
    assert "NOT EXAMINED: the tenant's warehouse" in said.out
    assert etl("tenant", "erase", "acme", "--confirm", "acme_eu").code == 2
    assert files_with(canary("acme"), *world.folders)

    said = etl("tenant", "erase", "acme", "--confirm", "acme")
    assert said.code == 3, said.err
    assert files_with(canary("acme"), *world.folders) == []
    assert files_with(canary("acme_eu"), *world.folders) == other
    (path,) = (world.project.root / "certificates").glob("*.json")
    named = " ".join(each["what"] + each["why"] for each in json.loads(path.read_text())["not_examined"])
    assert "warehouse" in named
    assert "bucket" in named
    assert "cannot be read" in named


@pytest.mark.slow
def test_with_an_earlier_text_of_the_file_nothing_is_unknown(world: World, etl: Etl, tmp_path: Path) -> None:
    path, text = broken(world)
    (tmp_path / "earlier.yaml").write_text(text)
    assert etl("tenant", "erase", "acme", "--config", str(tmp_path / "none.yaml")).code == 2
    assert etl("tenant", "erase", "acme_eu", "--config", str(tmp_path / "earlier.yaml")).code == 2
    said = etl("tenant", "erase", "acme", "--config", str(tmp_path / "earlier.yaml"), "--confirm", "acme")
    assert said.code == 0, said.out + said.err
    assert files_with(canary("acme"), *world.folders) == []
    assert not path.exists()


@pytest.mark.slow
def test_interrupted_it_goes_on_and_still_is_not_green(world: World, etl: Etl, fault: Callable[[str], None]) -> None:
    broken(world)
    for point in ("lifecycle.fenced", "lifecycle.removed.files", "lifecycle.certified", "lifecycle.erased"):
        fault(point)
        broke_off(etl("tenant", "erase", "acme", "--confirm", "acme"))
    fault("")
    assert etl("tenant", "erase", "acme", "--confirm", "acme").code == 3
    assert files_with(canary("acme"), *world.folders) == []


@pytest.mark.slow
def test_the_broken_file_of_another_tenant_keeps_nobody_from_an_erasure(world: World, etl: Etl) -> None:
    project = world.project.root / "dbt_projects" / "acme"
    (project / "models").mkdir(parents=True)
    (project / "models" / "said.sql").write_text(f"select '{canary('acme')}'")
    path, _ = broken(world, "acme_eu")
    said = etl("tenant", "erase", "acme", "--confirm", "acme")
    assert said.code == 0, said.err
    assert files_with(canary("acme"), *world.folders) == []
    assert path.exists()
