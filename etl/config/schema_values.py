"""Patterns and examples of the values of a tenant's file, for editors.

Belongs here: what a value looks like where the models check it with Python. Not here: the keys (`schema`), rules
between keys (`schema_rules`).

A pattern never refuses what the loader accepts. It lets everything with a variable pass where a variable may stand.
"""

from typing import Any

from etl.config.identifiers import NAME_LIMIT, RESERVED_SCHEMAS

_VARIABLE = r"\$\{"
NAME = r"^[a-z][a-z0-9_]*$"
_SOURCE = r"^(?!.*--)[^\s\"'`;:%*\\\[\](){}<>=,!?@&|+~^][^\"'`;:%*\\\[\](){}<>=,!?@&|+~^\u0000-\u001f]*$"
_OWNER = r"^([^@\s<>\"',;]+@[^@\s<>\"',;]+\.[^@\s<>\"',;]+|team:[A-Za-z0-9_-]+)$"
_TAG_KEY = r"^(?!(?:tenant|pipeline|data_tier)$)([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}$"
_TAG_VALUE = r"^[A-Za-z0-9_.-]{0,63}$"
_CRON = r"^\s*(@[A-Za-z]+|\S+(\s+\S+){4})\s*$"
_START = r"^\d{4}-(\d\d(-\d\d([T ]\d\d:?\d\d.*)?)?|W\d\d(-1)?)$"
_ADDRESS = rf"^(https?://|HTTPS?://|.*{_VARIABLE})"
_MAIL = rf"^[^@\s]+@[^@\s]+$|<[^@\s]+@[^@\s]+>$|{_VARIABLE}"
NUMBER = r"^\s*[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][+-]?\d+)?\s*$"
"""A number that is written as a text."""


def _any_case(*words: str) -> str:
    return "|".join("".join(f"[{each.upper()}{each}]" for each in word) for word in words)


WORD_ON: dict[str, Any] = {
    "type": ["string", "number"],
    "pattern": f"^(?:{_any_case('y', 'yes', 'on', 't', 'true')}|1)$",
    "minimum": 1,
    "maximum": 1,
}
WORD_OFF: dict[str, Any] = {
    "type": ["string", "number"],
    "pattern": f"^(?:{_any_case('n', 'no', 'off', 'f', 'false')}|0)$",
    "minimum": 0,
    "maximum": 0,
}
"""The texts and numbers that a switch takes."""
ONLY_FALSE: dict[str, Any] = {
    "not": {"anyOf": [{"const": True}, {"type": ["string", "number", "object", "array", "null"]}]}
}
"""`false`, in a form that no editor proposes."""
ONLY_NULL: dict[str, Any] = {"not": {"type": ["boolean", "string", "number", "object", "array"]}}
"""No value, in a form that no editor proposes."""
CATALOGS = rf"^(sql|rest|glue|hive)$|{_VARIABLE}"
"""The types of a catalog of Iceberg."""
_reserved = "|".join(RESERVED_SCHEMAS)

_SOURCE_NAMES = ("source_table", "source_schema", "date_column", "order_column")
_LISTS_OF_COLUMNS = ("columns", "sort_by", "pii_columns", "safe_columns", "key_columns")

