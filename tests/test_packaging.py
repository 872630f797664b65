"""What the package declares is what it imports: nothing more, nothing less, and the core needs only the base."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.installation import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGE = REPOSITORY / "etl"
CORE = ("quality", "sla", "notify", "errors", "extras", "suggest", "formats", "faults", "partitions")
"""The rooms that work with the base alone, and those that they import."""

DISTRIBUTIONS = {
    "airflow": "apache-airflow",
    "azure": "azure-keyvault-secrets",
    "botocore": "boto3",
    "google": "google-cloud-secret-manager",
    "dotenv": "python-dotenv",
    "ruamel": "ruamel-yaml",
    "yaml": "pyyaml",
    "opentelemetry": "opentelemetry-api",
    "openlineage": "openlineage-python",
    "dbt": "dbt-duckdb",  # dbt.adapters.duckdb
    "dbt_common": "dbt-duckdb",  # which needs it, as dbt-core does
}
"""Where a module is not called as its distribution is."""

NOT_IMPORTED = {
    "azure-identity": "azure.identity, a part of the same module `azure`",
    "dagster-dg-cli": "the command `dg`, which reads `[tool.dg]` and the component",
    "dagster-webserver": "the command `dagster dev` starts it",
    "dagster-postgres": "Dagster loads it by `storage: postgres` of dagster.yaml",
    "psycopg2-binary": "the driver that dagster-postgres is given by the scheme of its address",
    "dbt-core": "the command `dbt`, started as a process",
    "dbt-postgres": "dbt loads it by the type of a profile",
    "dbt-trino": "dbt loads it by the type of a profile",
    "duckdb-extension-postgres-scanner": "a file that DuckDB loads, found by its package's place",
    "duckdb-extension-sqlite-scanner": "a file that DuckDB loads, found by its package's place",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry.exporter, a part of the same module `opentelemetry`",
    "opentelemetry-sdk": "opentelemetry.sdk, a part of the same module `opentelemetry`",
    "tzdata": "zones for hosts that have none; zoneinfo reads it",
}


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9._-]+", each).group().lower() for each in requirements}  # type: ignore[union-attr]


BASE = names(PROJECT["dependencies"])
EXTRAS = {extra: names(each) for extra, each in PROJECT["optional-dependencies"].items()}


def imports(path: Path) -> set[str]:
    """The distributions whose modules a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found |= {each.partition(".")[0] for each in modules}
    third = found - sys.stdlib_module_names - {"etl"}
    return {DISTRIBUTIONS.get(each, each.replace("_", "-")) for each in third}


def test_declared_is_imported_and_imported_is_declared() -> None:
    imported = set().union(*(imports(path) for path in PACKAGE.rglob("*.py")))
    # A library that is only looked for (`find_spec`) is used by a library that is given its name.
    declared = BASE.union(*EXTRAS.values())
    assert imported - declared == set()
    assert declared - imported == set(NOT_IMPORTED)


def test_the_core_imports_the_base_and_what_each_engine_says() -> None:
    allowed = {
        "quality/engines/truthound": EXTRAS["truthound"],
        "quality/engines/great_expectations.py": EXTRAS["great-expectations"],
        "quality/engines/pandera.py": EXTRAS["pandera"],
        "quality/listeners/opentelemetry.py": EXTRAS["opentelemetry"],
        "quality/listeners/prometheus.py": EXTRAS["metrics"],
        "quality/testing": EXTRAS["testing"],
        "quality/quarantine.py": {"pyarrow"},  # `split` writes files with it, and says so where it is missing
    }
    used: set[str] = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        if place.partition("/")[0].removesuffix(".py") in CORE:
            more = set().union(*(each for start, each in allowed.items() if place.startswith(start)))
            assert imports(path) <= BASE | more, place
            used |= imports(path)
    assert BASE - used == {"tzdata"}


@pytest.mark.parametrize(
    ("gone", "work", "said"),
    [
        ("dagster", "from etl import build_tenant_definitions", "[dagster]"),
        ("dotenv", "from etl.cli import main; main()", "[dagster]"),
        # The default engine's library.
        ("truthound", ("import polars as p; from etl.quality import check; "
         "print(check(p.DataFrame({'a': [1]}), [{'column': 'a', 'type': 'not_null'}]))"), "[truthound]"),
        ("pandera", "from etl.quality import get_engine; get_engine('pandera')", "[pandera]"),
        ("great_expectations", "from etl.quality import get_engine; get_engine('great_expectations')",
         "[great-expectations]"),
        ("pyarrow", "from etl.quality import split", "[dagster]"),
        ("obstore", ("from etl.lake.lake import open_lake; from etl.settings import load_settings; "
         "from etl.config.connections import LakeConfig; open_lake(load_settings(), LakeConfig(bucket='b'))"), "[s3]"),
        ("prometheus_client", "from etl.promises.prometheus import metrics_registry; metrics_registry([])",
         "[metrics]"),
        ("prometheus_client", "from etl.quality import PrometheusListener; PrometheusListener()", "[metrics]"),
        ("opentelemetry", "from etl.quality import OpenTelemetryListener; OpenTelemetryListener()", "[opentelemetry]"),
        ("opentelemetry", "from etl.telemetry.spans import trace_body; trace_body(None, 's', 'dev')", "[opentelemetry]"),
        ("openlineage", "from etl.telemetry.lineage_events import lineage_bodies; lineage_bodies(None, 'n')",
         "[openlineage]"),
        ("pymysql", "from etl.source.mysql import connect; connect(None, None).__enter__()", "[mysql]"),
        ("hvac", "from etl.secrets.openbao import *; OpenBaoSecrets('http://x', 's', BaoLogin()).read('a', 'b', 'c')",
         "[openbao]"),
        ("botocore", "from etl.secrets.aws import AwsSecrets; AwsSecrets('p').read('a', 'b', 'c')", "[aws]"),
        ("google", "from etl.secrets.gcp import GcpSecrets; GcpSecrets('p', 'q').read('a', 'b', 'c')", "[gcp]"),
        ("azure", "from etl.secrets.azure import AzureSecrets; AzureSecrets('h', 'p').read('a', 'b', 'c')", "[azure]"),
        ("psycopg", "from etl.source.postgres_catalogue import connect; connect(None, None).__enter__()",
         "[postgres]"),
    ],
    ids=lambda each: each if isinstance(each, str) and each.isidentifier() else "",
)  # fmt: skip
def test_a_missing_library_is_named_with_the_extra_that_brings_it(gone: str, work: str, said: str) -> None:
    code = f"import sys; sys.modules[{gone!r}] = None\n{work}"
    hide = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, p=None: f(n, p) if n != {!r} else None"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{hide.format(gone)}\n{code}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    told = (done.stdout + done.stderr).strip().splitlines()
    assert any(f"pip install 'tenant-etl{said}'" in line for line in told[-4:]), told[-6:]
