"""Makes an object's rows a file of one Iceberg table, or several files, and uploads them below the table's folder.

Belongs here: the file's columns, types and numbers, its statistics, the upload. Not here: which types fit
(`iceberg_types`), which object needs no new file (`iceberg_object`) and which needs several (`iceberg_large`), the
commit (`iceberg_commit`).

An object that fits is uploaded as it is. Otherwise DuckDB writes a file in a stream, which has the partition's column
inside.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import Record

from etl.errors import WarehouseError
from etl.faults import reach
from etl.sql import literal
from etl.warehouse.iceberg_large import bytes_of_a_file, uri_of_part, write_files
from etl.warehouse.iceberg_object import partition_of
from etl.warehouse.iceberg_types import duckdb_name, field_ids
from etl.warehouse.identifier import quoted

_CHUNK = 8 << 20
_AT_ONCE = 64 << 20
"""How many bytes are on the way to the store at a time."""


class RowsFile:
    """The rows of one relation of DuckDB, as files on this machine: one, or several if the object is large."""

    def __init__(
        self, engine: duckdb.DuckDBPyConnection, relation: str, path: Path, published: Path | None = None
    ) -> None:
        """`published` is the object that the rows come from; without it, its size is not looked at."""
        self._engine = engine
        self._relation = relation
        self._path = path
        self._published = published
        self._files: dict[str, Path] = {}
        """The files by their addresses."""
        self._uploaded: tuple[str, str, str] | None = None
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
    ) -> list[DataFile]:
        """Upload the files of these rows for the table; none if there are no rows.

        `constants` are the columns that have one value in all rows, as SQL. `as_it_is` is an object that has just these
        rows and fits the table; otherwise, and if it is large, files are written for the table's columns.
        """
        size = bytes_of_a_file(self._published, metadata)
        whole = as_it_is if size is None else None
        select, options = ("", "") if whole else self._select(metadata, constants)
        if (select, options, uri) != self._uploaded:
            self._uploaded = None
            self._files = {uri: whole} if whole else self._write(select, options, uri, size)
        footers = {address: pq.read_metadata(path) for address, path in self._files.items()}
        arrived = sum(each.num_rows for each in footers.values())
        if arrived != expected:
            raise WarehouseError(
                f"{arrived} rows arrived, but the object holds {expected}", "nothing was loaded; run it again"
            )
        if not expected:
            return []
        if self._uploaded is None:
            for address, path in self._files.items():
                upload(io, path, address)
                reach("warehouse.uploaded")
            self._uploaded = select, options, uri
        partition = partition_of(metadata, constants) if whole else None
        return [
            _data_file(metadata, address, self._files[address], footer, partition)
            for address, footer in footers.items()
        ]

    def _write(self, select: str, options: str, uri: str, size: int | None) -> dict[str, Path]:
        if size is None:
            self._engine.execute(f"COPY ({select}) TO {literal('duckdb', str(self._path))} ({options})")
            return {uri: self._path}
        written = write_files(self._engine, select, options, self._path.with_suffix(""), size)
        return {uri_of_part(uri, at): path for at, path in enumerate(written)}

    def _select(self, metadata: TableMetadata, constants: Mapping[str, str]) -> tuple[str, str]:
        """Return the query for the rows of the files, and how they are written."""
        chosen, names = [], set()
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
            names.add(field.name)
        options = f"FORMAT parquet, COMPRESSION zstd, FIELD_IDS {field_ids(metadata.schema(), names)}"
        return f"SELECT {', '.join(chosen)} FROM {self._relation}", options


def upload(io: FileIO, path: Path, uri: str) -> None:
    """Write the file to this address. The memory that this takes does not grow with the file.

    pyarrow takes what is written and sends it in the background, as fast as the store takes it; `flush` waits for that.
    The stream that PyIceberg gives has a buffer around it, whose `flush` does not wait.
    """
    target: Any = io.new_output(uri).create(overwrite=True)
    with (
        target.detach() if isinstance(target, pa.BufferedOutputStream) else target as stream,
        path.open("rb") as source,
    ):
        waiting = 0
        while block := source.read(_CHUNK):
            stream.write(block)
            waiting += len(block)
            if waiting >= _AT_ONCE and isinstance(stream, pa.NativeFile):
                stream.flush()
                waiting = 0


def _data_file(
    metadata: TableMetadata, uri: str, path: Path, footer: pq.FileMetaData, partition: Record | None
) -> DataFile:
    """Describe an uploaded file; the values by which the table is cut are in its rows unless `partition` has them."""
    plan = compute_statistics_plan(metadata.schema(), metadata.properties)
    try:
        statistics = data_file_statistics_from_parquet_metadata(
            footer, plan, parquet_path_to_id_mapping(metadata.schema())
        )
    except OverflowError:  # of Python's dates, in which the statistics are read
        raise WarehouseError(
            "a date or a timestamp is outside of the years 1 to 9999, which not every reader of the table can read",
            "nothing was loaded; correct the value in the transform, or make it null",
        ) from None
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=uri,
        file_format=FileFormat.PARQUET,
        partition=statistics.partition(metadata.spec(), metadata.schema()) if partition is None else partition,
        file_size_in_bytes=path.stat().st_size,
        sort_order_id=None,
        spec_id=metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )
