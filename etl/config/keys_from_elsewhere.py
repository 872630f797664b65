"""Keys that people bring from other tools and from older files, and what stands for them here.

Belongs here: the tables of keys. Not here: words (`words_from_elsewhere`), finding unknown keys (`validation`), and
rewriting a file (`migration`).

The keys are those of Dagster's components and of projects that make Dagster pipelines from YAML files of tenants, of
dag-factory, Sling, dlt, Meltano and Singer, PipelineWise, Airbyte, Bruin and ingestr, dbt, Great Expectations and Soda.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from etl.config.findings import KeyPath
from etl.config.sections import section_of

Change = Literal["as_written", "list", "not", "mode", "table"]
"""How a value changes when its key moves: `list` wraps a single value, `not` turns a switch round, `mode` is a word for
how rows are loaded, and `table` divides `schema.table`."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What to do with a key from elsewhere."""

    answer: str
    """The end of a sentence that begins with the unknown key."""
    to: tuple[str, ...] = ()
    """Where the value belongs, from the mapping in which the key stands. Empty: the value has no place here."""
    change: Change = "as_written"
    loads: bool = False
    """The key says that the pipeline is loaded, so that `save_to_trino: true` belongs beside it."""
    is_dropped: bool = False
    """The key can be left out: what it asks for happens anyway, or never happens here."""


def _is(*to: str, change: Change = "as_written", loads: bool = False) -> Elsewhere:
    """A key that has another name here, or another place."""
    shown = f"`{to[0]}`" if len(to) == 1 else f"`{to[0]}: {'{'}{': {'.join(to[1:])}: ...{'}' * (len(to) - 1)}`"
    return Elsewhere(f"it is {shown} here", to, change, loads=loads)


def _out(answer: str) -> Elsewhere:
    """A key that can be left out."""
    return Elsewhere(f"leave it out: {answer}", is_dropped=True)


def _by_hand(answer: str) -> Elsewhere:
    """A key whose meaning a person has to write in another way."""
    return Elsewhere(answer)


_NO_RETRY = _out("a failed run is not run again by itself, so that its cause is seen")
_DAILY = "a `date_column` cuts the rows into days, and without one the whole table is read each time"
_BY_JOB = "when something runs stands below `jobs: {<name>: {schedule: {cron: ...}}}`"
_SELECTED = "what a job runs is its `selection`, such as `tag:pipeline=orders` or `*`"
_STREAMED = _out("rows are read and written as a stream, and the size of a batch is not set")
_PROFILES = "dbt's profiles stand in dbt_projects/profiles.yml, or in the project's own profiles.yml"
_OWN_CODE = "Python of your own belongs into transforms/<pipeline>.py and definitions.py"

_ANY: Mapping[str, Elsewhere] = {
    "retries": _NO_RETRY,
    "retry": _NO_RETRY,
    "max_retries": _NO_RETRY,
    "retry_delay": _NO_RETRY,
    "retry_delay_sec": _NO_RETRY,
    "retry_policy": _NO_RETRY,
    "owner": _is("owners", change="list"),
    "batch_size": _STREAMED,
    "batch_size_rows": _STREAMED,
    "chunk_size": _STREAMED,
    "fetch_size": _STREAMED,
}

