"""Makes an object's rows a file of one Iceberg table, and uploads it below the table's folder.

Belongs here: the file's columns, types and numbers, its statistics, the upload. Not here: which types fit
(`iceberg_types`), which object needs no new file (`iceberg_object`), the commit (`iceberg_commit`).

An object that fits is uploaded as it is. Otherwise DuckDB writes a file in a stream, which has the partition's column
inside.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table.metadata import TableMetadata

from etl.errors import WarehouseError
from etl.sql import literal
from etl.warehouse.iceberg_object import partition_of
from etl.warehouse.iceberg_types import duckdb_name, field_ids
from etl.warehouse.identifier import quoted

_CHUNK = 8 << 20


class RowsFile:
    """The rows of one relation of DuckDB, as a file on this machine."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, relation: str, path: Path) -> None:
        self._engine = engine
        self._relation = relation
        self._path = path
        self._uploaded: tuple[str, str] | None = None
        self._names: set[str] = set()
        described = engine.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        self._columns = {name.lower(): (name, kind) for name, kind, *_ in described}

    def put(
        self,
        io: FileIO,
        metadata: TableMetadata,
        constants: Mapping[str, str],
        uri: str,
        expected: int,
        *,
        as_it_is: Path | None = None,
    ) -> DataFile | None:
        """Upload a file of these rows for the table; None if there are no rows.

        `constants` are the columns that have one value in all rows, as SQL. `as_it_is` is an object that has just these
        rows and fits the table; otherwise the file is written for the table's columns.
        """
        path = as_it_is or self._path
        statement = "" if as_it_is else self._statement(metadata, constants)
        if (statement, uri) != self._uploaded:
            self._uploaded = None
            if statement:
                self._engine.execute(statement)
        footer = pq.read_metadata(path)
        if footer.num_rows != expected:
            raise WarehouseError(
                f"{footer.num_rows} rows arrived, but the object holds {expected}", "nothing was loaded; run it again"
            )
        if not expected:
            return None
        if self._uploaded is None:
            with path.open("rb") as source, io.new_output(uri).create(overwrite=True) as target:
                shutil.copyfileobj(source, target, _CHUNK)
            self._uploaded = statement, uri
        statistics = data_file_statistics_from_parquet_metadata(
            footer,
            compute_statistics_plan(metadata.schema(), metadata.properties),
            parquet_path_to_id_mapping(metadata.schema()),
        )
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=uri,
            file_format=FileFormat.PARQUET,
            partition=partition_of(metadata, constants)
            if as_it_is
            else statistics.partition(metadata.spec(), metadata.schema()),
            file_size_in_bytes=path.stat().st_size,
            sort_order_id=None,
            spec_id=metadata.default_spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )

    def _statement(self, metadata: TableMetadata, constants: Mapping[str, str]) -> str:
        select = self._select(metadata, constants)
        options = f"FORMAT parquet, COMPRESSION zstd, FIELD_IDS {field_ids(metadata.schema(), self._names)}"
        return f"COPY ({select}) TO {literal('duckdb', str(self._path))} ({options})"

    def _select(self, metadata: TableMetadata, constants: Mapping[str, str]) -> str:
        chosen, self._names = [], set()
        for field in metadata.schema().fields:
            kind = duckdb_name(field.field_type)
            if field.name in constants:
                value = f"CAST({constants[field.name]} AS {kind})"
            elif field.name.lower() in self._columns:
                name, own = self._columns[field.name.lower()]
                value = quoted(name) if own == kind else f"CAST({quoted(name)} AS {kind})"
            else:
                continue
            chosen.append(f"{value} AS {quoted(field.name)}")
            self._names.add(field.name)
        return f"SELECT {', '.join(chosen)} FROM {self._relation}"
