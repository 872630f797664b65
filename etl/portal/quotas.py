"""The quotas of a tenant for its page.

Belongs here: from what is known of their use to the page's models. Not here: quotas themselves, and how their use is
counted (`etl.quotas`).
"""

from collections.abc import Iterable
from datetime import datetime

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.pipeline.stage import lake_of
from etl.portal.page import Level, QuotaUse
from etl.quotas.quotas_file import read_quotas
from etl.quotas.usage import Use, usage_of_tenant
from etl.secrets.scrub import scrub
from etl.settings import Settings


def quota_uses(config: TenantConfig, settings: Settings, now: datetime) -> tuple[QuotaUse, ...]:
    """Return the uses for the page, none without a file of quotas. What is not known is unknown, never unused."""
    try:
        quotas = read_quotas(settings)
        if quotas is None:
            return ()
        with lake_of(config, settings) as lake:
            return as_shown(usage_of_tenant(config, settings, lake, now), quotas.tell_at)
    except EtlError as error:
        return (QuotaUse(name="quotas", words=f"unknown: {type(error).__name__}", share=None, level="unknown"),)


def as_shown(found: Iterable[Use], tell_at: float) -> tuple[QuotaUse, ...]:
    """Return the uses of what is limited and counted, in the words of the page.

    People are told from the share `tell_at` on.
    """
    return tuple(
        QuotaUse(
            name=each.name.replace("_", " "), words=scrub(each.text), share=each.share, level=_level(each, tell_at)
        )
        for each in found
        if each.limit is not None and not each.why_uncounted
    )


def _level(use: Use, tell_at: float) -> Level:
    if use.share is None:
        return "unknown"
    return "bad" if use.share >= 1 else "notice" if use.share >= tell_at else "good"
