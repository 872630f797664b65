"""Says why a tenant cannot be built, in the same words wherever it is shown.

Belongs here: the one text about a broken tenant, for Dagster's UI, its checks, the commands and pages. Not here:
finding out that a tenant is broken (`trial`, `etl.definitions`).
"""

from etl.errors import EtlError
from etl.secrets.scrub import scrub


def trouble_of(tenant: str, error: BaseException) -> str:
    """Return why the tenant cannot be built, and the remedy if the error names one. The text contains no secret."""
    text = str(error) if isinstance(error, EtlError) else f"{type(error).__name__}: {error}"
    return scrub(f"tenant {tenant} cannot be built: {text}")
