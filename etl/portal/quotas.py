"""The quotas of a tenant for its page.

Belongs here: from uses of quotas to the page's models. Not here: quotas themselves, and measuring their use. Whoever
builds pages gives a function that returns the uses of a tenant: `Gathering.uses`.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from etl.config.tenant_config import TenantConfig
from etl.portal.page import QuotaUse


class Use(Protocol):
    """How much of one quota is used: what `Uses` returns."""

    @property
    def name(self) -> str:
        """The name of the quota, for people."""

    @property
    def used(self) -> float:
        """What is used now."""

    @property
    def limit(self) -> float:
        """What may be used."""

    @property
    def share(self) -> float:
        """The used part of the limit; 1.0 is all of it."""


Uses = Callable[[TenantConfig], Iterable[Use]]


def quota_uses(found: Iterable[Use]) -> tuple[QuotaUse, ...]:
    """Return the uses for the page."""
    return tuple(QuotaUse(name=each.name, used=each.used, limit=each.limit, share=each.share) for each in found)
