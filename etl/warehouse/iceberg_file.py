"""Writes an object's rows as a file of one Iceberg table, and uploads it below the table's folder.

Belongs here: the file's columns, types and numbers, its statistics, the upload. Not here: which types fit
(`iceberg_types`), the commit (`iceberg`).

DuckDB writes the file in a stream. The file has the partition's column inside: without it, every reader would take its
rows for rows without a partition.
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
from etl.warehouse.iceberg_types import duckdb_name, field_ids
from etl.warehouse.identifier import quoted

_CHUNK = 8 << 20


class RowsFile:
    """The rows of one relation of DuckDB, as a file on this machine."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, relation: str, path: Path) -> None:
        self._engine = engine
        self._relation = relation
        self._path = path
        self._written: tuple[str, str] | None = None
        self._names: set[str] = set()
        described = engine.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        self._columns = {name.lower(): (name, kind) for name, kind, *_ in described}

    def put(
        self, io: FileIO, metadata: TableMetadata, constants: Mapping[str, str], uri: str, expected: int
    ) -> DataFile | None:
        """Write the file for the table's columns and upload it; None if there are no rows.

        `constants` are the columns that have one value in all rows, as SQL.
        """
        select = self._select(metadata, constants)
        options = f"FORMAT parquet, COMPRESSION zstd, FIELD_IDS {field_ids(metadata.schema(), self._names)}"
        statement = f"COPY ({select}) TO {literal('duckdb', str(self._path))} ({options})"
        if (statement, uri) != self._written:
            self._written = None
            self._engine.execute(statement)
        footer = pq.read_metadata(self._path)
        if footer.num_rows != expected:
            raise WarehouseError(
                f"{footer.num_rows} rows arrived, but the object holds {expected}", "nothing was loaded; run it again"
            )
        if not expected:
            return None
        if self._written is None:
            with self._path.open("rb") as source, io.new_output(uri).create(overwrite=True) as target:
                shutil.copyfileobj(source, target, _CHUNK)
            self._written = statement, uri
        statistics = data_file_statistics_from_parquet_metadata(
            footer,
            compute_statistics_plan(metadata.schema(), metadata.properties),
            parquet_path_to_id_mapping(metadata.schema()),
        )
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=uri,
            file_format=FileFormat.PARQUET,
            partition=statistics.partition(metadata.spec(), metadata.schema()),
            file_size_in_bytes=self._path.stat().st_size,
            sort_order_id=None,
            spec_id=metadata.default_spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )

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
