"""The column lineage of a stage's rows: of an extract, of a transform and of a load.

Belongs here: which tables a stage reads, as the keys of assets, and the kind of its lineage. Not here: deriving a
lineage (`etl.lineage`), its place in Dagster (`etl.running.lineage_metadata`).

A table of the source is no asset. Its key is `<tenant>/source/<table>`, with the schema if the YAML or the query names
another one than the database's default.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from etl.config.pipeline_config import PipelineConfig
from etl.lineage.columns import ColumnLineage, ColumnOrigin, Table, declared, identical, unknown_lineage
from etl.pipeline.stage import StageRun

logger = logging.getLogger(__name__)

SOURCE = "source"


@dataclass(frozen=True)
class SourceTables:
    """What the names of tables mean in one database: its SQL by sqlglot's name, and its default schema, if known."""

    sql: str
    default_schema: str | None

    def key(self, tenant: str, words: Sequence[str]) -> Table:
        """Return the key of a table of the tenant's source: the same for all names of one table."""
        if self.sql == "sqlite":
            words = [each.lower() for each in words]  # capitals make no difference, in quotes neither
        *schema, table = words
        return tenant, SOURCE, table if schema == [self.default_schema] else ".".join(words)


def extract_lineage(run: StageRun, columns: Sequence[str], source: SourceTables, schema: str | None) -> ColumnLineage:
    """Return the lineage of an extract: identity for a table, and what the text of a query says."""
    tenant, pipeline = run.config.id, run.pipeline
    if pipeline.query is None:
        words = (*((schema,) if schema else ()), pipeline.source_table or "")
        return identical(columns, source.key(tenant, words))
    try:
        found = _of_query(pipeline.query, source.sql, tuple(columns))
    except Exception as error:  # noqa: BLE001  the rows are good: text that sqlglot stumbles over costs only the lineage
        logger.info("%s: the lineage of the query is not known: %s", run.label, type(error).__name__)
        return unknown_lineage(columns, "the query could not be read")
    return ColumnLineage(
        known={
            name: tuple(dict.fromkeys(ColumnOrigin(source.key(tenant, each.table), each.column) for each in origins))
            for name, origins in found.known.items()
        },
        unknown=found.unknown,
        tables=tuple(dict.fromkeys(source.key(tenant, each) for each in found.tables)),
    )


def transfer_lineage(run: StageRun, columns: Sequence[str], inputs: Mapping[str, Collection[str]]) -> ColumnLineage:
    """Return the lineage that the YAML declares for a transform. `inputs` are the columns of its inputs."""
    return declared(columns, run.pipeline.origins, input_tables(run.config.id, run.pipeline), inputs)


def load_lineage(run: StageRun, columns: Sequence[str]) -> ColumnLineage:
    """Return the lineage of a load, whose table has the columns of the published object."""
    return identical(columns, (run.config.id, run.pipeline.published_stage, run.pipeline.name))


def input_tables(tenant: str, pipeline: PipelineConfig) -> dict[str, Table]:
    """Return the key of each input of a transform."""
    return {each: (tenant, "extract", each) for each in pipeline.transfer_inputs}


@lru_cache(maxsize=64)
def _of_query(query: str, dialect: str, columns: tuple[str, ...]) -> ColumnLineage:
    """Read a query once for all partitions of a range."""
    from etl.lineage.query import query_lineage  # noqa: PLC0415  sqlglot takes 0.1 s: only a query needs it

    return query_lineage(query, dialect, columns)
