"""PostgreSQL through ADBC: a stream of Arrow batches, where DuckDB's extension cannot be had.

Belongs here: opening the stream, feeding DuckDB's writer. Does not: types (`postgres_types`, with times as text,
because ADBC moves infinity to an ordinary date).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from etl.errors import SourceError
from etl.faults import reach
from etl.source.contract import ExtractRequest, Progress, ReadPlan
from etl.source.database_url import DatabaseUrl
from etl.source.postgres_catalogue import connection_parts, conninfo
from etl.source.writer import write_rows, writing_engine

NAME = "postgres_adbc"
BATCH_BYTES = 1 << 20


def extract(
    url: DatabaseUrl,
    request: ExtractRequest,
    plan: ReadPlan,
    path: Path,
    footer: Mapping[str, str],
    on_progress: Progress | None,
) -> None:
    """Stream the statement's rows into the file."""
    # not the DB-API half of the package: it imports pandas and Polars, 70 MB, for what is not used here
    from adbc_driver_manager import AdbcConnection, AdbcStatement, Error  # noqa: PLC0415  an extra: `postgres`
    from adbc_driver_postgresql import StatementOptions, connect  # noqa: PLC0415  an extra: `postgres`

    login = conninfo(connection_parts(url, request))

    @contextmanager
    def rows() -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        with (
            connect(login) as database,
            AdbcConnection(database) as connection,
            AdbcStatement(connection) as statement,
            writing_engine(path, len(plan.columns)) as writer,
        ):
            reach("extract.connected")
            statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES)})
            statement.set_sql_query(plan.select())
            stream, _ = statement.execute_query()
            with pa.RecordBatchReader.from_stream(stream) as reader:
                batches = pa.RecordBatchReader.from_batches(reader.schema, _counted(reader, on_progress))
                writer.register("batches", batches)
                yield writer, "batches"

    try:
        write_rows(rows, plan.columns, path, footer)
    except Error as error:
        raise SourceError(str(error)) from None


def _counted(reader: pa.RecordBatchReader, on_progress: Progress | None) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in reader:
        rows += batch.num_rows
        reach("extract.batch")
        yield batch
        if on_progress is not None:
            on_progress(rows)
