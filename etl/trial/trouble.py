"""Says why a tenant cannot be built, in the same words wherever it is shown.

Belongs here: the one text about a broken tenant, for Dagster's UI, its checks, the commands and pages. Not here:
finding out that a tenant is broken (`trial`, `etl.definitions`).
"""

from dataclasses import dataclass

from etl.errors import EtlError
from etl.secrets.scrub import scrub


@dataclass(frozen=True)
class Instead:
    """What is served in the place of a broken tenant: its last good configuration, or nothing, and why."""

    is_served: bool
    words: str
    """What is served, or why nothing is."""
    told: str
    """The same as the tenant's own people may read it."""

    def __str__(self) -> str:
        """Return it for operators."""
        return self._with(self.words)

    @property
    def told_sentence(self) -> str:
        """The sentence as the tenant's own people may read it."""
        return self._with(self.told)

    def _with(self, words: str) -> str:
        return f"Its last good configuration is {'served' if self.is_served else 'not served'}: {words}"


@dataclass(frozen=True)
class TenantTrouble:
    """Why the present files of a tenant cannot be built, and what is served instead."""

    tenant: str
    error: EtlError
    instead: Instead | None = None

    def __str__(self) -> str:
        """Return why, the remedy if the error names one, and what is served. The text contains no secret."""
        more = f"\n{self.instead}" if self.instead else ""
        return scrub(f"tenant {self.tenant} cannot be built: {self.error}{more}")
