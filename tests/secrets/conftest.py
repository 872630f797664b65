from collections.abc import Iterator

import pytest

from etl.secrets import cache, openbao as store_of_openbao
from etl.secrets.scrub import forget_everything
from tests.servers.openbao import openbao

__all__ = ["openbao"]


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    """No test sees a value, a login or a version that another test has read."""
    cache.forget_everything()
    store_of_openbao._clients.clear()
    yield
    cache.forget_everything()
    store_of_openbao._clients.clear()
    forget_everything()
