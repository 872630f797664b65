"""The three tenants of this repository as tenants of a Trino: their own files, with another warehouse.

Belongs here: a project in a folder of its own, for the test of the whole way and for `make demo-trino`. What changes in
a tenant's file is what docs/trino.md tells a reader to change: `warehouse`, dbt's target, and one more pipeline for each
source of dbt, which loads the extract unchanged into the schema that the project's `sources.yml` names.
"""

import copy
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.installation import REPOSITORY, TENANTS
from tests.servers.trino import Catalog, TrinoServer

_MADE = shutil.ignore_patterns("target", "logs", "dbt_packages", "__pycache__")


@dataclass(frozen=True)
class Project:
    """A project folder and its data."""

    root: Path
    data: Path
    environ: Mapping[str, str]


def make_project(
    folder: Path, tenants: Sequence[str] = TENANTS, *, server: TrinoServer | None = None, catalog: Catalog | None = None,
    last: str | None = None,
) -> Project:  # fmt: skip
    """Copy the tenants; with a `catalog` they load into it, otherwise each into its DuckDB file as always."""
    root, data = folder / "project", folder / "data"
    root.mkdir(parents=True)
    for name in ("pyproject.toml", "dagster.yaml"):
        shutil.copyfile(REPOSITORY / name, root / name)
    shutil.copytree(REPOSITORY / "dbt_projects", root / "dbt_projects", ignore=_MADE)
    (root / "tenants").mkdir()
    shutil.copyfile(REPOSITORY / "tenants" / "__init__.py", root / "tenants" / "__init__.py")
    environ = {
        "ETL_PROJECT_DIR": str(root),
        "ETL_DATA_DIR": str(data),
        "DAGSTER_HOME": str(data / "dagster"),
        "DAGSTER_ENVIRONMENT": "dev",
        "PYTHONPATH": str(root),
        "PYTHONWARNINGS": "ignore",
        "COLUMNS": "200",
    }
    if server is not None and catalog is not None:
        environ |= {"TRINO_HOST": "127.0.0.1", "TRINO_PORT": str(server.port), "TRINO_CATALOG": catalog.name}
    for tenant in tenants:
        place = root / "tenants" / tenant
        shutil.copytree(REPOSITORY / "tenants" / tenant, place, ignore=_MADE)
        said: dict[str, Any] = _read(place / "config.yaml")["tenant"]
        if last is not None:
            _end(said, last)
        if catalog is not None:
            said = on_trino(said, catalog)
            environ |= variables(tenant, catalog)
        text = yaml.safe_dump({"tenant": said}, sort_keys=False, allow_unicode=True)
        (place / "config.yaml").write_text(text, encoding="utf-8")
    locations = [
        {
            "python_module": {
                "module_name": f"tenants.{tenant}.definitions",
                "attribute": "defs",
                "location_name": tenant,
                "working_directory": ".",
            }
        }
        for tenant in tenants
    ]
    (root / "workspace.yaml").write_text(yaml.safe_dump({"load_from": locations}), encoding="utf-8")
    (data / "dagster").mkdir(parents=True)
    return Project(root, data, environ)


def on_trino(said: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """The tenant with its tables on Trino; what is secret stands in variables of the tenant."""
    tenant = said["id"]
    own = variables(tenant, catalog)
    reference = {value: f"${{{name}}}" for name, value in own.items()}
    iceberg = {name: reference.get(value, value) for name, value in catalog.properties.items()}
    changed = copy.deepcopy(dict(said))
    changed["warehouse"] = {"type": "trino", "catalog": catalog.name, "iceberg": iceberg}
    changed["dbt"]["target"] = "trino"
    pipelines = changed["assets"]["pipelines"]
    pipelines |= {f"raw_{name}": raw(tenant, name, each) for name, each in pipelines.items()}
    return changed


def raw(tenant: str, name: str, pipeline: Mapping[str, Any]) -> dict[str, Any]:
    """A pipeline that loads the extract of another one unchanged, as the source of that name in the dbt project."""
    kept = {
        key: pipeline[key] for key in ("source_table", "date_column", "partitions", "allow_empty") if key in pipeline
    }
    output = {"target_schema": f"{tenant}_extract", "target_table": name}
    mode = "replace_partition" if "date_column" in pipeline else "replace"
    return {**copy.deepcopy(kept), "save_to_trino": True, "trino_output": {**output, "mode": mode}}


def variables(tenant: str, catalog: Catalog) -> dict[str, str]:
    """The variables of a tenant that hold what is secret in the properties of PyIceberg's catalog."""
    prefix = tenant.upper()
    return {
        f"{prefix}_CATALOG_URI": catalog.properties["uri"],
        f"{prefix}_TABLES_KEY": catalog.properties["s3.access-key-id"],
        f"{prefix}_TABLES_SECRET": catalog.properties["s3.secret-access-key"],
    }


def _read(path: Path) -> Any:
    """The file's content. For YAML, the key `on` is the truth value; here it is a word."""

    def worded(value: Any) -> Any:
        if isinstance(value, dict):
            return {"on" if key is True else key: worded(each) for key, each in value.items()}
        return [worded(each) for each in value] if isinstance(value, list) else value

    return worded(yaml.safe_load(path.read_text(encoding="utf-8")))


def _end(said: dict[str, Any], last: str) -> None:
    for pipeline in said["assets"]["pipelines"].values():
        if "partitions" in pipeline:
            pipeline["partitions"]["end"] = last
