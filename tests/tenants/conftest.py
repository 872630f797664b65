"""The demo sources of all tenants, made once, and DuckDB looking into them."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import duckdb
import duckdb_extension_sqlite_scanner
import pytest

TENANTS = Path(__file__).parents[2] / "tenants"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{path.parent.parent.name}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("demo")

    def make(tenant: str) -> Path:
        path = folder / f"{tenant}.sqlite"
        if not path.exists():
            load(TENANTS / tenant / "demo" / "generate.py").make_demo(path)
        return path

    return make


@pytest.fixture(scope="session")
def source(demo: Callable[[str], Path]) -> Callable[[str], duckdb.DuckDBPyConnection]:
    extension = next(Path(duckdb_extension_sqlite_scanner.__file__).parent.rglob("*.duckdb_extension"))
    opened: dict[str, duckdb.DuckDBPyConnection] = {}

    def attach(tenant: str) -> duckdb.DuckDBPyConnection:
        if tenant not in opened:
            opened[tenant] = duckdb.connect()
            opened[tenant].execute(f"LOAD '{extension}'")
            opened[tenant].execute(f"ATTACH '{demo(tenant)}' AS src (TYPE sqlite, READ_ONLY)")
        return opened[tenant]

    return attach
