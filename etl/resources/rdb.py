"""The tenant's relational database as a Dagster resource: references until a run opens the connection.

Belongs here: `RDBResource`. Not here: how rows are read (`etl.source.reading`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dagster import ConfigurableResource

from etl.config.config_loader import load_tenant
from etl.config.connections import Connection
from etl.config.ownership import checked_url
from etl.config.tenant_config import TenantConfig
from etl.errors import SourceError
from etl.secrets.renewal import RenewableUrl
from etl.settings import load_settings
from etl.source.reading import connection

if TYPE_CHECKING:
    import sqlalchemy as sa


class RDBResource(ConfigurableResource):  # type: ignore[type-arg]
    """The tenant's database. Dagster's UI shows the names of the connection's variables, never their values."""

    tenant: str
    connection: dict[str, str]
    demo_path: str | None = None

    @contextmanager
    def connect(self) -> "Iterator[sa.Connection]":
        """Open a SQLAlchemy connection. It can only read, if the database is SQLite, PostgreSQL, MySQL or MariaDB."""
        with connection(self.url(load_tenant(self.tenant, load_settings()))) as opened:
            yield opened

    def url(self, config: TenantConfig) -> str:
        """Return the SQLAlchemy URL with its secrets. Called only when a run opens the connection."""
        if config.uses_demo_source():
            refuse_without_source(config, Path(self.demo_path or ""))
            return f"sqlite:///{self.demo_path}"
        if config.source_database is None:
            raise SourceError(
                f"tenant {self.tenant} names no source database",
                "add `source_database` to its config.yaml; the demo source is used only in dev",
            )
        return tenant_url(config, config.source_database)


def tenant_url(config: TenantConfig, connection: Connection) -> str:
    """Return the URL of a connection of the tenant. One that names secrets can be made again from newer versions."""

    def made() -> str:
        url = connection.resolve_url(config.namespace())
        return checked_url(url, config.id, load_settings(), config.origin.platform)

    source = config.namespace().renewable(made, connection.templates())
    return RenewableUrl(source) if source is not None else made()


def refuse_without_source(config: TenantConfig, demo: Path) -> None:
    """Raise an error if the tenant needs a demo source that nothing can make. The error says what is not set."""
    script = demo_script(config)
    if not config.uses_demo_source() or demo.is_file() or script.is_file():
        return
    missing = config.source_database.missing(config.namespace()) if config.source_database else ()
    are = "is" if len(missing) == 1 else "are"
    why = f"{' and '.join(missing)} {are} not set" if missing else "it names no `source_database`"
    file = script.relative_to(config.origin.folder.parents[1])
    raise SourceError(
        f"tenant {config.id} has no database in this environment and no demo source: {why}",
        f"set {' and '.join(missing)} in `.env`" if missing else f"write `source_database`, or a demo source in {file}",
    )


def demo_script(config: TenantConfig) -> Path:
    """Return the file of a tenant that makes its demo source, whether it is there or not."""
    return config.origin.folder / "demo" / "generate.py"


def rdb_resource(config: TenantConfig, demo_path: str) -> RDBResource:
    """Return the resource of a tenant, with the YAML's templates unresolved."""
    source = config.source_database
    parts = source.model_dump(mode="json", exclude_none=True, exclude={"options"}) if source else {}
    return RDBResource(
        tenant=config.id,
        connection={key: str(value) for key, value in parts.items()},
        demo_path=demo_path,
    )
