"""The metadata of a dbt materialization: rows, columns, and the columns from which they come.

Belongs here: reading the built relations in the tenant's warehouse. Not here: running dbt (`etl.dbt.build`).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from dagster import MetadataValue, TableColumn, TableSchema

from etl.config.tenant_config import TenantConfig
from etl.dbt.build import NodeResult
from etl.dbt.index import DbtAsset
from etl.dbt.project import TenantDbt
from etl.lineage.columns import ColumnLineage, Table, renamed, unknown_lineage
from etl.partitions.keys import key_of, kind_of
from etl.running.dbt_keys import node_key, source_files
from etl.running.lineage_metadata import lineage_metadata
from etl.running.metadata import Metadata
from etl.warehouse.contract import CountedRows, Warehouse, WarehouseTable

_LOG = logging.getLogger(__name__)

Columns = dict[str, str]
Manifest = Mapping[str, Any]


class BuiltRelations:
    """The tables and views that one invocation built, as the warehouse knows them."""

    def __init__(self, manifest: Manifest, built: Sequence[DbtAsset], window: Mapping[str, str]) -> None:
        """`window` has the days of the invocation; empty: all days."""
        self._manifest = manifest
        self._built = [(each, manifest["nodes"][each.unique_id]) for each in built]
        self._window = window
        self._found: dict[tuple[str, str], WarehouseTable] = {}
        self.columns: dict[tuple[str, str], Columns] = {}
        self.rows: dict[str, int] = {}
        self.rows_by_day: dict[str, dict[str, int]] = {}

    def read(self, warehouse: Warehouse) -> None:
        """Read columns and counts from the warehouse."""
        nodes = [node for _, node in self._built]
        above = [each for node in nodes for each in self.inputs_of(node)]
        schemas = sorted({node["schema"] for node in [*nodes, *above]})
        for table in warehouse.describe(schemas):
            place = table.schema_name.lower(), table.name.lower()
            self._found[place] = table
            self.columns[place] = {column.name: column.type for column in table.columns}
        counted = [
            (asset.unique_id, wanted)
            for asset, node in self._built
            if node["config"]["materialized"] not in {"view", "ephemeral"} and self.columns_of(node)
            for wanted in self._counts(asset, node)
        ]
        counts = warehouse.counts([wanted for _, wanted in counted]) if counted else []
        for (unique_id, wanted), found in zip(counted, counts, strict=True):
            if wanted.by:
                self.rows_by_day[unique_id] = {str(day): rows for (day,), rows in found.items()}
            else:
                self.rows[unique_id] = found[()]

    def _counts(self, asset: DbtAsset, node: Mapping[str, Any]) -> Iterator[CountedRows]:
        """The rows of the whole table, and those of each day where the key of the increment is a date."""
        table = self._found[_place(node)]
        yield CountedRows(table.schema_name, table.name)
        column = asset.day_column
        if self._window and column and self.columns_of(node).get(column, "").upper() == "DATE":
            days = self._window["partition_start"][:10], self._window["partition_end"][:10]
            yield CountedRows(table.schema_name, table.name, (column,), days)

    def columns_of(self, node: Mapping[str, Any]) -> Columns:
        """Names and types, as the warehouse says them; empty where it does not know the relation."""
        return self.columns.get(_place(node), {})

    def inputs_of(self, node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the models and sources with a relation that a node reads, also through ephemeral models."""
        for unique_id in _above(node):
            found = self._node(unique_id)
            if found is not None:
                yield found
            elif unique_id in self._manifest["nodes"]:
                yield from self.inputs_of(self._manifest["nodes"][unique_id])

    def _node(self, unique_id: str) -> Mapping[str, Any] | None:
        node: Mapping[str, Any] | None = self._manifest["nodes"].get(unique_id) or self._manifest["sources"].get(
            unique_id
        )
        return node if node and node.get("relation_name") else None


def _place(node: Mapping[str, Any]) -> tuple[str, str]:
    """Schema and name of what a node makes, in small letters."""
    name = node.get("alias") or node.get("identifier") or node["name"]
    return node["schema"].lower(), name.lower()


