"""Dagster resources that open a lake, a database or a warehouse, and the run launcher. They hold no secrets."""
