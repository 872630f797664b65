"""One Airflow for all tests of this folder, with the data and the DAGs that they look at."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

from tests.hosts.airflow import shop
from tests.hosts.airflow.servers import Airflow, environment, free_port

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
OURS = REPOSITORY / ".venv" / "bin" / "python"
"""The project's own environment: the oracle needs DuckDB, and the object store needs moto."""
SIDE_BY_SIDE = (
    "verdicts",
    "many_sources",
    "extract_orders",
    "learned_rules",
    "store_down",
    "in_a_worker",
    "mapped",
    "oracle",
)
"""DAGs whose first run starts with the servers, so that the tests wait for them together."""


@pytest.fixture(scope="session")
def webhook() -> Iterator[tuple[str, list[bytes]]]:
    """An address, and the bodies that were posted to it."""
    told: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", told
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def store() -> Iterator[shop.Store]:
    """An object store on this machine. It starts while Airflow starts; `ready` waits for it."""
    port = free_port()
    words = [OURS.with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            yield shop.Store(f"http://127.0.0.1:{port}")
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cases of the conformance suite with the answers of the SQL oracle, as files."""
    folder = tmp_path_factory.mktemp("oracle")
    subprocess.run([OURS, "-m", "tests.hosts.oracle_cases", folder], cwd=REPOSITORY, check=True)
    for frame in folder.glob("*.arrow"):
        pl.read_ipc(frame).write_parquet(frame.with_suffix(".parquet"))
    return folder


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, webhook: tuple[str, list[bytes]], store: shop.Store, oracle: Path
) -> Iterator[Airflow]:
    home = tmp_path_factory.mktemp("airflow")
    dags, data = home / "dags", home / "data"
    shutil.copytree(HERE / "dags", dags)
    shutil.copytree(REPOSITORY / "examples" / "airflow", dags / "examples")
    shop.write(data)
    port = free_port()
    extra = {
        "AIRFLOW_VAR_DATA": data.name,  # all processes run in `home`
        "ORACLE": str(oracle),
        "QUALITY_WEBHOOK": webhook[0],
        "PYTHONPATH": str(shop.provider(home / "site")),
        **shop.connections(data, store),
    }
    running = Airflow(home, dags, port, environment(home, dags, port, extra))
    try:
        running.start()
        store.make_bucket()
        running.started = {each: running.trigger(each) for each in SIDE_BY_SIDE}
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def started(airflow: Airflow) -> dict[str, str]:
    """The first runs, by their DAGs."""
    return airflow.started
