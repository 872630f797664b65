"""Many tenants, one product: a YAML file becomes a Dagster code location."""
