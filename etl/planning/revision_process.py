"""The process that describes the tenants of another revision; it is given the file for the answer, and tenants.

Belongs here: loading each tenant, and writing the answer to the file. Not here: taking the revision's files
(`revision`). The answer is a file, because a tenant's Python may print.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from etl.config.config_loader import list_tenants, load_tenant
from etl.dbt.project import tenant_dbt
from etl.definitions import load_location
from etl.errors import EtlError
from etl.planning.describe import describe
from etl.planning.description import Description
from etl.planning.revision import RevisionAnswer
from etl.running.dbt_prepare import prepare
from etl.secrets.scrub import scrub
from etl.settings import Settings, load_settings


def answer(tenants: Sequence[str], settings: Settings) -> RevisionAnswer:
    """Describe these tenants, as far as the revision has them; all of them if none is named."""
    every = list_tenants(settings)
    descriptions: dict[str, Description] = {}
    problems: dict[str, str] = {}
    for tenant in tenants or every:
        if tenant not in every:
            continue
        try:
            config = load_tenant(tenant, settings)
            if config.dbt.enabled and settings.environment != "dev":
                prepare(config, tenant_dbt(config, settings))  # elsewhere, a build has prepared it
            descriptions[tenant] = describe(config, load_location(tenant), settings)
        except EtlError as error:
            problems[tenant] = scrub(error.problem)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a tenant's own Python may raise any error
            problems[tenant] = scrub(f"{type(error).__name__}: {error}")
    return RevisionAnswer(descriptions=descriptions, problems=problems)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(answer(sys.argv[2:], load_settings()).model_dump_json(), encoding="utf-8")