_TENANT: Mapping[str, Elsewhere] = {
    "tenant_id": _is("id"),
    "slug": _is("id"),
    "code": _is("id"),
    "tenant_name": _is("name"),
    "display_name": _is("name"),
    "displayName": _is("name"),
    "title": _is("name"),
    "contact": _is("owners", change="list"),
    "contacts": _is("owners", change="list"),
    "team": _by_hand('it belongs to `owners` here: owners: ["team:name"]'),
    "active": _is("enabled"),
    "disabled": _is("enabled", change="not"),
    "source": _is("source_database"),
    "source_db": _is("source_database"),
    "database": _is("source_database"),
    "connection": _is("source_database"),
    "db_conn": _is("source_database"),
    "extractor": _is("source_database"),
    "extractors": _by_hand("it is `source_database` here, one database for each tenant"),
    "plugins": _by_hand(
        "they are Meltano's: `config` of the extractor is `source_database` here, that of the loader `warehouse`,"
        " and each table of `select` is a pipeline in `assets: {pipelines: ...}`"
    ),
    "sources": _by_hand("it is `source_database` here, one database for each tenant"),
    "target": _is("warehouse"),
    "target_database": _is("warehouse"),
    "target_db": _is("warehouse"),
    "destination": _is("warehouse"),
    "destinations": _by_hand("it is `warehouse` here, one for each tenant"),
    "loader": _is("warehouse"),
    "loaders": _by_hand("it is `warehouse` here, one for each tenant"),
    "trino": _by_hand("it is `warehouse` here: warehouse: {type: trino, host: ..., catalog: ...}"),
    "postgres": _by_hand("it is `warehouse` here: warehouse: {type: postgres, host: ...}"),
    "duckdb": _by_hand("it is `warehouse` here: warehouse: {type: duckdb}"),
    "s3": _is("storage"),
    "lake": _is("storage"),
    "minio": _is("storage"),
    "bucket": _is("storage", "bucket"),
    "s3_bucket": _is("storage", "bucket"),
    "streams": Elsewhere("it is `assets: {pipelines: ...}` here", ("assets", "pipelines")),
    "tables": Elsewhere("it is `assets: {pipelines: ...}` here", ("assets", "pipelines")),
    "resources": _by_hand(f"it is `assets: {{pipelines: ...}}` here, a mapping by name; {_OWN_CODE}"),
    "schedules": _by_hand(f"it belongs to `jobs` here: {_BY_JOB}"),
    "schedule": _by_hand(_BY_JOB),
    "schedule_interval": _by_hand(_BY_JOB),
    "alerts": _is("notifications"),
    "alerting": _is("notifications"),
    "slack": _by_hand("it belongs to `notifications` here: notifications: [{type: slack, url: ...}]"),
    "sla_config": _is("sla"),
    "dbt_project": _is("dbt"),
    "transform": _is("dbt"),
    "use_custom_code": _out(_OWN_CODE),
    "custom_code": _out(_OWN_CODE),
    "sensors": _by_hand(f"promises have their sensor without being asked; {_OWN_CODE}"),
    "default_args": _by_hand(
        "the owner belongs to `owners` here, the start to `partitions`; nothing is run again by itself"
    ),
    "defaults": _by_hand(
        "values that are the same for several pipelines are written once with an anchor, below a key `x-...`"
    ),
    "default": _by_hand(
        "values that are the same for several pipelines are written once with an anchor, below a key `x-...`"
    ),
    "env": _by_hand("variables are set where Dagster runs; other values for an environment stand below `environments`"),
    "env_vars": _by_hand(
        "variables are set where Dagster runs; other values for an environment stand below `environments`"
    ),
    "catchup": _out("a schedule runs the newest complete partition; earlier ones are a back-fill"),
    "prod": _by_hand("it belongs to `environments` here: environments: {prod: {...}}"),
    "dev": _by_hand("it belongs to `environments` here: environments: {dev: {...}}"),
    "staging": _by_hand("it belongs to `environments` here: environments: {staging: {...}}"),
    "version": _out("a tenant's file has no version of its own"),
    "key_prefix": _out("the keys of assets begin with the tenant's id"),
}

_CONNECTION: Mapping[str, Elsewhere] = {
    "dialect": _is("driver"),
    "drivername": _is("driver"),
    "db_type": _is("driver"),
    "engine": _is("driver"),
    "hostname": _is("host"),
    "server": _is("host"),
    "dbname": _is("database"),
    "db": _is("database"),
    "db_name": _is("database"),
    "database_name": _is("database"),
    "login": _is("username"),
    "pass": _is("password"),
    "pwd": _is("password"),
    "connection_string": _is("url"),
    "dsn": _is("url"),
    "uri": _is("url"),
    "sqlalchemy_url": _is("url"),
    "sslmode": _is("options", "sslmode"),
    "ssl_mode": _is("options", "sslmode"),
    "connect_timeout": _is("options", "connect_timeout"),
    "application_name": _is("options", "application_name"),
    "charset": _is("options", "charset"),
    "timeout": _is("statement_timeout_seconds"),
    "statement_timeout": _is("statement_timeout_seconds"),
    "pool_size": _out("connections are kept and shared without being asked"),
}

_SOURCE: Mapping[str, Elsewhere] = {
    **_CONNECTION,
    "type": _is("driver"),
    "tables": _by_hand("tables stand in `assets: {pipelines: ...}`"),
}
_WAREHOUSE: Mapping[str, Elsewhere] = {
    **{key: value for key, value in _CONNECTION.items() if value.to != ("statement_timeout_seconds",)},
    "kind": _is("type"),
    "engine": _is("type"),
    "schema": _by_hand("each pipeline names its schema: `trino_output: {target_schema: ...}`"),
    "path": _out("a DuckDB is the tenant's own file below the data folder (ETL_DATA_DIR)"),
}
_STORAGE: Mapping[str, Elsewhere] = {
    "prefix": _is("base_path"),
    "path": _is("base_path"),
    "path_prefix": _is("base_path"),
    "bucket_name": _is("bucket"),
    "s3_bucket": _is("bucket"),
    "endpoint": _is("endpoint_url"),
    "url": _is("endpoint_url"),
    "region_name": _is("region"),
    "access_key": _is("access_key_id"),
    "aws_access_key_id": _is("access_key_id"),
    "secret_key": _is("secret_access_key"),
    "aws_secret_access_key": _is("secret_access_key"),
    "type": _out("with a `bucket` it is S3, without one the local lake"),
    "format": _out("objects are Parquet"),
}

