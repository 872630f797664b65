"""One demo for all tests of this folder, run by the command as a person runs it."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installation import REPOSITORY, Installation

ETL = Path(sys.executable).parent / "etl"


@dataclass(frozen=True)
class Demo:
    """What is there after `etl demo`, and what it said."""

    installation: Installation
    output: str

    @property
    def data(self) -> Path:
        return self.installation.data


def run_demo(installation: Installation, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ETL, "demo", *options],
        cwd=REPOSITORY,
        env=installation.process_environ,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture(scope="session")
def demo(installation: Installation) -> Demo:
    done = run_demo(installation)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return Demo(installation, done.stdout)
