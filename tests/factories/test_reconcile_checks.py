"""An error of a comparison belongs to its pipeline, and shows no secret of the tenant."""

from pathlib import Path
from typing import Any

import pytest
from dagster import AssetSelection, DagsterInstance, Definitions, define_asset_job

from etl.config import load_tenant
from etl.factories import check_factory
from etl.factories.resource_factory import ResourceFactory
from etl.settings import load_settings
from tests.tiny_project import make_project

SECRET = "Nachtigall-8-token"


def test_an_error_of_a_comparison_shows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path)
    hook = {"type": "webhook", "url": "https://example.com/hook", "headers": {"Authorization": "Bearer ${ACME_TOKEN}"}}
    project.write_tenant({"notifications": [hook]})
    for name, value in {**project.environ, "ACME_TOKEN": SECRET}.items():
        monkeypatch.setenv(name, value)

    def fails(*_: Any) -> None:
        raise RuntimeError(f"the library says: token {SECRET} was refused")

    monkeypatch.setattr(check_factory, "reconcile", fails)
    config = load_tenant("acme", load_settings())
    checks = check_factory.reconcile_checks(config)
    job = define_asset_job("compare", AssetSelection.checks(*checks))
    found = Definitions(asset_checks=checks, resources=ResourceFactory(config).create_all_resources(), jobs=[job])
    with DagsterInstance.ephemeral() as instance:
        result = found.resolve_job_def("compare").execute_in_process(instance=instance, raise_on_error=False)
        said = "\n".join(str(each) for each in instance.all_logs(result.run_id))
    assert not result.success
    assert "acme/orders: RuntimeError: the library says" in said
    assert SECRET not in said
