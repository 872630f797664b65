"""The project as it stands in this checkout, with a data folder of its own for the whole test session."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
TENANTS = ("default", "project_01", "project_02")


@dataclass(frozen=True)
class Installation:
    """Where this checkout keeps its data while the tests run."""

    data: Path

    @property
    def dagster_home(self) -> Path:
        return self.data / "dagster"

    @property
    def environ(self) -> dict[str, str]:
        return {
            "ETL_PROJECT_DIR": str(REPOSITORY),
            "ETL_DATA_DIR": str(self.data),
            "DAGSTER_HOME": str(self.dagster_home),
            "DAGSTER_ENVIRONMENT": "dev",
        }

    @property
    def process_environ(self) -> dict[str, str]:
        """For a process of its own, with this environment's commands on its path."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, **self.environ, "PATH": path, "PYTHONWARNINGS": "ignore", "COLUMNS": "200"}


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Shared by all tests of the group `project`, so that dbt reads its projects once."""
    made = Installation(tmp_path_factory.mktemp("installation"))
    made.dagster_home.mkdir()
    return made


@pytest.fixture
def installed(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """The same, with this process looking at it."""
    for name, value in installation.environ.items():
        monkeypatch.setenv(name, value)
    return installation
