"""The metadata of a materialization in Dagster's UI.

Belongs here: from a `StageResult` to metadata. Not here: check metadata (`check_factory`).
"""

from collections.abc import Mapping, Sequence

from dagster import MetadataValue, TableColumn, TableSchema

from etl.pipeline.stage import StageResult
from etl.secrets.cache import versions_read

Metadata = dict[str, MetadataValue]


def stage_metadata(result: StageResult) -> Metadata:
    """Rows, schema, place, preview and speed of one published partition or table."""
    count = "dagster/partition_row_count" if result.partition else "dagster/row_count"
    metadata: Metadata = {
        count: MetadataValue.int(result.rows),
        "rows_read": MetadataValue.int(result.rows_read),
        "rows_quarantined": MetadataValue.int(result.rows_quarantined),
        "bytes": MetadataValue.int(result.bytes),
        "seconds": MetadataValue.float(round(result.seconds, 3)),
        "rows_per_second": MetadataValue.float(round(result.rows_per_second, 1)),
        "version": MetadataValue.text(result.version),
        "dagster/column_schema": MetadataValue.table_schema(
            TableSchema(
                columns=[TableColumn(name, dtype, result.comments.get(name)) for name, dtype in result.sample.columns]
            )
        ),
    }
    if result.stage == "load":
        metadata["dagster/table_name"] = MetadataValue.text(str(result.detail["table"]))
        metadata["object"] = MetadataValue.text(result.uri)
    else:
        metadata["dagster/uri"] = MetadataValue.text(result.uri)
    if result.sample.preview:
        metadata["preview"] = MetadataValue.md(markdown_table(result.sample.preview))
    elif result.sample.note:
        metadata["preview"] = MetadataValue.text(result.sample.note)
    for key, value in result.detail.items():
        metadata.setdefault(key, MetadataValue.text(str(value)) if isinstance(value, bool | str) else _number(value))
    return metadata


def secret_versions(tenant: str) -> Metadata:
    """Return which versions of the tenant's secrets this process has read last; empty if it has read none."""
    found = {name: f"{each.store} {each.version}".strip() for name, each in versions_read(tenant).items()}
    return {"secret_versions": MetadataValue.json(found)} if found else {}


def markdown_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as a Markdown table; a pipe in a value does not break the table."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def _number(value: float) -> MetadataValue:
    return MetadataValue.int(value) if isinstance(value, int) else MetadataValue.float(value)
