"""One Prefect server for all tests of this folder; every flow of the tests runs against it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.prefect.servers import REPOSITORY, environment, server

HOME = Path(tempfile.mkdtemp(prefix="etl_prefect_"))
ENVIRON = environment(HOME)
os.environ.update(ENVIRON)  # before Prefect is imported, which reads its settings then
os.environ.pop("PREFECT_TEST_MODE", None)

# ruff: noqa: E402
from tests.hosts.prefect.reading import Api

_BARE = """
import json, sys
from etl.integrations.contract import verdict
from etl.quality import check
assert not {"prefect"} & set(sys.modules)
cases = json.load(open(sys.argv[1]))
found = {name: verdict(check(each["data"], each["rules"], engine=each["engine"])) for name, each in cases.items()}
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="session", autouse=True)
def api() -> Iterator[Api]:
    """What the server shows, read over HTTP."""
    try:
        with server(ENVIRON) as address:
            yield Api(address)
    finally:
        shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Verdicts of `check()` in a process of its own that has no Prefect, by the names of the cases."""

    def ask(cases: dict[str, Any]) -> dict[str, dict[str, Any]]:
        path = tmp_path_factory.mktemp("bare") / "cases.json"
        path.write_text(json.dumps(cases))
        done = subprocess.run(
            [sys.executable, "-c", _BARE, path], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, dict[str, Any]] = json.loads(done.stdout)
        return found

    return ask


def pytest_configure(config: pytest.Config) -> None:
    """Prefect leaves the sockets of its clients to the garbage collector."""
    config.addinivalue_line("filterwarnings", "ignore:Exception ignored in. <(socket|ssl|_)")
    config.addinivalue_line("filterwarnings", "ignore:unclosed:ResourceWarning")
