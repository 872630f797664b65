"""The tenant's DuckDB file as dagster-duckdb's resource, for the tenant's own assets.

Belongs here: `TenantDuckDBResource`. Not here: loads into the file (`etl.warehouse`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from dagster_duckdb import DuckDBResource

from etl.warehouse.choice import reading_file


class TenantDuckDBResource(DuckDBResource):
    """A `DuckDBResource` with read-only connections, because only loads and dbt may write the file."""

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file after a load or dbt has stopped writing it. Loads wait until the connection is closed."""
        with reading_file(Path(self.database)) as connection:
            yield connection
