"""Reads the databases of tenants: one module for each kind of database. Callers use `etl.source.reading`."""
