"""Tries whether the user of a source may read what a pipeline reads, without reading a row.

Belongs here: the statement of an extract with a condition that no row fulfils, and the source's clock. Not here:
reading (`reading`), which pipelines are tried (`etl.cli.connect`).
"""

from dataclasses import replace

import sqlalchemy as sa

from etl.source import sqlalchemy_cursor
from etl.source.clock import seconds_ahead
from etl.source.contract import ExtractRequest
from etl.source.database_url import parse
from etl.source.failures import as_source_error
from etl.source.reading import driver_of, now_statement


def try_to_read(url: str, request: ExtractRequest) -> tuple[str, ...]:
    """Return the columns; raise SourceError if the user may not read one of them, or if one cannot be read exactly."""
    source = parse(url)
    with as_source_error(source, request):
        driver = driver_of(source)
        plan = driver.plan(source, request)
        statement = replace(plan, predicate="1 = 0", order="", windows=0, window_index="").select()
        if driver is not sqlalchemy_cursor:  # this driver's plan is already SQLAlchemy's text
            statement = sqlalchemy_cursor.escaped(statement)
        with sqlalchemy_cursor.connected(driver.login(source, request)) as connection:
            connection.execute(sa.text(statement), dict(plan.parameters))
        return tuple(each.name for each in plan.columns)


def source_clock(url: str) -> float | None:
    """Return by how many seconds the source's clock is ahead of this machine's; None if it has no clock of its own."""
    source = parse(url)
    statement = now_statement(source)
    if statement is None:
        return None
    with as_source_error(source), sqlalchemy_cursor.connected(driver_of(source).login(source)) as connection:
        return seconds_ahead(lambda: float(connection.exec_driver_sql(statement).scalar_one()))
