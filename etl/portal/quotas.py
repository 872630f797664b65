"""The quotas of a tenant for its page.

Belongs here: from uses of quotas to the page's models. Not here: quotas themselves, and measuring their use. Whoever
builds pages gives a function that returns the uses of a tenant: `Gathering.uses`.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from etl.config.tenant_config import TenantConfig
from etl.portal.page import Level, QuotaUse

TOLD = 0.8
"""The share from which on people are told."""


class QuotaUsage(Protocol):
    """How much of one quota is used: what `Uses` returns."""

    @property
    def name(self) -> str:
        """The name of the quota."""

    @property
    def limit(self) -> int | None:
        """What may be used; None if there is no limit."""

    @property
    def share(self) -> float | None:
        """The used part of the limit, 1.0 is all of it; None if it is not known, or if there is no limit."""

    @property
    def text(self) -> str:
        """Used and limit in a few words."""


Uses = Callable[[TenantConfig], Iterable[QuotaUsage]]


def quota_uses(found: Iterable[QuotaUsage]) -> tuple[QuotaUse, ...]:
    """Return the uses for the page. What is not known is unknown, never unused."""
    return tuple(
        QuotaUse(name=each.name.replace("_", " "), words=each.text, share=each.share, level=_level(each))
        for each in found
    )


def _level(use: QuotaUsage) -> Level:
    if use.limit is None:
        return "none"
    if use.share is None:
        return "unknown"
    return "bad" if use.share >= 1 else "notice" if use.share >= TOLD else "good"
