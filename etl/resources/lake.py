"""The tenant's lake and this installation's settings as a Dagster resource.

Belongs here: `LakeResource`, and `S3Resource` for a lake in a bucket. Not here: objects (`etl.lake.lake`).
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from dagster import ConfigurableResource

from etl.config.config_loader import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.lake.lake import Lake, open_lake
from etl.pipeline.stage import lake_place
from etl.settings import Settings, load_settings


class LakeResource(ConfigurableResource):  # type: ignore[type-arg]
    """The place of this tenant's objects. Dagster shows the YAML's text; a run resolves it to open the lake."""

    tenant: str
    bucket: str | None = None
    base_path: str | None = None

    def settings(self) -> Settings:
        """The settings of the process environment at the time of the run."""
        return load_settings()

    @contextmanager
    def open(self, *, local: bool = False) -> Iterator[Lake]:
        """Open the lake. With `local`, open the local lake, which pipelines with `save_to_s3: false` use."""
        settings = self.settings()
        place = None if local else lake_place(load_tenant(self.tenant, settings))
        with closing(open_lake(settings, place)) as lake:
            yield lake


class S3Resource(LakeResource):
    """The lake of a tenant with a bucket, in Amazon S3 or in another store with the same protocol."""


def lake_of_tenant(config: TenantConfig) -> LakeResource:
    """Return the resource of a tenant, with the YAML's templates unresolved."""
    storage = config.storage
    base_path = str(storage.base_path) if storage.base_path else None
    if not storage.bucket:
        return LakeResource(tenant=config.id, base_path=base_path)
    return S3Resource(tenant=config.id, bucket=str(storage.bucket), base_path=base_path)
