"""Dagster resources around the storage: thin, with references instead of secrets."""
