"""The Dagster code location of default: everything it holds follows from config.yaml."""

from etl import build_tenant_definitions

defs = build_tenant_definitions("default")