_PIPELINE: Mapping[str, Elsewhere] = {
    "table": _is("source_table"),
    "table_name": _is("source_table"),
    "source": _is("source_table"),
    "stream": _is("source_table"),
    "schema": _is("source_schema"),
    "namespace": _is("source_schema"),
    "sql": _is("query"),
    "custom_sql": _is("query"),
    "source_query": _is("query"),
    "source_columns": _is("columns", change="list"),
    "select": _is("columns", change="list"),
    "fields": _is("columns", change="list"),
    "incremental_key": _is("date_column"),
    "incremental_column": _is("date_column"),
    "partition_key": _is("date_column"),
    "partition_column": _is("date_column"),
    "update_key": _is("date_column"),
    "replication_key": _is("date_column"),
    "replication-key": _is("date_column"),
    "cursor_field": _is("date_column"),
    "cursor_path": _is("date_column"),
    "watermark_column": _is("date_column"),
    "timestamp_column": _is("date_column"),
    "replication_method": _out(_DAILY),
    "replication-method": _out(_DAILY),
    "sync_mode": _out(_DAILY),
    "extract_type": _out(_DAILY),
    "incremental": _by_hand(f"name the `date_column`: {_DAILY}"),
    "start_date": _is("partitions", "start"),
    "end_date": _is("partitions", "end"),
    "timezone": _is("partitions", "timezone"),
    "lookback_days": _is("partitions", "lookback_days"),
    "partition": _is("partitions"),
    "partitions_def": _is("partitions"),
    "transform": _is("has_transfer"),
    "has_transform": _is("has_transfer"),
    "transfer": _is("has_transfer"),
    "depends_on": _is("transfer_inputs", change="list"),
    "depends": _is("transfer_inputs", change="list"),
    "dependencies": _is("transfer_inputs", change="list"),
    "deps": _is("transfer_inputs", change="list"),
    "inputs": _is("transfer_inputs", change="list"),
    "upstream": _is("transfer_inputs", change="list"),
    "save_to_warehouse": _is("save_to_trino"),
    "load_to_trino": _is("save_to_trino"),
    "save_to_target": _is("save_to_trino"),
    "load": _is("save_to_trino"),
    "output": _is("trino_output", loads=True),
    "destination": _is("trino_output", loads=True),
    "object": _is("trino_output", "target_table", change="table", loads=True),
    "target_object": _is("trino_output", "target_table", change="table", loads=True),
    "target_table": _is("trino_output", "target_table", change="table", loads=True),
    "destination_table": _is("trino_output", "target_table", change="table", loads=True),
    "target_schema": _is("trino_output", "target_schema", loads=True),
    "dataset_name": _is("trino_output", "target_schema", loads=True),
    "mode": _is("trino_output", "mode", change="mode", loads=True),
    "load_mode": _is("trino_output", "mode", change="mode", loads=True),
    "write_mode": _is("trino_output", "mode", change="mode", loads=True),
    "write_disposition": _is("trino_output", "mode", change="mode", loads=True),
    "incremental_strategy": _is("trino_output", "mode", change="mode", loads=True),
    "destination_sync_mode": _is("trino_output", "mode", change="mode", loads=True),
    "materialization": _by_hand("it is `trino_output: {mode: ...}` here, beside `save_to_trino: true`"),
    "primary_key": _is("trino_output", "key_columns", change="list", loads=True),
    "primary_keys": _is("trino_output", "key_columns", change="list", loads=True),
    "unique_key": _is("trino_output", "key_columns", change="list", loads=True),
    "merge_key": _is("trino_output", "key_columns", change="list", loads=True),
    "key_columns": _is("trino_output", "key_columns", change="list", loads=True),
    "table-key-properties": _is("trino_output", "key_columns", change="list", loads=True),
    "checks": _is("quality", "rules"),
    "tests": _is("quality", "rules"),
    "rules": _is("quality", "rules"),
    "quality_rules": _is("quality", "rules"),
    "expectations": _is("quality", "rules"),
    "custom_checks": _is("quality", "rules"),
    "quality_checks": _is("quality"),
    "data_quality": _is("quality"),
    "freshness": _is("sla", "freshness"),
    "freshness_policy": _by_hand("it is `sla: {freshness: {max_age_hours: ...}}` here"),
    "schedule": _by_hand(f"it belongs to `jobs`: {_BY_JOB}"),
    "schedule_interval": _by_hand(f"it belongs to `jobs`: {_BY_JOB}"),
    "cron": _by_hand(f"it belongs to `jobs`: {_BY_JOB}"),
    "cron_schedule": _by_hand(f"it belongs to `jobs`: {_BY_JOB}"),
    "disabled": _is("enabled", change="not"),
    "active": _is("enabled"),
    "group": _out("it is `group` of the tenant, which holds for all its assets"),
    "group_name": _out("it is `group` of the tenant, which holds for all its assets"),
    "key_prefix": _out("the keys of assets begin with the tenant's id"),
    "kinds": _out("the kinds follow from the stage and the database"),
    "sensitive_columns": _is("pii_columns", change="list"),
    "masked_columns": _is("pii_columns", change="list"),
    "order_by": _is("sort_by", change="list"),
    "cluster_by": _is("sort_by", change="list"),
    "where": _by_hand("rows are chosen by a `query`: SELECT ... WHERE ..."),
    "filter": _by_hand("rows are chosen by a `query`: SELECT ... WHERE ..."),
}

