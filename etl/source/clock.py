"""Compares a database's clock with the clock of this machine.

Belongs here: asking a database for the present moment, and the difference. Not here: connections (drivers), which
difference is told (`etl.cli.connect`).
"""

import time
from collections.abc import Callable

NOW = {
    "postgresql": "SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
    "mysql": "SELECT CAST(unix_timestamp(now(6)) AS double)",
    "mariadb": "SELECT CAST(unix_timestamp(now(6)) AS double)",
    "mssql": "SELECT DATEDIFF_BIG(millisecond, '1970-01-01', SYSUTCDATETIME()) / 1000.0",
    "oracle": "SELECT (CAST(SYS_EXTRACT_UTC(SYSTIMESTAMP) AS DATE) - DATE '1970-01-01') * 86400 FROM dual",
    "trino": "SELECT to_unixtime(current_timestamp)",
}
"""By dialect, the statement that returns the present moment as seconds since 1970. A file has no clock of its own."""


def seconds_ahead(now: Callable[[], float]) -> float:
    """Return by how many seconds the other clock is ahead; `now` asks it. It is taken to answer half-way through."""
    before = time.time()
    theirs = now()
    return theirs - (before + time.time()) / 2
