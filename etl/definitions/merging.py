"""Makes `Definitions.merge` name a tenant's file and the remedy if its definitions cannot be merged.

Belongs here: that explanation. Not here: building what is merged (`one_tenant`).
"""

from functools import wraps

from dagster import DagsterInvariantViolationError, Definitions

from etl.definitions import process
from etl.errors import EtlError
from etl.factories.one_location import EXECUTOR_OF_A_JOB


def explain_merging() -> None:
    """Make `Definitions.merge` name the file and the remedy if a tenant's definitions cannot be merged."""
    merge = Definitions.merge
    if hasattr(merge, "etl_explains"):
        return

    @wraps(merge)
    def explained(*definitions: Definitions) -> Definitions:
        try:
            return merge(*definitions)
        except DagsterInvariantViolationError as error:
            tenants = [tenant for tenant, built in process.built.items() if any(built is each for each in definitions)]
            if len(tenants) != 1:
                raise
            about_executor = "executor" in str(error)
            raise EtlError(
                f"tenants/{tenants[0]}/definitions.py cannot be merged with what config.yaml defines: {error}",
                EXECUTOR_OF_A_JOB if about_executor else "rename what has a key that the tenant's definitions have",
            ) from error

    setattr(explained, "etl_explains", True)  # noqa: B010  an attribute that functions do not have
    Definitions.merge = staticmethod(explained)  # type: ignore[method-assign]
