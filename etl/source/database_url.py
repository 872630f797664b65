"""Splits a database URL into its parts by SQLAlchemy's rules, without importing SQLAlchemy.

The import takes a third of a second, and only one driver needs it. Belongs here: the parts, and the parameters of libpq
made from them. Not here: where the URL comes from (`etl.config`), what a secret is (`etl.secrets`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from etl.errors import SourceError
from etl.secrets.scrub import learn, learn_url

_URL = re.compile(
    r"(?P<dialect>\w+)(\+(?P<driver>[\w+]+))?://"
    r"((?P<username>[^:/]*)(:(?P<password>[^@]*))?@)?"
    r"((\[(?P<address>[^/?]+)\]|(?P<host>[^/:?\[]+))?(:(?P<port>[0-9]+))?)?"
    r"(/(?P<database>[^?]*))?"
    r"(\?(?P<query>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class DatabaseUrl:
    """`dialect+driver://username:password@host:port/database?query`. `repr` leaves the password out."""

    dialect: str
    driver: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int | None = None
    database: str | None = None
    query: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)

    @property
    def driver_name(self) -> str:
        """The dialect with its driver, in SQLAlchemy's form `dialect+driver`."""
        return f"{self.dialect}+{self.driver}" if self.driver else self.dialect

    def libpq(self) -> dict[str, str]:
        """Return the parameters of a PostgreSQL connection, with the password."""
        parts = {"host": self.host, "port": self.port, "dbname": self.database}
        login = {"user": self.username, "password": self.password}
        given = {key: value for key, value in {**parts, **login}.items() if value}
        every = {**given, **self.query}
        return {key: ",".join(each) if isinstance(each, tuple) else str(each) for key, each in every.items()}


def parse(url: str) -> DatabaseUrl:
    """Split the URL into its parts. The error for a wrong URL does not quote it."""
    learn_url(url)
    found = _URL.fullmatch(url)
    # SQLAlchemy takes what is before an `@` for a user, and then cannot read what follows.
    # An `@` in a host is the end of a password that is not encoded.
    if (
        found is None
        or "@" in (found["host"] or "")
        or (found["username"] is None and "@" in url.partition("://")[2].partition("/")[0])
    ):
        raise SourceError(
            "the database URL cannot be read",
            "write dialect://user:password@host:port/database; in the user and the password, write `@` as %40, `/` as"
            " %2F, `#` as %23, `:` as %3A, `?` as %3F and `%` as %25",
        )
    learn(_decoded(found["password"]) or "")
    query = dict[str, str | tuple[str, ...]]()
    for key, value in parse_qsl(found["query"] or ""):
        before = query.get(key)
        query[key] = value if before is None else (*((before,) if isinstance(before, str) else before), value)
    return DatabaseUrl(
        dialect=found["dialect"],
        driver=found["driver"] or "",
        username=_decoded(found["username"]),
        password=_decoded(found["password"]),
        host=found["address"] or found["host"],
        port=int(found["port"]) if found["port"] else None,
        database=_decoded(found["database"]),
        query=query,
    )


def conninfo(parts: Mapping[str, str]) -> str:
    """Write the parameters in libpq's `key='value'` form."""
    backslash = "\\"
    escaped = {
        key: value.replace(backslash, backslash * 2).replace("'", backslash + "'") for key, value in parts.items()
    }
    return " ".join(f"{key}='{value}'" for key, value in escaped.items())


def _decoded(part: str | None) -> str | None:
    return None if part is None else unquote(part)