def _above(node: Mapping[str, Any]) -> list[str]:
    """Return a node's inputs; a seed has no inputs."""
    return [str(each) for each in node["depends_on"].get("nodes", [])]


def materialization_metadata(
    asset: DbtAsset, result: NodeResult, relations: BuiltRelations, manifest: Manifest, lineage: Metadata
) -> Metadata:
    """Return the metadata that is the same for every day of this materialization."""
    metadata: Metadata = {
        "seconds": MetadataValue.float(round(result.seconds, 3)),
        "unique_id": MetadataValue.text(asset.unique_id),
        **lineage,
    }
    if asset.table:
        metadata["dagster/table_name"] = MetadataValue.text(asset.table)
    columns = relations.columns_of(manifest["nodes"][asset.unique_id])
    if columns:
        described = {name: text for name, _, text in asset.columns}
        metadata["dagster/column_schema"] = MetadataValue.table_schema(
            TableSchema(
                [TableColumn(name, dtype, description=described.get(name) or None) for name, dtype in columns.items()]
            )
        )
    return metadata


def row_counts(asset: DbtAsset, relations: BuiltRelations, days: Sequence[str]) -> dict[str | None, Metadata]:
    """Return the row count of the table, or of each built day; without a date column, the table is counted once."""
    total = relations.rows.get(asset.unique_id)
    if total is None:
        return {}
    whole: Metadata = {"dagster/row_count": MetadataValue.int(total)}
    if not days:
        return {None: whole}
    by_day = relations.rows_by_day.get(asset.unique_id)
    unit = kind_of(days[0])
    if by_day is None or unit is None or unit == "hour" or unit == "static":  # noqa: PLR1714  mypy narrows no set; a date says no hour
        return {days[-1]: whole}
    rows = dict.fromkeys(days, 0)
    for day, count in by_day.items():
        key = key_of(unit, date.fromisoformat(day))
        rows[key] = rows.get(key, 0) + count
    return {key: {"dagster/partition_row_count": MetadataValue.int(rows[key])} for key in days}


def column_lineage(
    config: TenantConfig, project: TenantDbt, relations: BuiltRelations, manifest: Manifest, asset: DbtAsset
) -> Metadata:
    """Return the columns from which a model's columns come, by the SQL that dbt has compiled."""
    node = manifest["nodes"][asset.unique_id]
    columns = list(relations.columns_of(node))
    if not columns:
        return {}
    try:
        return lineage_metadata(_node_lineage(config, project, relations, manifest, asset))
    except Exception as error:  # noqa: BLE001  the table is built; unknown SQL costs only the lineage
        _LOG.info("no column lineage of %s: %s", asset.unique_id, type(error).__name__)
        return lineage_metadata(unknown_lineage(columns, "the model's SQL could not be read"))


def _node_lineage(
    config: TenantConfig, project: TenantDbt, relations: BuiltRelations, manifest: Manifest, asset: DbtAsset
) -> ColumnLineage:
    from etl.lineage.query import query_lineage, table_words  # noqa: PLC0415  sqlglot takes 0.1 s: only a run needs it

    node = manifest["nodes"][asset.unique_id]
    columns = list(relations.columns_of(node))
    if node["resource_type"] == "seed":
        return ColumnLineage(known=dict.fromkeys(columns, ()))  # the rows stand in a file of the project
    compiled = project.build_path(days=asset.incremental) / asset.compiled
    if node["resource_type"] == "snapshot" or compiled.suffix != ".sql" or not compiled.is_file():
        return unknown_lineage(columns, f"a {node['resource_type']} without one compiled SQL file")
    dialect = manifest["metadata"]["adapter_type"]
    read = [(each, table_words(each["relation_name"], dialect)) for each in (node, *relations.inputs_of(node))]
    keys: dict[Table, Table] = {words: tuple(node_key(config, each, manifest).path) for each, words in read}
    known = {words: list(found) for each, words in read if (found := relations.columns_of(each))}
    sql = compiled.read_text(encoding="utf-8")
    for each, _ in read:
        if each["resource_type"] == "source" and (files := source_files(each, manifest)):
            sql = sql.replace(files, each["relation_name"])  # the files of one extract are one table
    return renamed(query_lineage(sql, dialect, columns, known), keys)
