"""Schemas that nobody's tables may stand in.

Belongs here: whose a reserved schema is. Not here: the keys that may not name one (`cross_checks`, `dbt_checks`), and
schemas of other tenants (`shared_tables`, `etl.dbt.ownership`).
"""

_OF_LOADS = ("etl_ledger", "etl_kept", "etl_staging")
_OF_DATABASES = ("information_schema", "pg_catalog")


def keeper_of(schema: str, database: str) -> str:
    """Whom a schema of a database (`duckdb`, `postgres`, ...) belongs to, for a sentence; empty: it is free."""
    name = schema.casefold()
    if name in _OF_LOADS:
        return "the loads themselves"
    if name in _OF_DATABASES or (database == "postgres" and name.startswith("pg_")):
        return "DuckDB" if database == "duckdb" else "the database"
    return ""
