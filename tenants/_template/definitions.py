"""The Dagster code location of _template: all its definitions are made from config.yaml."""

from etl import build_tenant_definitions

defs = build_tenant_definitions("_template")