_PARTITIONS: Mapping[str, Elsewhere] = {
    "type": _is("by"),
    "unit": _is("by"),
    "granularity": _is("by"),
    "frequency": _is("by"),
    "start_date": _is("start"),
    "end_date": _is("end"),
    "tz": _is("timezone"),
    "zone": _is("timezone"),
    "values": _is("keys", change="list"),
    "partition_keys": _is("keys", change="list"),
    "column": _by_hand(
        "the column of time is `date_column` of the pipeline; any other column is `by`, with its `keys`"
    ),
}

_OUTPUT: Mapping[str, Elsewhere] = {
    "primary_key": _is("key_columns", change="list"),
    "primary_keys": _is("key_columns", change="list"),
    "unique_key": _is("key_columns", change="list"),
    "keys": _is("key_columns", change="list"),
    "merge_keys": _is("key_columns", change="list"),
    "upsert_keys": _is("key_columns", change="list"),
    "table": _is("target_table"),
    "table_name": _is("target_table"),
    "schema": _is("target_schema"),
    "dataset": _is("target_schema"),
    "write_mode": _is("mode", change="mode"),
    "load_mode": _is("mode", change="mode"),
    "strategy": _is("mode", change="mode"),
    "write_disposition": _is("mode", change="mode"),
    "updated_at": _is("order_column"),
    "order_by": _is("order_column"),
    "catalog": _by_hand("the catalog is the tenant's: `warehouse: {catalog: ...}`"),
    "partition_by": _out("a table with a `date_column` is cut by its partitions"),
}

_QUALITY: Mapping[str, Elsewhere] = {
    "checks": _is("rules"),
    "tests": _is("rules"),
    "expectations": _is("rules"),
    "validations": _is("rules"),
    "on_error": _is("on_failure"),
    "action": _is("on_failure"),
    "threshold": _is("max_quarantine_rate"),
    "fail_on_error": _by_hand("it is `on_failure` here: block, quarantine or warn"),
}

_RULE: Mapping[str, Elsewhere] = {
    "field": _is("column"),
    "column_name": _is("column"),
    "col": _is("column"),
    "rule": _is("type"),
    "check": _is("type"),
    "test": _is("type"),
    "rule_type": _is("type"),
    "level": _is("severity"),
    "criticality": _is("severity"),
    "set": _is("values", change="list"),
    "value_set": _is("values", change="list"),
    "allowed_values": _is("values", change="list"),
    "accepted_values": _is("values", change="list"),
    "forbidden_values": _is("values", change="list"),
    "min_value": _is("min"),
    "minimum": _is("min"),
    "max_value": _is("max"),
    "maximum": _is("max"),
    "min_length": _is("min"),
    "max_length": _is("max"),
    "regex": _is("pattern"),
    "condition": _is("where"),
    "row_condition": _is("where"),
    "sql": _is("expression"),
    "threshold": _is("mostly"),
    "column_a": _is("left"),
    "column_A": _is("left"),
    "column_b": _is("right"),
    "column_B": _is("right"),
    "op": _is("operator"),
    "ref_table": _is("to"),
    "reference": _is("to"),
    "ref_column": _is("to_column"),
    "max_age": _is("max_age_hours"),
}

