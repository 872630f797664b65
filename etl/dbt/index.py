"""The facts about a dbt project that Dagster's definitions need, prepared in a file so that loading starts no dbt.

Belongs here: the index file, its models, and whether it is fresh. Not here: making it (`etl.running.dbt_prepare`).
"""

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from etl.config.tenant_config import TenantConfig
from etl.dbt.ownership import DbtRelation
from etl.dbt.project import TenantDbt, fingerprint, work_dir
from etl.settings import Settings

INDEX_FORMAT = 5


INDEX_FILE = "index.json"


class DbtAsset(BaseModel):
    """A model, seed, snapshot or exposure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unique_id: str
    resource: str
    key: tuple[str, ...]
    deps: tuple[tuple[str, ...], ...]
    description: str
    tags: dict[str, str]
    owners: tuple[str, ...]
    path: str
    compiled: str
    table: str | None
    columns: tuple[tuple[str, str, str], ...]
    incremental: bool
    day_column: str | None
    event_time: str | None
    """The column by whose days a microbatch model is built."""
    fqn: str
    code_version: str


class DbtCheck(BaseModel):
    """A dbt test on an asset or a source of the project, or the permitted age of a source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["test", "freshness"] = "test"
    unique_id: str
    name: str
    asset: tuple[str, ...]
    reads: tuple[tuple[str, ...], ...]
    """The models and sources whose rows it judges; empty if dbt does not know them."""
    description: str
    blocking: bool
    fqn: str


class DbtIndex(BaseModel):
    """The project for Dagster's definitions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = INDEX_FORMAT
    fingerprint: str
    assets: tuple[DbtAsset, ...]
    checks: tuple[DbtCheck, ...]
    relations: tuple[DbtRelation, ...]
    """All relations that a run may make or replace."""
    pipelines: dict[str, tuple[tuple[str, ...], ...]]


def fresh_index(config: TenantConfig, project: TenantDbt) -> DbtIndex | None:
    """Return the index if it was made from the present project and the tenant's present YAML."""
    found = _read(index_path(project))
    if found is None or found.format != INDEX_FORMAT or found.fingerprint != index_stamp(config, project):
        return None
    return found if project.manifest_path.is_file() else None


def last_assets(config: TenantConfig, settings: Settings) -> tuple[DbtAsset, ...]:
    """Return the last prepared assets, fresh or not; empty without a project, or before the first preparation."""
    found = _read(work_dir(config.id, settings) / INDEX_FILE) if config.dbt.enabled else None
    return found.assets if found is not None and found.format == INDEX_FORMAT else ()


def last_models(config: TenantConfig, settings: Settings) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return the keys of the models that each pipeline selects, as they were prepared last, fresh or not."""
    found = _read(work_dir(config.id, settings) / INDEX_FILE) if config.dbt.enabled else None
    return found.pipelines if found is not None and found.format == INDEX_FORMAT else {}


def last_relations(config: TenantConfig, settings: Settings) -> tuple[DbtRelation, ...]:
    """Return the relations that the project made when it was prepared last, fresh or not."""
    found = _read(work_dir(config.id, settings) / INDEX_FILE) if config.dbt.enabled else None
    return found.relations if found is not None and found.format == INDEX_FORMAT else ()


def index_path(project: TenantDbt) -> Path:
    """The path of the index, beside dbt's own output."""
    return project.work_dir / INDEX_FILE


def index_stamp(config: TenantConfig, project: TenantDbt) -> str:
    """Return a stamp of the project and of the parts of the tenant's YAML that the index uses."""
    taken = [list(config.owners), dict(config.tags), index_selections(config)]
    return hashlib.sha256(json.dumps([fingerprint(project), taken], sort_keys=True).encode()).hexdigest()


def index_selections(config: TenantConfig) -> dict[str, tuple[str, str]]:
    """Return dbt's selection and exclusion for each pipeline with models."""
    return {
        name: (pipeline.dbt_transform.dbt_select, pipeline.dbt_transform.dbt_exclude)
        for name, pipeline in config.pipelines.items()
        if pipeline.has_dbt_transform and pipeline.dbt_transform is not None
    }


def _read(path: Path) -> DbtIndex | None:
    if not path.is_file():
        return None
    try:
        return DbtIndex.model_validate_json(path.read_bytes())
    except ValidationError:  # written by another version of this product
        return None
