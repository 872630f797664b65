"""An engine of DuckDB that looks at finished Parquet files. To open one takes longer than to look at a small file.

Belongs here: that engine, which the process keeps. Not here: what is looked for (`etl.lake.readable`,
`etl.source.writer`), engines that write rows or hold tables.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import duckdb

_engines: dict[int, duckdb.DuckDBPyConnection] = {}
"""By process, because a fork must not use the engine of its parent."""
_lock = Lock()


@contextmanager
def looking_engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection of the engine. It keeps nothing of the files, so that a replaced file is read anew."""
    with _lock:
        engine = _engines.get(os.getpid())
        if engine is None:
            engine = duckdb.connect(config={"autoinstall_known_extensions": False, "threads": 1})
            engine.execute("SET enable_external_file_cache = false")
            engine.execute("SET TimeZone = 'UTC'")
            _engines[os.getpid()] = engine
        connection = engine.cursor()
    try:
        yield connection
    finally:
        connection.close()
