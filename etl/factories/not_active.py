"""What stands in Dagster in the place of a tenant that is retired, is being erased or is being imported.

Belongs here: this one asset. Not here: a tenant that cannot be built (`broken_tenant`), the states (`etl.config.life`).
"""

from dagster import AssetSpec, Definitions

from etl.config.life import TenantLife
from etl.config.tenant_config import TenantConfig
from etl.pipeline.life import refused
from etl.running import naming
from etl.running.executors import in_process_executor


def not_active(config: TenantConfig, life: TenantLife) -> Definitions:
    """Return an asset that shows the state of the tenant's life, and no job, schedule or sensor."""
    spec = AssetSpec(
        naming.asset_key(config.id, "life", life.state),
        description=str(refused(config.id, life)),
        tags=naming.asset_tags(config, "life", None),
        group_name=config.group,
        owners=list(config.owners),
    )
    return Definitions(assets=[spec], executor=in_process_executor)
