"""Reads a tenant's YAML into `TenantConfig`, and checks the whole configuration before anything is built from it."""

from etl.config.config_loader import list_tenants, load_tenant
from etl.config.connections import LakeConfig, SourceDatabase, WarehouseConfig
from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import Origin, TenantConfig, fingerprint
from etl.secrets.template import EnvTemplate

__all__ = [
    "EnvTemplate",
    "LakeConfig",
    "Origin",
    "PipelineConfig",
    "SourceDatabase",
    "TenantConfig",
    "WarehouseConfig",
    "fingerprint",
    "list_tenants",
    "load_tenant",
]
