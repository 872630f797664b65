"""Dagster resources that open what they are called, and the run launcher: thin, with references instead of secrets."""
