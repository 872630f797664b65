"""Dagster's database in PostgreSQL: written to a file and read again by PostgreSQL's own programs.

Belongs here: `pg_dump`, `pg_restore` and `psql`. Not here: what is in the database, and SQLite files (`archive`).
"""

import os
import shutil
import subprocess
from pathlib import Path

from etl.deployment.shape import DATABASE_PASSWORD, Database
from etl.errors import EtlError


def dump(database: Database, password: str, target: Path) -> None:
    """Write the whole database to a file, as it was at one moment. Runs may be at work."""
    _run(database, password, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file", str(target))


def restore(database: Database, password: str, source: Path) -> None:
    """Read the file into an empty database: everything, or nothing if that fails."""
    options = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
    _run(database, password, "pg_restore", *options, str(source))


def tables(database: Database, password: str) -> int:
    """Return the number of tables."""
    where = "schemaname NOT IN ('pg_catalog', 'information_schema')"
    return _number(database, password, f"SELECT count(*) FROM pg_tables WHERE {where}")


def connections(database: Database, password: str) -> int:
    """Return how many other connections are open: a web server, a daemon, or runs."""
    others = "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    return _number(database, password, f"SELECT count(*) FROM pg_stat_activity WHERE {others}")


def _number(database: Database, password: str, query: str) -> int:
    return int(_run(database, password, "psql", "--no-psqlrc", "-At", "-c", query))


def _run(database: Database, password: str, program: str, *arguments: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise EtlError(
            f"{program} is not installed", "install PostgreSQL's client, such as: apt install postgresql-client"
        )
    address = ("--host", database.host, "--port", str(database.port), "--username", database.user)
    command = [found, *address, "--no-password", "--dbname", database.name, *arguments]
    done = subprocess.run(  # noqa: S603  no part of it comes from a tenant
        command, env={**os.environ, "PGPASSWORD": password}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise EtlError(
            f"{program}: the database {database.name} of {database.host}:{database.port}: {done.stderr.strip()}",
            f"{DATABASE_PASSWORD} has to be the password of {database.user}, and the server not newer than {program}",
        )
    return done.stdout
