"""An erasure whose process is killed, as by a machine that stops, goes on in another process."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Etl
from tests.lifecycle.scan import files_with
from tests.lifecycle.world import PERSON, World, canary


def killed(world: World, point: str, *arguments: str) -> int:
    environ = {**world.project.process_environ, "ETL_FAULT": f"{point}=kill"}
    command = [str(Path(sys.executable).parent / "etl"), "tenant", *arguments]
    return subprocess.run(command, env=environ, cwd=world.project.root, capture_output=True, check=False).returncode


@pytest.mark.slow
def test_killed_while_a_person_and_then_the_tenant_is_erased(world: World, etl: Etl) -> None:
    for point in ("lifecycle.object_rewritten", "warehouse.before_commit", "lifecycle.rows_deleted"):
        person = ("erase-subject", "acme", "--key", f"person={PERSON}", "--confirm", "acme")
        assert killed(world, point, *person) == -9
    assert etl("tenant", *person).code == 0
    there = [each for each in files_with(PERSON, *world.folders) if "acme_eu" not in each]
    assert not [each for each in there if each.startswith(("lake/", "warehouse/", "staging/"))]
    other = files_with(canary("acme_eu"), *world.folders)
    for point in ("lifecycle.fenced", "lifecycle.tables_dropped", "lifecycle.removed.lake", "lifecycle.erased"):
        assert killed(world, point, "erase", "acme", "--confirm", "acme") == -9
    assert etl("tenant", "erase", "acme", "--confirm", "acme").code == 0
    assert files_with(canary("acme"), *world.folders) == []
    assert files_with(canary("acme_eu"), *world.folders) == other
