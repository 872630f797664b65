"""Where consumers find the data: the warehouse's table, or the objects of the lake.

Belongs here: `servers` of a contract. A name of a variable is written as it stands in the YAML and never resolved, so
no secret can reach a contract. Not here: opening any of these places.
"""

from typing import Any

from etl.config.connections import Connection
from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.odcs.types import Dialect
from etl.secrets.template import EnvTemplate, variables_of
from etl.settings import Settings

_PORTS = {"postgres": 5432, "trino": 8080}


def dialect_of(config: TenantConfig, pipeline: PipelineConfig) -> Dialect:
    """Return whose names of types a contract uses: the warehouse's, or DuckDB's for objects of the lake."""
    return config.warehouse.type if pipeline.save_to_trino else "duckdb"


def servers_of(config: TenantConfig, settings: Settings, pipeline: PipelineConfig) -> list[dict[str, Any]]:
    """Return the one place where consumers read the pipeline's rows."""
    if not pipeline.save_to_trino or pipeline.trino_output is None:
        return [_lake(config, settings, pipeline)]
    schema, kind = pipeline.trino_output.target_schema, config.warehouse.type
    made: dict[str, Any] = {"server": "warehouse", "type": kind, "environment": settings.environment}
    if kind == "duckdb":
        return [made | {"database": f"warehouse/{config.id}.duckdb", "schema": schema}]
    if config.warehouse.url is not None:
        names = ", ".join(name for name, _ in variables_of(config.warehouse.url.text))
        said = f"PostgreSQL; its address is in {names}" if names else "PostgreSQL"
        return [made | {"type": "custom", "description": said, "schema": schema}]
    if kind == "postgres":
        place = {"database": _text(config.warehouse.database, f"${{{config.id.upper()}_WAREHOUSE_NAME}}")}
    else:
        place = {"catalog": _text(config.warehouse.catalog, settings.trino.catalog)}
    host = _text(config.warehouse.host, "${TRINO_HOST}" if kind == "trino" else "localhost")
    return [made | {"host": host, "port": _port(config.warehouse, kind), **place, "schema": schema}]


def _lake(config: TenantConfig, settings: Settings, pipeline: PipelineConfig) -> dict[str, Any]:
    made: dict[str, Any] = {"server": "lake", "type": "local", "environment": settings.environment}
    folder = f"{config.id}/{pipeline.published_stage}/{pipeline.name}"
    bucket = _text(config.storage.bucket, "")
    if not pipeline.save_to_s3 or not bucket or bucket.endswith(":-}"):
        return made | {"path": f"lake/{folder}", "format": "parquet"}
    base = _text(config.storage.base_path, "")
    where = "/".join(filter(None, (bucket, base, folder)))
    return made | {"type": "s3", "location": f"s3://{where}", "format": "parquet"}


def _text(template: EnvTemplate | None, default: str) -> str:
    return template.text if template is not None else default


def _port(warehouse: Connection, kind: str) -> int:
    """Return the port as it is written, or the default of a variable, or the database's own."""
    text = warehouse.port.text if warehouse.port is not None else ""
    if text.isdigit():
        return int(text)
    default = next((value for _, value in variables_of(text) if value and value.isdigit()), None)
    return int(default) if default else _PORTS[kind]
