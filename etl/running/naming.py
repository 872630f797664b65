"""The one place where names are made: asset keys, tiers, kinds, tags, jobs, pools, resource keys.

Belongs here: functions from configuration to a name. Not here: anything that builds a definition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from dagster import AssetKey

from etl.config.pipeline_config import PipelineConfig, Stage as StageOfPipeline
from etl.config.tenant_config import TenantConfig
from etl.quality.rules import AnyRule

Stage = Literal["extract", "transfer", "load", "dbt", "quarantine", "broken", "life"]
Tier = Literal["bronze", "silver", "gold"]

TIERS: Mapping[Stage, Tier] = {
    "extract": "bronze",
    "transfer": "silver",
    "load": "gold",
    "dbt": "gold",
    "quarantine": "silver",
    "broken": "bronze",
    "life": "bronze",
}

SLA_CHECK = "sla"
"""The check that shows the state of a pipeline's promises, on the asset of its last stage."""

VOLUME_CHECK = "volume"
"""The check that compares the rows of an extract with those of earlier extracts."""

UNDATED_CHECK = "undated"
"""The check that counts the rows of the source that belong to no partition, on the extract."""

RECONCILED_CHECK = "reconciled"
"""The check that compares source and warehouse, on the same asset."""

PII_CHECK = "pii"
"""The check that reports columns that look personal and are not declared, on the extract."""

LOADS_CHECK = "loads"
"""The check on the asset of a broken tenant, which has failed for as long as the tenant cannot be built."""

STANDING_CHECKS = frozenset({SLA_CHECK, VOLUME_CHECK, UNDATED_CHECK, PII_CHECK, RECONCILED_CHECK})
"""The checks that exist without a rule. They do not count in a pipeline's rates of passed or failed checks."""

JOB_OF_ALL = "all"
"""The name of the job of all assets, which every tenant has."""

RELOAD_TAG = "etl/reload"
"""The tag of a run whose loads also load objects that the warehouse already holds."""


LAST_GOOD_TAG = "etl/last_good"
"""The tag of all assets and jobs that are built from the last good configuration of a broken tenant: its hash."""


@dataclass(frozen=True)
class AssetAddress:
    """The parts of an asset's key. In a tenant's own code an asset may have fewer: what is missing is empty."""

    tenant: str
    stage: str
    name: str

    @property
    def key(self) -> AssetKey:
        """`<tenant>/<stage>/<name>`."""
        return AssetKey([self.tenant, self.stage, self.name])

    @classmethod
    def of(cls, key: AssetKey) -> Self:
        """The parts of a key."""
        tenant, stage, *name = (*key.path, "") if len(key.path) == 1 else key.path
        return cls(tenant, stage, "/".join(name))

    @classmethod
    def of_step(cls, step: str) -> Self:
        """The parts of the asset that a step makes."""
        tenant, stage, name, *_ = (*step.split("__", 2), "", "")
        return cls(tenant, stage, name)


@dataclass(frozen=True, slots=True)
class PipelineStage:
    """One stage of one pipeline of one tenant."""

    config: TenantConfig
    pipeline: PipelineConfig
    stage: StageOfPipeline

    @property
    def label(self) -> str:
        """The pipeline as messages call it."""
        return f"{self.config.id}/{self.pipeline.name}"

    @property
    def asset(self) -> AssetKey:
        """The stage's asset."""
        return asset_key(self.config.id, self.stage, self.pipeline.name)

    @property
    def quarantine(self) -> AssetKey:
        """The asset of the rows that the stage rejects."""
        return quarantine_key(self.config.id, self.pipeline, self.stage)

    @property
    def rules(self) -> tuple[AnyRule, ...]:
        """The rules that judge the rows of the stage."""
        return self.pipeline.rules_for(self.stage)

    @property
    def rule_lines(self) -> list[int]:
        """The YAML's line of each of these rules, in order."""
        return [
            self.config.line_of("assets", "pipelines", self.pipeline.name, "quality", "rules", position)
            for position, each in enumerate(self.pipeline.quality.rules)
            if (each.stage or self.pipeline.published_stage) == self.stage
        ]


def asset_key(tenant: str, stage: Stage, name: str) -> AssetKey:
    """The key of a pipeline's stage or of a dbt model."""
    return AssetAddress(tenant, stage, name).key


