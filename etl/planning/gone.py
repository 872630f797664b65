"""Finds the tenants that were applied and are not there any more.

Belongs here: looking through the local lake and the buckets of the known tenants for applied states. Not here: reading
one (`applied_state`), the plan of such a tenant (`plan`).
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from functools import partial

from etl.config.config_loader import list_tenants, load_tenant
from etl.errors import EtlError
from etl.lake.lake import Lake, LakePlace, open_lake
from etl.pipeline.stage import lake_place
from etl.planning.applied_state import applied_tenants
from etl.settings import Settings

_LOG = logging.getLogger(__name__)
LakeMaker = Callable[[], AbstractContextManager[Lake]]
"""Opens the lake in which an applied state is."""


def removed_tenants(settings: Settings) -> Mapping[str, LakeMaker]:
    """Return the tenants with an applied state that no file of the project defines, each with the way to its lake."""
    known = {*list_tenants(settings)}
    found: dict[str, LakeMaker] = {}
    for place in _places(settings):
        opens = partial(_opened, settings, place)
        try:
            with opens() as lake:
                found |= {each: opens for each in applied_tenants(lake) if each not in known and each not in found}
        except EtlError as error:
            where = place.bucket if place else "local lake"
            _LOG.warning("whether a removed tenant was applied in %s is not known: %s", where, error.problem)
    return found


def _opened(settings: Settings, place: LakePlace | None) -> AbstractContextManager[Lake]:
    return closing(open_lake(settings, place))


def _places(settings: Settings) -> Iterator[LakePlace | None]:
    """Yield the local lake, and each bucket of a tenant that can be loaded, once."""
    yield None
    seen = set()
    for name in list_tenants(settings):
        try:
            place = lake_place(load_tenant(name, settings))
        except EtlError:  # its own plan says why
            continue
        key = (place.bucket, place.base_path, place.endpoint_url)
        if place.bucket and key not in seen:
            seen.add(key)
            yield place
