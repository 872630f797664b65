"""A context around the work of every step: failures show no secret, and warnings are written to the run's log.

Belongs here: the context. Not here: the warnings themselves, which any module below writes with its own logger.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from etl.config.secrets import learn_tenant
from etl.config.tenant_config import TenantConfig
from etl.secrets.scrub import scrubbed_failures

PACKAGE = "etl"


class _IntoRun(logging.Handler):
    def __init__(self, log: logging.Logger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, "%s", record.getMessage())


@contextmanager
def step_of(config: TenantConfig, log: logging.Logger) -> Iterator[None]:
    """While the block runs, failures are raised without secrets, and warnings are written to `log`, the run's log."""
    learn_tenant(config)
    handler, logger = _IntoRun(log), logging.getLogger(PACKAGE)
    logger.addHandler(handler)
    try:
        with scrubbed_failures():
            yield
    finally:
        logger.removeHandler(handler)
