"""Makes what Dagster shows of a tenant that cannot be built: an asset with the problem, and a check that has failed.

Belongs here: these definitions, and the result of the check. Not here: the text of the problem (`etl.trial.trouble`),
whether a tenant is broken (`etl.definitions`), when the result is written (`sensor_factory`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetCheckSpec,
    Definitions,
    MaterializeResult,
    MetadataValue,
    asset,
)

from etl.errors import EtlError
from etl.running import naming

_AGAIN_AFTER = timedelta(days=1)


def broken_tenant(tenant: str, trouble: str) -> Definitions:
    """Return an asset that shows the problem, so that a broken tenant is visible beside the others."""
    key = naming.broken_key(tenant)

    @asset(
        key=key,
        description=f"{trouble.splitlines()[0]}\n\n```\n{trouble}\n```",
        tags={"tenant": tenant, "broken": "true", "data_tier": naming.TIERS["broken"]},
        check_specs=[AssetCheckSpec(naming.LOADS_CHECK, asset=key, description="Whether the tenant can be built.")],
    )
    def configuration() -> MaterializeResult:  # type: ignore[type-arg]
        # Not the error itself, because a SystemExit would end the run's process.
        raise EtlError(trouble, "mend its folder, then load the location again")

    return Definitions(assets=[configuration])


class BrokenTenants:
    """The failed checks of a location's broken tenants, which the location's sensor writes."""

    def __init__(self, troubles: Mapping[str, str]) -> None:
        """`troubles` say for each broken tenant why it cannot be built."""
        self._troubles = troubles
        self._told: datetime | None = None

    def __len__(self) -> int:
        """Return how many tenants are broken."""
        return len(self._troubles)

    def due(self, now: datetime) -> list[AssetCheckEvaluation]:
        """Return the checks if they were not written for a day, as when the location was just loaded."""
        if self._told is not None and now - self._told < _AGAIN_AFTER:
            return []
        self._told = now
        return [
            AssetCheckEvaluation(
                asset_key=naming.broken_key(tenant),
                check_name=naming.LOADS_CHECK,
                passed=False,
                severity=AssetCheckSeverity.ERROR,
                description=trouble.splitlines()[0],
                metadata={"problem": MetadataValue.text(trouble)},
            )
            for tenant, trouble in sorted(self._troubles.items())
        ]
