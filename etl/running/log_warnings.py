"""What the product warns of while a step works stands in the run's log, where the UI and `etl run` show it.

Belongs here: the way from Python's logging into a run's log. Not here: the warnings themselves, which any module below
writes with its own logger.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

PACKAGE = "etl"


class _IntoRun(logging.Handler):
    def __init__(self, log: logging.Logger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, "%s", record.getMessage())


@contextmanager
def warnings_in_log(log: logging.Logger) -> Iterator[None]:
    """Write warnings of the package into `log`, the log of a run, while the block runs."""
    handler, logger = _IntoRun(log), logging.getLogger(PACKAGE)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
