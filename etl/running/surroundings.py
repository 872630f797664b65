"""A context around the work of every step: failures show no secret, warnings and the audit are in the run's log.

Belongs here: the context. Not here: the warnings themselves, which any module below writes with its own logger.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from etl.config.secrets import learn_tenant
from etl.config.tenant_config import TenantConfig
from etl.pipeline.life import require_active
from etl.secrets.cache import AUDIT
from etl.secrets.scrub import scrubbed_failures
from etl.settings import load_settings

PACKAGE = "etl"


class _IntoRun(logging.Handler):
    def __init__(self, log: logging.Logger, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, "%s", record.getMessage())


@contextmanager
def step_of(config: TenantConfig, log: logging.Logger) -> Iterator[None]:
    """While the block runs, failures are raised without secrets. `log`, the run's log, gets warnings and the audit.

    Raises an error if the tenant is retired or is being erased, which its lake says on every host.
    """
    learn_tenant(config)
    handlers = ((logging.getLogger(PACKAGE), _IntoRun(log)), (AUDIT, _IntoRun(log, logging.INFO)))
    for logger, handler in handlers:
        logger.addHandler(handler)
    try:
        with scrubbed_failures():
            require_active(config, load_settings())
            yield
    finally:
        for logger, handler in handlers:
            logger.removeHandler(handler)
