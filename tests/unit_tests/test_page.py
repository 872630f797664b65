"""The page about unit tests is typed as it is written; only `etl run` is replaced by the extract that it would run."""

from pathlib import Path

import pytest
from rich.console import Console

from etl.cli.demo_source import make_source
from etl.config import load_tenant
from etl.pipeline.extract import extract
from etl.pipeline.stage import StageRun
from etl.settings import load_settings
from tests.cli.conftest import Etl
from tests.pages import type_page


def test_the_page_works_as_it_is_written(etl: Etl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_PROJECT_DIR", str(tmp_path / "shop"))
    monkeypatch.setenv("ETL_DATA_DIR", str(tmp_path / "data"))
    assert etl("init", str(tmp_path / "shop")).code == 0
    monkeypatch.chdir(tmp_path / "shop")
    settings = load_settings()
    config = load_tenant("demo", settings)
    make_source("demo", settings, Console())
    run = StageRun(
        config=config, pipeline=config.pipelines["orders"], partition="2026-01-05", run_id="run", settings=settings
    )
    extract(run, f"sqlite:///{settings.demo_dir / 'demo.sqlite'}")
    said = type_page("testing-a-tenant.md", tmp_path / "shop", etl, leave_out=("etl run",))
    assert "2 passed" in said["etl test demo"].out or "5 passed" in said["etl test demo"].out
    assert "4 passed" in said["etl test demo --pipeline orders"].out
    assert "invented values in the personal columns customer_name" in "".join(each.out for each in said.values())
    assert "5 passed" in said["etl test"].out
    assert (tmp_path / "shop" / "reports" / "unit-tests.xml").is_file()
