"""What this process has built of each tenant, and which kept files it serves.

Belongs here: that memory, by tenant. Not here: filling it (`one_tenant`, `location`, `last_good_served`).
"""

from dagster import Definitions

from etl.config.tenant_config import TenantConfig
from etl.last_good import LastGood

configs: dict[str, TenantConfig] = {}
"""The configuration of each tenant that was built, to compare the tenants without reading their files again."""
built: dict[str, Definitions] = {}
"""The definitions of each tenant's YAML."""
pinned: dict[str, LastGood] = {}
"""The tenants of which this process serves the last good configuration, because their present files are broken."""