def quarantine_key(tenant: str, pipeline: PipelineConfig, stage: str) -> AssetKey:
    """The asset of a stage's rejected rows; for the stage that publishes, it has the pipeline's name."""
    own = stage == pipeline.published_stage
    return asset_key(tenant, "quarantine", pipeline.name if own else f"{pipeline.name}__{stage}")


def job_name(tenant: str, name: str) -> str:
    """A job's name starts with its tenant, once."""
    return name if name.startswith(f"{tenant}_") else f"{tenant}_{name}"


def schedule_name(tenant: str, job: str) -> str:
    """The schedule of a job."""
    return f"{job_name(tenant, job)}_schedule"


def sla_sensor_name(tenant: str) -> str:
    """The sensor that judges the tenant's promises and reports failures."""
    return f"{tenant}_sla_sensor"


LOCATION_SLA_SENSOR = "sla_sensor"
"""The sensor that does this for all tenants of a location."""


def quota_sensor_name(tenant: str) -> str:
    """The sensor that continues runs which a quota has refused."""
    return f"{tenant}_quota_sensor"


LOCATION_QUOTA_SENSOR = "quota_sensor"
"""The sensor that does this for all tenants of a location."""


def page_sensor_name(tenant: str) -> str:
    """The sensor that keeps the tenant's page fresh."""
    return f"{tenant}_page_sensor"


LOCATION_PAGE_SENSOR = "page_sensor"
"""The sensor that does this for all tenants of a location."""

LOCATION_SENSORS = (LOCATION_SLA_SENSOR, LOCATION_QUOTA_SENSOR, LOCATION_PAGE_SENSOR)


def source_pool(tenant: str) -> str:
    """How many steps may read this tenant's database at one time."""
    return f"{tenant}_source"


def warehouse_pool(tenant: str) -> str:
    """How many steps may write this tenant's warehouse at one time."""
    return f"{tenant}_warehouse"


def source_resource(tenant: str) -> str:
    """The resource key of the tenant's database. It contains the tenant, so that all tenants fit in one location."""
    return f"{tenant}_source"


def lake_resource(tenant: str) -> str:
    """The resource key of the tenant's lake."""
    return f"{tenant}_lake"


def warehouse_resource(tenant: str) -> str:
    """The resource key of the tenant's warehouse."""
    return f"{tenant}_warehouse"


def duckdb_resource(tenant: str) -> str:
    """The resource key of the tenant's DuckDB file, for its own assets."""
    return f"{tenant}_duckdb"


def asset_tags(config: TenantConfig, stage: Stage, pipeline: str | None, *, tier: Tier | None = None) -> dict[str, str]:
    """The tags of an asset: its tenant, its tier, its pipeline, and the tags of the YAML."""
    tags = dict(config.tags)
    if pipeline is not None:
        tags |= config.pipelines[pipeline].tags
        tags["pipeline"] = pipeline
        if config.pipelines[pipeline].pii_columns:
            tags["pii"] = "true"
    return tags | {"tenant": config.id, "data_tier": tier or TIERS[stage]}


def kinds(config: TenantConfig, stage: Stage) -> set[str]:
    """The technologies of a stage, three at most, from the allowed list; never a tier."""
    match stage:
        case "extract":
            return {_source_kind(config), "parquet"}
        case "transfer":
            return {"polars", "parquet"}
        case "load":
            return {"trino", "iceberg"} if config.warehouse.type == "trino" else {config.warehouse.type}
        case "dbt":
            return {"dbt", config.warehouse.type}
        case "quarantine" | "broken" | "life":
            return {"parquet"}


def broken_key(tenant: str) -> AssetKey:
    """The key of the asset that stands in the place of a tenant that cannot be built."""
    return asset_key(tenant, "broken", "configuration")


def _source_kind(config: TenantConfig) -> str:
    """The type of a tenant's database, as far as the YAML shows it; the demo source is SQLite."""
    source = config.source_database
    if source is None:
        return "sqlite"
    driver = (source.url or source.driver).text.split("://")[0].split("+")[0]
    return driver if driver in {"postgresql", "mysql", "mariadb", "sqlite", "oracle", "sqlserver"} else "sql"
