"""A plugin of dbt-duckdb that lets dbt's DuckDB read the tenant's bucket. dbt's own process loads the plugin.

Belongs here: a file system for `s3://` in DuckDB. Not here: where the bucket is (`project`), writing objects
(`etl.lake.s3_store`). DuckDB's own extension would be downloaded at run time; the plugin needs only the `s3` extra.
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
    """The plugin; dbt-duckdb expects this class name."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Make every connection of dbt read `s3://` through obstore, as the lake does."""
        conn.register_filesystem(_files(load_settings().s3))


class _Bucket(FsspecStore):  # type: ignore[misc]
    """A bucket whose paths also work with `s3://`, which DuckDB puts before patterns."""

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
