"""One Airflow for all tests of this folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.airflow.servers import Airflow, environment, free_port

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    shutil.copytree(HERE / "dags", dags)
    (home / "data").mkdir()
    port = free_port()
    extra = {"DATA": str(home / "data")}
    running = Airflow(home, dags, port, environment(home, dags, port, extra))
    try:
        running.start()
        yield running
    finally:
        running.stop()
