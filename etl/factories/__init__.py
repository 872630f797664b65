"""A tenant's configuration becomes Dagster definitions: one small factory per kind of definition."""
