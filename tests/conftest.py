"""Fixtures that every test may ask for: real servers, started when the first test needs one."""

from tests.servers.mariadb import mariadb_server
from tests.servers.postgres import postgres_server

__all__ = ["mariadb_server", "postgres_server"]
