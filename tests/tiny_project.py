"""A whole project in a temporary folder: one tenant, one SQLite table of three days, nothing that takes time."""

import copy
import os
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[1]
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
ROWS_PER_DAY = 20

TRANSFORM = '''"""orders, refined."""

import polars as pl


def orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Amounts in cents, in the order of their keys."""
    return orders.with_columns((pl.col("amount") * 100).round().cast(pl.Int64).alias("cents")).sort("order_id")
'''

ORDERS: dict[str, Any] = {
    "source_table": "orders",
    "date_column": "created_at",
    "partitions": {"start": "2026-01-01", "end": "2026-01-03", "timezone": "Asia/Seoul"},
    "has_transfer": True,
    "save_to_trino": True,
    "trino_output": {
        "target_table": "orders",
        "target_schema": "shop",
        "key_columns": ["order_id"],
        "mode": "replace_partition",
    },
    "quality": {
        "engine": "polars",
        "on_failure": "block",
        "rules": [{"column": "order_id", "type": "not_null"}, {"column": "order_id", "type": "unique"}],
    },
}

TENANT: dict[str, Any] = {
    "id": "acme",
    "name": "Acme",
    "group": "CD",
    "owners": ["team:shop"],
    "tags": {"domain": "shop"},
    "source_database": {
        "host": "${ACME_DB_HOST}",
        "database": "${ACME_DB_NAME}",
        "username": "${ACME_DB_USER}",
        "password": "${ACME_DB_PASSWORD}",
    },
    "assets": {"pipelines": {"orders": ORDERS}},
    "jobs": {
        "daily_etl": {"schedule": {"cron": "0 6 * * *", "timezone": "Asia/Seoul"}},
    },
}


@dataclass(frozen=True)
class TinyProject:
    """Its folders, and the environment in which it is the project."""

    root: Path
    data: Path

    @property
    def environ(self) -> dict[str, str]:
        return {
            "ETL_PROJECT_DIR": str(self.root),
            "ETL_DATA_DIR": str(self.data),
            "DAGSTER_HOME": str(self.data / "dagster"),
            "DAGSTER_ENVIRONMENT": "dev",
        }

    @property
    def process_environ(self) -> dict[str, str]:
        """For a process of its own: warnings are errors in the tests, not in what they start."""
        return {**os.environ, **self.environ, "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(self.root)}

    @property
    def source(self) -> Path:
        return self.data / "demo" / "acme.sqlite"

    def write_tenant(self, changes: Mapping[str, Any] | None = None, tenant: str = "acme") -> Path:
        """The tenant's folder with the YAML above and `changes` laid over it; a value None takes the key away."""
        folder = self.root / "tenants" / tenant
        (folder / "transforms").mkdir(parents=True, exist_ok=True)
        own = {key: value.replace("ACME_", f"{tenant.upper()}_") for key, value in TENANT["source_database"].items()}
        config = laid_over({**TENANT, "source_database": own}, {"id": tenant, **(changes or {})})
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump({"tenant": config}, sort_keys=False, allow_unicode=True), encoding="utf-8")
        (folder / "definitions.py").write_text(
            f'from etl import build_tenant_definitions\n\ndefs = build_tenant_definitions("{tenant}")\n'
        )
        self.write_transform(TRANSFORM, tenant=tenant)
        return path

    def write_transform(self, code: str, name: str = "orders", tenant: str = "acme") -> Path:
        path = self.root / "tenants" / tenant / "transforms" / f"{name}.py"
        path.write_text(code, encoding="utf-8")
        return path

    def write_pipeline(self, changes: Mapping[str, Any]) -> Path:
        """The tenant with `changes` to its one pipeline."""
        return self.write_tenant({"assets": {"pipelines": {"orders": changes}}})

    def published(self) -> list[Path]:
        """Every object that readers see."""
        return sorted(path for path in (self.data / "lake").rglob("*") if path.is_file())

    def leftovers(self) -> list[Path]:
        """Files of the data folder that an undisturbed run does not leave: staged objects, spills, journals."""
        folders = [self.data / "staging", self.data / "backfills"]
        return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def make_project(root: Path, changes: Mapping[str, Any] | None = None) -> TinyProject:
    """A project with the tenant `acme` and its demo source."""
    project = TinyProject(root / "project", root / "data")
    (project.root / "tenants").mkdir(parents=True)
    (project.root / "tenants" / "__init__.py").touch()
    project.write_tenant(changes)
    (project.root / "workspace.yaml").write_text(
        "load_from:\n  - python_module:\n      module_name: tenants.acme.definitions\n      attribute: defs\n"
        "      location_name: acme\n      working_directory: .\n"
    )
    shutil.copyfile(REPOSITORY / "dagster.yaml", project.root / "dagster.yaml")
    (project.data / "dagster").mkdir(parents=True)
    shutil.copyfile(REPOSITORY / "dagster.yaml", project.data / "dagster" / "dagster.yaml")
    make_source(project.source)
    return project


def make_source(path: Path) -> None:
    """Twenty orders a day for three days."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (order_id INTEGER, name TEXT, amount REAL, created_at TIMESTAMP)")
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?)",
            [
                (day * 100 + row, f"이름 {row}", row + 0.25, f"{date} {row:02d}:00:00")
                for day, date in enumerate(DAYS, start=1)
                for row in range(ROWS_PER_DAY)
            ],
        )
    connection.close()


def laid_over(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`changes` over `base`, mapping by mapping; None takes a key away."""
    merged = copy.deepcopy(dict(base))
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), dict):
            merged[key] = laid_over(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged
