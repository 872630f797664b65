"""The demo's dbt projects leave what `dbt build` leaves that a person types, over the extracts of the demo."""

import shutil
from pathlib import Path

import pytest

from etl.config import load_tenant
from etl.dbt.project import tenant_dbt
from etl.dbt.warm import warm_dbt_of_run
from etl.settings import load_settings
from tests.dbt.typed import apart, assert_same, by_product, names_of, typed
from tests.e2e.conftest import Demo
from tests.installation import TENANTS

pytestmark = [pytest.mark.xdist_group("project"), pytest.mark.timeout(600)]

DAY = {"partition_start": "2026-01-04 00:00:00", "partition_end": "2026-01-05 00:00:00"}
WINDOWS = {"default": [{}], "project_01": [DAY], "project_02": [DAY, {}]}


@pytest.mark.parametrize("tenant", TENANTS)
def test_tables_results_and_artifacts_are_those_of_dbt_build(
    demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tenant: str
) -> None:
    for name, value in demo.installation.environ.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    here = tenant_dbt(load_tenant(tenant, settings), settings)
    ours, theirs = apart(here, tmp_path / "ours"), apart(here, tmp_path / "theirs")
    shutil.copytree(here.target_path, ours.target_path)  # what was prepared for the demo
    names = names_of(here)
    with warm_dbt_of_run("run"):
        for window in WINDOWS[tenant]:
            assert_same(by_product(ours, names, window), typed(theirs, names, window))
