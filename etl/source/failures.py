"""Turns every failure of a driver into a SourceError that names the table or query and the remedy, without secrets.

Drivers put the connection string into their messages. Belongs here: the translation. Not here: removing secrets
(`etl.secrets.scrub`, to which `database_url.parse` gave the password), and refusing a request (the drivers' plans).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from etl.errors import LoginRefusedError, SourceError, SourceGoneError
from etl.secrets.scrub import scrub
from etl.source.contract import ExtractRequest
from etl.source.database_url import DatabaseUrl
from etl.source.writer import complaint_of, refusal

_GONE = (
    "check that the database is up and that host and port are right",
    "the database ended the connection; look at its log and run again",
)
_LOGIN = "correct user or password"
_REMEDIES = (
    (r"Out of Memory Error",
     "the values are too large for the memory that an extract may use: leave large columns out with `columns:`"),
    (r"password authentication|Access denied .*using password|no password supplied", _LOGIN),
    (r"permission denied|access denied|SELECT command denied", "grant SELECT on it to the database user"),
    (r"invalid input (syntax|value)", "correct the cast in the `query`, or the `keys` of `partitions`"),
    (r"statement timeout|max_statement_time|maximum statement execution", "raise the timeout or narrow the window"),
    (r"refused|could not connect|unable to connect|Can't connect|could not translate|timed? ?out|No such file",
     _GONE[0]),
    (r"terminating connection|closed the connection|Lost connection|gone away|server closed|bytes remaining on stream",
     _GONE[1]),
    (r"No space left", "free space on the disk of the data folder"),
    (r"database .* does not exist|Unknown database", "correct the name of the database"),
)  # fmt: skip


@contextmanager
def as_source_error(url: DatabaseUrl, request: ExtractRequest | None = None) -> Iterator[None]:
    """Translate the errors of drivers. The original is not chained, because its text may contain the password."""
    try:
        yield
    except SourceError as error:
        if not error.hint:  # the driver's own message
            raise source_error(error.problem, url, request) from None
        raise SourceError(scrub(error.problem), scrub(error.hint)) from None
    except duckdb.Error as error:
        raise source_error(str(error), url, request) from None


def source_error(message: str, url: DatabaseUrl, request: ExtractRequest | None = None) -> SourceError:
    """Turn the message of a driver into an error of this product."""
    known = complaint_of(message)
    if known is not None:
        return refusal(*known)
    text = re.split("Stack Trace|Detail: Python exception", scrub(message))[0].strip()
    remedy = next((hint for pattern, hint in _REMEDIES if re.search(pattern, text, re.IGNORECASE)), "")
    where = f"{url.dialect} database `{url.database}`" + (f" on {url.host}" if url.host else "")
    what = f"{request.subject} of {where}" if request else where
    kind = SourceGoneError if remedy in _GONE else LoginRefusedError if remedy == _LOGIN else SourceError
    return kind(f"{what} could not be read: {text}", remedy or "look at the database's log")
