"""Makes several files of an object that is too large for one file of an Iceberg table.

Belongs here: which object is large, writing its rows as several files. Not here: the upload and the statistics
(`iceberg_file`), the commit (`iceberg_commit`).

Whoever reads a part of a file reads its whole footer first, which grows with the file. All files of an object come into
the table by the same snapshot.
"""

import shutil
from pathlib import Path

import duckdb
from pyiceberg.table import TableProperties
from pyiceberg.table.metadata import TableMetadata

from etl.sql import literal

_LARGE = 2
"""An object becomes several files if it has more bytes than this number of files."""


def bytes_of_a_file(published: Path | None, metadata: TableMetadata) -> int | None:
    """Return about how many bytes each file shall have, as the table's property says it; None for one file.

    The answer depends on the object and the table only, so that a repeated run writes the same files again.
    """
    wanted = int(
        metadata.properties.get(
            TableProperties.WRITE_TARGET_FILE_SIZE_BYTES, TableProperties.WRITE_TARGET_FILE_SIZE_BYTES_DEFAULT
        )
    )
    return wanted if published is not None and published.stat().st_size > _LARGE * wanted else None


def write_files(engine: duckdb.DuckDBPyConnection, select: str, options: str, folder: Path, size: int) -> list[Path]:
    """Write the rows of `select` as files of about `size` bytes into the folder. Returns them in their order.

    One thread writes. Several threads would share out the rows in another way each time, and a repeated run could leave
    a file that nothing names.
    """
    shutil.rmtree(folder, ignore_errors=True)
    threads = engine.sql("SELECT current_setting('threads')").fetchall()[0][0]
    engine.execute("SET threads = 1")
    try:
        engine.execute(
            f"COPY ({select}) TO {literal('duckdb', str(folder))} ({options}, FILE_SIZE_BYTES {size},"
            " FILENAME_PATTERN 'rows-{i}')"
        )
    finally:
        engine.execute(f"SET threads = {threads}")
    return sorted(folder.iterdir(), key=lambda path: int(path.stem.removeprefix("rows-")))


def uri_of_part(uri: str, at: int) -> str:
    """Return the address of one of several files."""
    return f"{uri.removesuffix('.parquet')}-{at:05}.parquet"
