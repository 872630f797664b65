"""A project of three tenants, two of which have ids that begin alike, with values of secrets in the environment."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from etl.deployment.shape import DATABASE, Database, Shape, shape_of
from etl.settings import Settings, load_settings
from tests.tiny_project import TinyProject, make_project

TENANTS = ("acme", "acme_eu", "beta")
CANARY = "canary-0451"


def host_of(tenant: str) -> str:
    return f"{tenant.upper()}_DB_HOST"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    made = make_project(tmp_path)
    (made.root / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    for tenant in TENANTS:
        made.write_tenant({"storage": {"bucket": f"${{{tenant.upper()}_BUCKET:-lake}}"}}, tenant)
        for name in ("HOST", "NAME", "USER", "PASSWORD"):
            monkeypatch.setenv(f"{tenant.upper()}_DB_{name}", f"{CANARY}-{name}")
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", CANARY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def settings(project: TinyProject) -> Settings:
    return load_settings()


@pytest.fixture
def shape(settings: Settings) -> Shape:
    return shape_of(settings, database=Database(host=DATABASE))


def written(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
