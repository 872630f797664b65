"""Asks a database server for its own time zone, in which it writes times that have no zone.

Belongs here: the question in each kind of database. Not here: which zone a pipeline gets (`etl.onboarding.zones`).
"""

import re

import sqlalchemy as sa

from etl.source.contract import Login
from etl.source.database_url import DatabaseUrl, parse
from etl.source.failures import as_source_error
from etl.source.reading import driver_of
from etl.source.sqlalchemy_cursor import connected

_OF_ABBREVIATIONS = {"UTC": "UTC", "GMT": "UTC", "KST": "Asia/Seoul", "JST": "Asia/Tokyo"}
"""MySQL tells the machine's zone only as an abbreviation. Most abbreviations belong to several zones."""


def server_timezone(url: str) -> str:
    """Return the server's zone as the server writes it; empty if the database has none, or tells none."""
    source = parse(url)
    with as_source_error(source):
        if source.dialect == "postgresql":
            return _of_postgres(source)
        if source.dialect in ("mysql", "mariadb"):
            return _of_mysql(source)
    return ""


def _of_postgres(source: DatabaseUrl) -> str:
    login = driver_of(source).login(source)
    # The session of an extract sets the zone itself, and would be told that zone.
    options = re.sub(r"-c TimeZone=\S+", "", str(login.connect_args["options"]))
    with connected(Login(login.url, {**login.connect_args, "options": options})) as connection:
        return str(connection.execute(sa.text("SHOW TimeZone")).scalar_one())


def _of_mysql(source: DatabaseUrl) -> str:
    with connected(driver_of(source).login(source)) as connection:
        name, machine = connection.execute(sa.text("SELECT @@global.time_zone, @@system_time_zone")).one()
    return _OF_ABBREVIATIONS.get(str(machine), str(machine)) if name == "SYSTEM" else str(name)
