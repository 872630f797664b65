"""Divides the tenants of a project into shards, each of which is one code location.

Belongs here: which tenant is in which shard. Not here: building the definitions of a shard (`etl.definitions`).
"""

import os
import zlib
from collections.abc import Iterable

from etl.errors import ConfigError
from etl.platform import platform_of
from etl.settings import Settings


def shard_members(tenants: Iterable[str], shard: int, shards: int) -> tuple[str, ...]:
    """Return the tenants of a shard, from 1 on."""
    if not 1 <= shard <= shards:
        have = f"`shards = {shards}`" if shards else "no `shards`"
        raise ConfigError(
            f"there is no shard {shard}: [tool.etl] in pyproject.toml says {have}",
            "name the shards that there are in workspace.yaml; `etl check` says which are missing",
        )
    return tuple(each for each in tenants if shard_number(each, shards) == shard)


def shard_number(tenant: str, shards: int) -> int:
    """Return the shard of a tenant, which depends on its id and on the number of shards only."""
    return 1 + zlib.crc32(tenant.encode()) % shards


def shards_of(settings: Settings) -> int:
    """Return the number of shards of this project; 0 without shards."""
    return platform_of(settings.project_dir, os.environ).shards
