"""Makes Dagster definitions from a tenant's configuration: one small factory for each kind of definition."""
