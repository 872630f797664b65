"""Makes what Dagster shows in the place of a tenant that cannot be built: an asset with the problem, and a check.

Belongs here: these definitions. Not here: the text of the problem (`etl.trial.trouble`), whether a tenant is broken
(`etl.definitions`).
"""

from dagster import Definitions, asset

from etl.errors import EtlError
from etl.running import naming


def broken_tenant(tenant: str, trouble: str) -> Definitions:
    """Return an asset that shows the problem, so that a broken tenant is visible beside the others."""
    key = naming.broken_key(tenant)

    @asset(
        key=key,
        description=f"Tenant {tenant} cannot be built:\n\n```\n{trouble}\n```",
        tags={"tenant": tenant, "broken": "true", "data_tier": naming.TIERS["broken"]},
    )
    def configuration() -> None:
        # Not the error itself, because a SystemExit would end the run's process.
        raise EtlError(trouble, "mend its folder, then load the location again")

    return Definitions(assets=[configuration])
