"""Fixtures that every test may ask for: real servers, started when the first test needs one, and this project's data."""

from tests.installation import installation, installed
from tests.servers.mariadb import mariadb_server
from tests.servers.postgres import postgres_server

__all__ = ["installation", "installed", "mariadb_server", "postgres_server"]
