"""What Dagster's definitions need to know of a dbt project, prepared once so that loading them starts nothing.

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

INDEX_FORMAT = 4


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
    """The column by whose days a model by microbatch is built."""
    fqn: str
    code_version: str


class DbtCheck(BaseModel):
    """A dbt test on an asset of the project or on one of its sources, or how old a source may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["test", "freshness"] = "test"
    unique_id: str
    name: str
    asset: tuple[str, ...]
    description: str
    blocking: bool
    fqn: str


class DbtIndex(BaseModel):
    """The project as Dagster sees it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = INDEX_FORMAT
    fingerprint: str
    assets: tuple[DbtAsset, ...]
    checks: tuple[DbtCheck, ...]
    relations: tuple[DbtRelation, ...]
    """All that a run may make or replace."""
    pipelines: dict[str, tuple[tuple[str, ...], ...]]


def fresh_index(config: TenantConfig, project: TenantDbt) -> DbtIndex | None:
    """The index, if it was made of the project and of the tenant's YAML as they are now."""
    found = _read(index_path(project))
    if found is None or found.format != INDEX_FORMAT or found.fingerprint != index_stamp(config, project):
        return None
    return found if project.manifest_path.is_file() else None


def last_assets(config: TenantConfig, settings: Settings) -> tuple[DbtAsset, ...]:
    """The assets as they were prepared last, fresh or not; none without a project, or before it was prepared."""
    found = _read(work_dir(config, settings) / INDEX_FILE) if config.dbt.enabled else None
    return found.assets if found is not None and found.format == INDEX_FORMAT else ()


def index_path(project: TenantDbt) -> Path:
    """Beside dbt's own output."""
    return project.work_dir / INDEX_FILE


def index_stamp(config: TenantConfig, project: TenantDbt) -> str:
    """The project, and what the index takes from the tenant's YAML."""
    taken = [list(config.owners), dict(config.tags), index_selections(config)]
    return hashlib.sha256(json.dumps([fingerprint(project), taken], sort_keys=True).encode()).hexdigest()


def index_selections(config: TenantConfig) -> dict[str, tuple[str, str]]:
    """What each pipeline that has models selects and leaves out."""
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