PATTERNS: dict[tuple[str, str], str] = {
    **{("PipelineConfig", key): _SOURCE for key in _SOURCE_NAMES},
    ("TrinoOutput", "order_column"): _SOURCE,
    ("TrinoOutput", "target_schema"): rf"^(?!(?:{_reserved})$)[A-Za-z_][A-Za-z0-9_$]*$",
    ("DbtConfig", "schema"): rf"^(?!(?:{_reserved})$)[A-Za-z_][A-Za-z0-9_$]*$",
    ("Tenant", "id"): rf"^_template$|{NAME}",
    ("PipelineConfig", "query"): r"\S",
    ("Partitions", "start"): _START,
    ("Partitions", "end"): _START,
    ("ScheduleConfig", "cron"): _CRON,
    ("FreshnessPromise", "deadline"): _CRON,
    ("LakeConfig", "bucket"): rf"^([A-Za-z0-9][A-Za-z0-9._-]*)?$|{_VARIABLE}",
    ("LakeConfig", "endpoint_url"): _ADDRESS,
    ("WarehouseConfig", "http_scheme"): rf"^https?$|{_VARIABLE}",
    ("SourceDatabase", "host"): rf"^$|^(?!.*://)\S+$|{_VARIABLE}",
    ("WarehouseConfig", "host"): rf"^$|^(?!.*://)\S+$|{_VARIABLE}",
    ("SourceDatabase", "port"): rf"^$|^\d{{1,5}}$|{_VARIABLE}",
    ("WarehouseConfig", "port"): rf"^$|^\d{{1,5}}$|{_VARIABLE}",
    ("WebhookTarget", "url"): _ADDRESS,
    ("SlackTarget", "url"): _VARIABLE,
    ("EmailTarget", "sender"): _MAIL,
    ("EmailTarget", "port"): rf"^\d{{1,5}}$|{_VARIABLE}",
}
"""For a model and a key, the pattern of its text."""

ITEMS: dict[tuple[str, str], str] = {
    **{("PipelineConfig", key): _SOURCE for key in _LISTS_OF_COLUMNS[:3]},
    ("PipelineQuality", "safe_columns"): _SOURCE,
    ("TrinoOutput", "key_columns"): _SOURCE,
    ("Tenant", "owners"): _OWNER,
    ("PipelineConfig", "owners"): _OWNER,
    ("Partitions", "keys"): r"^[A-Za-z0-9_-]{1,64}$",
    ("EmailTarget", "to"): _MAIL,
}
"""For a model and a key, the pattern of the texts in its list."""

UNIQUE = frozenset({
    ("PipelineConfig", "columns"), ("PipelineConfig", "sort_by"), ("PipelineConfig", "pii_columns"),
    ("PipelineConfig", "transfer_inputs"), ("TrinoOutput", "key_columns"), ("PipelineQuality", "rules"),
})  # fmt: skip
"""Lists in which nothing may stand twice."""

NAMES: dict[tuple[str, str], dict[str, Any]] = {
    ("AssetsConfig", "pipelines"): {"pattern": NAME, "maxLength": NAME_LIMIT},
    ("Tenant", "jobs"): {"pattern": NAME, "maxLength": NAME_LIMIT, "not": {"const": "all"}},
    ("Tenant", "tags"): {"pattern": _TAG_KEY},
    ("PipelineConfig", "tags"): {"pattern": _TAG_KEY},
    ("JobConfig", "tags"): {"pattern": r"^(?!dagster/)|^dagster/(priority|max_runtime)$"},
    ("DbtConfig", "vars"): {"not": {"enum": ["tenant", "schema", "partition_start", "partition_end"]}},
}
"""For a model and a key, what the names in its mapping look like."""

VALUES: dict[tuple[str, str], str] = {("Tenant", "tags"): _TAG_VALUE, ("PipelineConfig", "tags"): _TAG_VALUE}
"""For a model and a key, the pattern of the texts in its mapping."""

