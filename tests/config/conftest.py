from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl.config import TenantConfig, load_tenant
from etl.errors import ConfigError
from etl.settings import Environment, Settings


@dataclass(frozen=True)
class Project:
    """A project folder of a test, with tenants written as text."""

    root: Path

    def settings(self, environment: Environment = "dev") -> Settings:
        return Settings(environment=environment, project_dir=self.root, data_dir=self.root / ".data")

    def write(self, text: str | bytes, tenant: str = "acme") -> Path:
        path = self.root / "tenants" / tenant / "config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def transform(self, name: str, text: str, tenant: str = "acme") -> Path:
        path = self.root / "tenants" / tenant / "transforms" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def load(
        self,
        text: str | bytes | None = None,
        *,
        tenant: str = "acme",
        environment: Environment = "dev",
        environ: Mapping[str, str] | None = None,
    ) -> TenantConfig:
        if text is not None:
            self.write(text, tenant)
        return load_tenant(tenant, self.settings(environment), environ or {})

    def problems(
        self, text: str | bytes, *, environment: Environment = "dev", environ: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as caught:
            self.load(text, environment=environment, environ=environ)
        return caught.value.problems


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "tenants").mkdir()
    return Project(tmp_path)


@pytest.fixture
def one_problem(project: Project) -> Callable[..., str]:
    def find(text: str | bytes, **options: object) -> str:
        problems = project.problems(text, **options)  # type: ignore[arg-type]
        assert len(problems) == 1, problems
        return problems[0]

    return find