_SLA: Mapping[str, Elsewhere] = {
    "max_age_hours": _is("freshness", "max_age_hours"),
    "freshness_hours": _is("freshness", "max_age_hours"),
    "max_delay_hours": _is("freshness", "max_age_hours"),
    "due": _is("freshness", "deadline"),
    "severity": _is("alert_level"),
}
_FRESHNESS: Mapping[str, Elsewhere] = {
    "cron": _is("deadline"),
    "cron_schedule": _is("deadline"),
    "maximum_lag_minutes": _by_hand("it is `max_age_hours` here, in hours"),
    "fail_window": _by_hand("it is `max_age_hours` here, in hours"),
}

_JOB: Mapping[str, Elsewhere] = {
    "assets": _by_hand(f"it is `selection` here: {_SELECTED}"),
    "pipelines": _by_hand(f"it is `selection` here: {_SELECTED}"),
    "select": _is("selection"),
    "asset_selection": _is("selection"),
    "cron": _is("schedule", "cron"),
    "cron_schedule": _is("schedule", "cron"),
    "schedule_interval": _is("schedule", "cron"),
    "timezone": _is("schedule", "timezone"),
    "execution_timezone": _is("schedule", "timezone"),
    "enabled": _by_hand("a job always exists; whether it runs by itself is `schedule: {auto_start: ...}`"),
    "catchup": _out("a schedule runs the newest complete partition; earlier ones are a back-fill"),
    "max_active_runs": _out("runs of one tenant share a pool"),
    "config": _by_hand(_OWN_CODE),
}
_SCHEDULE: Mapping[str, Elsewhere] = {
    "cron_schedule": _is("cron"),
    "cron_expression": _is("cron"),
    "interval": _is("cron"),
    "tz": _is("timezone"),
    "execution_timezone": _is("timezone"),
    "enabled": _is("auto_start"),
    "active": _is("auto_start"),
    "default_status": _by_hand("it is `auto_start` here: true or false"),
}

_DBT: Mapping[str, Elsewhere] = {
    "target_schema": _is("schema"),
    "project_dir": _by_hand("it is `project` here, the name of the folder below dbt_projects/"),
    "project_path": _by_hand("it is `project` here, the name of the folder below dbt_projects/"),
    "path": _by_hand("it is `project` here, the name of the folder below dbt_projects/"),
    "project_name": _is("project"),
    "profiles_dir": _out(_PROFILES),
    "profile": _out(_PROFILES),
    "variables": _is("vars"),
    "select": _by_hand("which models follow a pipeline is `dbt_transform: {dbt_select: ...}` of the pipeline"),
    "threads": _out(_PROFILES),
}
_DBT_TRANSFORM: Mapping[str, Elsewhere] = {
    "select": _is("dbt_select"),
    "selection": _is("dbt_select"),
    "models": _is("dbt_select"),
    "exclude": _is("dbt_exclude"),
}

_NOTIFICATION: Mapping[str, Elsewhere] = {
    "channel": _by_hand("the address is a webhook of Slack, which belongs to one channel: leave it out"),
    "webhook_url": _is("url"),
    "webhook": _is("url"),
    "events": _is("on", change="list"),
    "triggers": _is("on", change="list"),
    "level": _is("severity"),
    "min_severity": _is("severity"),
    "smtp_host": _is("host"),
    "smtp_port": _is("port"),
    "smtp_server": _is("host"),
    "from": _is("sender"),
    "recipients": _is("to", change="list"),
    "emails": _is("to", change="list"),
    "integration_key": _is("routing_key"),
    "service_key": _is("routing_key"),
}

SECTIONS: Mapping[str, Mapping[str, Elsewhere]] = {
    "tenant": _TENANT,
    "source_database": _SOURCE,
    "warehouse": _WAREHOUSE,
    "storage": _STORAGE,
    "pipeline": _PIPELINE,
    "partitions": _PARTITIONS,
    "trino_output": _OUTPUT,
    "dbt_transform": _DBT_TRANSFORM,
    "quality": _QUALITY,
    "rule": _RULE,
    "sla": _SLA,
    "freshness": _FRESHNESS,
    "job": _JOB,
    "schedule": _SCHEDULE,
    "dbt": _DBT,
    "notification": _NOTIFICATION,
}
"""For each section of a tenant's file, the keys from elsewhere."""


def from_elsewhere(path: KeyPath, key: str) -> Elsewhere | None:
    """Return what stands here for `key` in the mapping at `path`, or None for a key of nobody."""
    return SECTIONS.get(section_of(path), {}).get(key) or (_ANY.get(key) if section_of(path) else None)
