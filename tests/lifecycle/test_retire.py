"""A retired tenant stops on every host, keeps everything, and can be made active again."""

import pytest

from etl.definitions import definitions_of
from tests.cli.conftest import Etl
from tests.lifecycle.world import World


@pytest.mark.slow
def test_it_stops_and_keeps_everything(world: World, etl: Etl) -> None:
    objects = world.project.published()
    assert "Nothing was changed" in etl("tenant", "retire", "acme").out
    said = etl("tenant", "retire", "acme", "--reason", "the contract ended", "--confirm", "acme")
    assert said.code == 0, said.err
    found = definitions_of(world.config("acme"))
    assert [spec.key.to_user_string() for spec in found.assets or ()] == ["acme/life/retired"]
    assert "the contract ended" in next(iter(found.assets or ())).description
    assert not found.jobs
    assert not found.schedules
    assert not found.sensors
    assert set(objects) <= set(world.project.published())
    said = etl("run", "acme")
    assert said.code == 2
    assert "is retired" in said.err
    assert world.run("acme_eu").success


@pytest.mark.slow
def test_a_host_with_an_older_copy_of_the_files_is_refused(world: World, etl: Etl) -> None:
    assert etl("tenant", "retire", "acme", "--confirm", "acme").code == 0
    (world.project.root / "tenants" / "acme" / "life.json").unlink()
    done = world.run("acme", stages=("extract",))
    assert not done.success
    assert "is retired" in str(next(each for each in done.all_events if each.is_step_failure).step_failure_data.error)
    said = etl("doctor", "acme")
    assert "its lake says retired, its file life.json says active" in " ".join(said.out.split())


def test_the_file_alone_stops_it_too(world: World, etl: Etl) -> None:
    assert etl("tenant", "retire", "acme", "--confirm", "acme").code == 0
    for path in (world.project.data / "lake" / "acme" / "life").rglob("*.parquet"):
        path.unlink()
    assert not definitions_of(world.config("acme")).jobs


@pytest.mark.slow
def test_it_can_be_made_active_again(world: World, etl: Etl) -> None:
    assert etl("tenant", "retire", "acme", "--undo", "--confirm", "acme").code == 2
    assert etl("tenant", "retire", "acme", "--confirm", "acme").code == 0
    assert etl("tenant", "retire", "acme", "--undo", "--confirm", "acme").code == 0
    assert world.run("acme", stages=("load",)).success
