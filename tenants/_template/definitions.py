"""The Dagster code location of _template: everything it holds follows from config.yaml."""

from etl import build_tenant_definitions

defs = build_tenant_definitions("_template")
