"""The whole of `tenants/<id>/config.yaml` as one frozen model.

Belongs here: `TenantConfig` and the parts that do not belong to one pipeline. Not here: reading files
(`config_loader`), pipelines (`pipeline_config`), connections (`connections`).
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints, model_validator

from etl.config.connections import LakeConfig, SourceDatabase, WarehouseConfig
from etl.config.identifiers import JobName, Owner, RunTags, Tags, TargetName, TenantId, Timezone
from etl.config.life import TenantLife
from etl.config.pipeline_config import PipelineConfig
from etl.config.yaml_source import Mark
from etl.notify.targets import NotificationConfig
from etl.partitions.cron import CronText
from etl.platform import Platform
from etl.secrets.namespace import Namespace
from etl.secrets.template import EnvTemplate
from etl.settings import Environment
from etl.sla.config import PipelineSLA


class Origin(BaseModel):
    """The file of a configuration and its lines, so that an error can name the line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    environment: Environment = "dev"
    config_hash: str = ""
    places: Mapping[tuple[str | int, ...], Mark] = Field({}, repr=False)
    """The place of each key and list item in the file."""
    tenants: tuple[str, ...] = ()
    """The ids of all tenants of the project, which decide who owns a variable."""
    platform: Platform = Field(Platform(), repr=False)
    data_dir: Path = Path(".data")
    life: TenantLife | None = None
    """The state of the tenant's life, if it is not active."""

    @property
    def folder(self) -> Path:
        """The tenant's folder."""
        return self.path.parent


_NO_FILE = Origin(path=Path("config.yaml"))


class ScheduleConfig(BaseModel):
    """When a job runs by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cron: CronText = Field(description="minute hour day month weekday")
    timezone: Timezone = Field("UTC", description="Zone of the cron.")
    auto_start: bool = Field(default=False, description="true: the schedule is on as soon as the location is loaded.")


class JobConfig(BaseModel):
    """A named selection of the tenant's assets, perhaps on a schedule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = Field("", description="For people.")
    selection: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        "*", description="Dagster's selection syntax, inside the tenant."
    )
    verify: bool = Field(
        default=False,
        description="true: the job compares source and warehouse of what is selected, and runs no asset.",
    )
    maintain: bool = Field(
        default=False,
        description="true: the job cares for the tables that the tenant has loaded, and runs no asset.",
    )
    schedule: ScheduleConfig | None = Field(None, description="When it runs by itself. Default: never.")
    tags: RunTags = Field({}, description="Tags of the job's runs; of `dagster/...` only `priority` and `max_runtime`.")

    @model_validator(mode="after")
    def _has_one_task(self) -> Self:
        if self.maintain and (self.verify or self.selection != "*"):
            raise ValueError("a job with `maintain` is about all loaded tables: write neither `verify` nor `selection`")
        return self


class DbtConfig(BaseModel):
    """The tenant's dbt project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="false: the dbt project is ignored.")
    project: TenantId | None = Field(None, description="Folder below dbt_projects/. Default: the tenant's id.")
    target: str = Field("dev", min_length=1, description="Target of profiles.yml.")
    variables: dict[str, str | int | float | bool | None] = Field(
        {}, alias="vars", description="Variables for dbt, besides the variables that every tenant gets."
    )
    env: dict[str, EnvTemplate] = Field(
        {},
        description="Environment variables for dbt while it connects, such as ACME_DBT_PASSWORD: ${secret:db}.",
    )
    target_schema: TargetName | None = Field(
        None, alias="schema", description="Schema of the models. Default: the profile's, or dbt_<tenant> if shared."
    )


class AssetsConfig(BaseModel):
    """All parts of the configuration that become assets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipelines: dict[str, PipelineConfig] = Field({}, description="The pipelines by name.")


