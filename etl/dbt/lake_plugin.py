"""The tenant's bucket for dbt's DuckDB: a plugin of dbt-duckdb, loaded by dbt's own process.

Belongs here: giving DuckDB a file system for `s3://`. Does not: where the bucket is (`dbt_project`), writing objects
(`etl.lake.s3_store`). DuckDB's own extension would be downloaded at run time; this needs only the `s3` extra.
"""

from datetime import timedelta
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection
from obstore.fsspec import FsspecStore

from etl.lake.s3_store import address
from etl.settings import S3Settings, load_settings

_CONNECT = timedelta(seconds=60)


class Plugin(BasePlugin):  # type: ignore[misc]
    """Found by dbt-duckdb under this name."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Every connection of dbt reads `s3://` through obstore, as the lake does."""
        conn.register_filesystem(_files(load_settings().s3))


class _Bucket(FsspecStore):  # type: ignore[misc]
    """DuckDB asks for `s3://` patterns; the file system knows its files without that."""

    async def _glob(self, path: str, **kwargs: Any) -> Any:  # noqa: ANN401  fsspec's own signature
        return await super()._glob(path.removeprefix("s3://"), **kwargs)


def _files(settings: S3Settings) -> FsspecStore:
    return _Bucket(
        "s3",
        config=address(settings),
        client_options={
            "allow_http": (settings.endpoint_url or "").startswith("http://"),
            "connect_timeout": _CONNECT,
            "timeout": timedelta(hours=1),
        },
        retry_config={"max_retries": 0, "retry_timeout": _CONNECT},
    )
