"""The Dagster code location of project_02: everything it holds follows from config.yaml."""

from etl import build_tenant_definitions

defs = build_tenant_definitions("project_02")