class TenantConfig(BaseModel):
    """One tenant, validated and merged for one environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: TenantId = Field(description="The folder's name.")
    name: str = Field("", description="For people. Default: the id.")
    description: str = Field("", description="For people.")
    enabled: bool = Field(default=True, description="false: the tenant has no assets, jobs or schedules.")
    group: str | None = Field(None, description="Group of all assets; one of [tool.etl.conventions] groups.")
    owners: tuple[Owner, ...] = Field((), description="Email addresses or team:name.")
    tags: Tags = Field({}, description="Tags of all assets.")
    environments: dict[Environment, dict[str, Any]] = Field({}, description="Other values for a DAGSTER_ENVIRONMENT.")
    source_database: SourceDatabase | None = Field(None, description="Where rows come from. In dev: the demo source.")
    storage: LakeConfig = Field(LakeConfig(), description="Where Parquet objects are stored. Default: the local lake.")
    warehouse: WarehouseConfig = Field(WarehouseConfig(), description="Where rows go. Default: a DuckDB file.")
    assets: AssetsConfig = Field(AssetsConfig(), description="The pipelines, which become assets.")
    dbt: DbtConfig = Field(DbtConfig(enabled=False), description="The tenant's dbt project. Default: none.")
    jobs: dict[JobName, JobConfig] = Field({}, description="Jobs by name, beside the job `all` of every tenant.")
    notifications: tuple[NotificationConfig, ...] = Field((), description="Who gets messages; see Notifications.")
    sla: PipelineSLA | None = Field(None, description="The promises of every pipeline without an `sla` of its own.")

    _origin: Origin = PrivateAttr(default_factory=lambda: _NO_FILE)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:  # noqa: ANN401  whatever stands in the file
        """Fill in names that follow from the keys of the file."""
        if not isinstance(data, Mapping):
            return data
        filled = dict(data)
        if filled.get("name") in (None, "") and isinstance(filled.get("id"), str):
            filled["name"] = filled["id"]
        assets = filled.get("assets")
        pipelines = assets.get("pipelines") if isinstance(assets, Mapping) else None
        if isinstance(assets, Mapping) and isinstance(pipelines, Mapping):
            named = {name: _with_names(each, name, filled.get("id")) for name, each in pipelines.items()}
            filled["assets"] = {**assets, "pipelines": named}
        return filled

    @property
    def origin(self) -> Origin:
        """The file, the environment for which it was merged, its hash and its lines."""
        return self._origin

    def with_origin(self, origin: Origin) -> "TenantConfig":
        """Return the same configuration with its origin."""
        copy = self.model_copy()
        copy._origin = origin  # noqa: SLF001  of this class
        return copy

    @property
    def pipelines(self) -> dict[str, PipelineConfig]:
        """The enabled pipelines by name; none if the tenant is switched off."""
        return {name: each for name, each in self.assets.pipelines.items() if each.enabled and self.enabled}

    def as_if_active(self) -> "TenantConfig":
        """Return the same configuration with everything switched on, for work on all that the tenant has ever made."""
        every = {name: each.model_copy(update={"enabled": True}) for name, each in self.assets.pipelines.items()}
        assets = self.assets.model_copy(update={"pipelines": every})
        return self.model_copy(update={"enabled": True, "assets": assets})

    def namespace(self, environ: Mapping[str, str] | None = None) -> Namespace:
        """The values for this tenant's templates: its own variables, the shared variables, and its secrets."""
        origin = self._origin
        return Namespace(
            tenant=self.id,
            environ=os.environ if environ is None else environ,
            tenants=origin.tenants,
            shared=origin.platform.shared_variables,
            secrets=origin.platform.secrets,
        )

    def line_of(self, *path: str | int) -> int:
        """The line of the file where `path` stands, or the line of the nearest key around it."""
        return self._mark_of(path).line

    def place_of(self, *path: str | int) -> str:
        """The same as `tenants/acme/config.yaml:12:7`, for an error."""
        mark = self._mark_of(path)
        return f"{'/'.join(self._origin.path.parts[-3:])}:{mark.line}:{mark.column}"

    def _mark_of(self, path: tuple[str | int, ...]) -> Mark:
        for length in range(len(path), -1, -1):
            if (mark := self._origin.places.get(path[:length])) is not None:
                return mark
        return Mark()

    def sla_of(self, pipeline: str) -> PipelineSLA | None:
        """The promises of a pipeline: its own `sla`, or else the tenant's."""
        return self.assets.pipelines[pipeline].sla or self.sla

    def uses_demo_source(self, environ: Mapping[str, str] | None = None) -> bool:
        """Whether the tenant reads the embedded demo source: in dev, if its connection is missing.

        If a variable of its own says which database it is, and others are not set, somebody means the real database:
        the first run then says what is not set.
        """
        if self._origin.environment != "dev":
            return False
        if self.source_database is None:
            return True
        namespace = self.namespace(environ)
        missing = {*self.source_database.missing(namespace)}
        own = f"{self.id.upper()}_"
        named = (each for each in self.source_database.address_variables() if each.startswith(own))
        return bool(missing) and missing >= {*named}


def fingerprint(model: BaseModel) -> str:
    """Return a hash of all values of `model`, with secrets as templates. Equal values have equal hashes."""
    said_elsewhere: dict[str, Any] = {
        "assets": {"pipelines": {"__all__": {"environments": True, "column_lineage": True}}},
        "environments": True,
        "column_lineage": True,  # it only describes: the same rows are made
    }
    text = json.dumps(model.model_dump(mode="json", exclude=said_elsewhere), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _with_names(pipeline: Any, name: Any, tenant_id: Any) -> Any:  # noqa: ANN401  whatever stands in the file
    if not isinstance(pipeline, Mapping):
        return pipeline
    filled = {"name": name, **pipeline}
    output = filled.get("trino_output")
    if output is None and filled.get("save_to_trino") is True:
        output = {}
    if isinstance(output, Mapping):
        filled["trino_output"] = {"target_schema": tenant_id, **output}
    return filled
