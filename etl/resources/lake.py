"""The lake and this installation's settings as a Dagster resource.

Belongs here: `LakeResource`. Not here: objects (`etl.lake.lake`).
"""

from dagster import ConfigurableResource

from etl.config.tenant_config import TenantConfig
from etl.settings import Settings, load_settings


class LakeResource(ConfigurableResource):  # type: ignore[type-arg]
    """Where this tenant's objects live; shown as it stands in the YAML, resolved when a run opens it."""

    tenant: str
    bucket: str | None = None
    base_path: str | None = None

    def settings(self) -> Settings:
        """What the process environment says at the moment of the run."""
        return load_settings()


def lake_of_tenant(config: TenantConfig) -> LakeResource:
    """The resource of a tenant, with its templates as they stand in the YAML."""
    storage = config.storage
    return LakeResource(
        tenant=config.id,
        bucket=str(storage.bucket) if storage.bucket else None,
        base_path=str(storage.base_path) if storage.base_path else None,
    )