EXAMPLES: dict[tuple[str, str], list[Any]] = {
    ("Tenant", "id"): ["acme"],
    ("Tenant", "name"): ["Acme"],
    ("Tenant", "description"): ["Orders of the shop"],
    ("Tenant", "group"): ["CD"],
    ("Tenant", "owners"): [["team:planning", "data@example.com"]],
    ("Tenant", "tags"): [{"domain": "shop"}],
    ("Tenant", "environments"): [{"prod": {"warehouse": {"type": "trino", "host": "trino"}}}],
    ("SourceDatabase", "url"): ["${ACME_DB_URL}"],
    ("SourceDatabase", "driver"): ["postgresql", "mysql", "oracle", "mssql", "sqlite"],
    ("SourceDatabase", "host"): ["${ACME_DB_HOST}"],
    ("SourceDatabase", "port"): ["${ACME_DB_PORT:-5432}"],
    ("SourceDatabase", "database"): ["${ACME_DB_NAME}"],
    ("SourceDatabase", "username"): ["${ACME_DB_USER}"],
    ("SourceDatabase", "password"): ["${ACME_DB_PASSWORD}", "${secret:db#password}"],
    ("SourceDatabase", "options"): [{"sslmode": "require"}],
    ("SourceDatabase", "schema"): ["public"],
    ("SourceDatabase", "statement_timeout_seconds"): [600],
    ("LakeConfig", "bucket"): ["${S3_BUCKET_NAME:-}"],
    ("LakeConfig", "base_path"): ["raw/acme"],
    ("LakeConfig", "endpoint_url"): ["${S3_ENDPOINT_URL}"],
    ("LakeConfig", "region"): ["${AWS_REGION}"],
    ("WarehouseConfig", "host"): ["${ACME_WAREHOUSE_HOST}"],
    ("WarehouseConfig", "catalog"): ["${TRINO_CATALOG}"],
    ("WarehouseConfig", "http_scheme"): ["https"],
    ("WarehouseConfig", "iceberg"): [{"type": "rest", "uri": "http://rest:8181"}],
    ("PipelineConfig", "description"): ["The latest state of each order"],
    ("PipelineConfig", "owners"): [["team:planning"]],
    ("PipelineConfig", "tags"): [{"domain": "shop"}],
    ("PipelineConfig", "source_table"): ["orders"],
    ("PipelineConfig", "source_schema"): ["public"],
    ("PipelineConfig", "query"): [
        "SELECT id, amount, created_at FROM orders WHERE created_at >= :window_start AND created_at < :window_end"
    ],
    ("PipelineConfig", "date_column"): ["created_at"],
    ("PipelineConfig", "partitions"): [{"start": "2026-01-01", "timezone": "Asia/Seoul"}],
    ("PipelineConfig", "columns"): [["id", "amount", "created_at"]],
    ("PipelineConfig", "sort_by"): [["created_at"]],
    ("PipelineConfig", "pii_columns"): [["email"]],
    ("PipelineConfig", "max_shrink"): [0.5],
    ("PipelineConfig", "trino_output"): [{"target_schema": "shop", "key_columns": ["id"], "mode": "upsert"}],
    ("PipelineConfig", "dbt_transform"): [{"dbt_select": "stg_orders+"}],
    ("PipelineConfig", "sla"): [{"freshness": {"max_age_hours": 26}, "min_row_count": 1}],
    ("Tenant", "sla"): [{"freshness": {"max_age_hours": 26}, "min_row_count": 1}],
    ("Tenant", "storage"): [{"bucket": "${S3_BUCKET_NAME:-}", "base_path": "acme"}],
    ("Tenant", "warehouse"): [{"type": "duckdb"}, {"type": "postgres", "host": "${ACME_WAREHOUSE_HOST}"}],
    ("Tenant", "assets"): [{"pipelines": {"orders": {"source_table": "orders"}}}],
    ("Tenant", "dbt"): [{"enabled": True}],
    ("PipelineConfig", "quality"): [{"on_failure": "quarantine", "rules": [{"column": "id", "type": "not_null"}]}],
    ("PipelineConfig", "volume"): [{"max_shrink": 0.3}, "off"],
    ("Tenant", "source_database"): [{"host": "${ACME_DB_HOST}", "database": "${ACME_DB_NAME}"}],
    ("PipelineConfig", "transfer_inputs"): [["orders", "customers"]],
    ("Partitions", "by"): ["hour", "day", "week", "month"],
    ("Partitions", "keys"): [["eu", "us"]],
    ("Partitions", "timezone"): ["UTC", "Asia/Seoul", "Europe/Berlin", "America/New_York"],
    ("Partitions", "start"): ["2026-01-01"],
    ("Partitions", "end"): ["2026-01-31"],
    ("Partitions", "lookback"): [1],
    ("Partitions", "naive_timezone"): ["UTC"],
    ("TrinoOutput", "target_table"): ["orders"],
    ("TrinoOutput", "target_schema"): ["shop"],
    ("TrinoOutput", "key_columns"): [["id"]],
    ("TrinoOutput", "order_column"): ["updated_at"],
    ("DbtTransform", "dbt_select"): ["stg_orders+"],
    ("DbtTransform", "dbt_exclude"): ["tag:slow"],
    ("PipelineQuality", "engine"): ["truthound", "polars", "great_expectations", "pandera"],
    ("PipelineQuality", "rules"): [[{"column": "id", "type": "not_null"}]],
    ("PipelineQuality", "max_quarantine_rate"): [0.05],
    ("PipelineQuality", "safe_columns"): [["status"]],
    ("PipelineQuality", "timeout_seconds"): [60],
    ("PipelineSLA", "max_failure_rate"): [0.05],
    ("PipelineSLA", "min_pass_rate"): [0.95],
    ("PipelineSLA", "max_execution_time_seconds"): [300],
    ("PipelineSLA", "min_row_count"): [1],
    ("PipelineSLA", "max_row_count"): [1000000],
    ("PipelineSLA", "max_consecutive_failures"): [3],
    ("PipelineSLA", "freshness"): [{"deadline": "0 9 * * *", "timezone": "Asia/Seoul", "max_age_hours": 26}],
    ("FreshnessPromise", "deadline"): ["0 9 * * *"],
    ("FreshnessPromise", "timezone"): ["Asia/Seoul"],
    ("FreshnessPromise", "max_age_hours"): [26],
    ("DbtConfig", "project"): ["acme"],
    ("DbtConfig", "vars"): [{"currency": "EUR"}],
    ("DbtConfig", "schema"): ["acme_dbt"],
    ("JobConfig", "description"): ["Everything of this tenant, one day"],
    ("JobConfig", "selection"): ["*", "tag:pipeline=orders", "tag:data_tier=gold"],
    ("JobConfig", "schedule"): [{"cron": "0 6 * * *", "timezone": "Asia/Seoul"}],
    ("JobConfig", "tags"): [{"dagster/priority": "1"}],
    ("ScheduleConfig", "cron"): ["0 6 * * *"],
    ("ScheduleConfig", "timezone"): ["UTC", "Asia/Seoul"],
    ("Route", "owners"): [["team:planning"]],
    ("Route", "pipelines"): [["orders", "lot_*"]],
    ("WebhookTarget", "url"): ["${ACME_WEBHOOK_URL}"],
    ("WebhookTarget", "headers"): [{"X-Tenant": "acme"}],
    ("SlackTarget", "url"): ["${ACME_SLACK_URL}"],
    ("EmailTarget", "host"): ["smtp.example.com"],
    ("EmailTarget", "username"): ["${ACME_SMTP_USER}"],
    ("EmailTarget", "password"): ["${ACME_SMTP_PASSWORD}"],
    ("EmailTarget", "sender"): ["etl@example.com"],
    ("EmailTarget", "to"): [["data@example.com"]],
    ("PagerDutyTarget", "routing_key"): ["${ACME_PAGERDUTY_KEY}"],
    ("OpsgenieTarget", "api_key"): ["${ACME_OPSGENIE_KEY}"],
}
"""For a model and a key without a default, values that an editor proposes."""

OF_RULES: dict[str, Any] = {
    "column": "id",
    "mostly": 0.99,
    "where": "status = 'paid'",
    "name": "each_order_has_a_customer",
    "description": "An order without a customer is a typing error of the shop.",
}
"""Examples of the arguments that all rules take."""
OF_RULE: dict[str, dict[str, Any]] = {
    "length": {"exact": 6},
    "row_count": {"max": 1000000, "exact": 365},
    "mean_between": {"max": 1},
    "sum_between": {"max": 1000000},
    "unique": {"column": "id"},
    "foreign_key": {"to_column": "code"},
    "truthound": {"type": "truthound", "validator": "outlier", "args": {"columns": ["qty"]}},
}
"""Examples of arguments that the example of a rule does not have."""
