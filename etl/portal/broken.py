"""The page of a tenant whose configuration or code cannot be loaded: what is wrong, and what was last known.

Belongs here: the words of the problem without secrets and without names of other tenants, and what the lake and the
event log still say. Not here: the page of a tenant that can be loaded (`gather`).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta

from dagster import DagsterInstance

from etl.errors import ConfigError, EtlError
from etl.lake.lake import ObjectRef, open_lake
from etl.partitions.zones import moment
from etl.portal.page import LastKnown, Page, Problem
from etl.portal.words import visible
from etl.running.naming import AssetAddress
from etl.running.run_outcomes import ROWS, number
from etl.secrets.scrub import scrub
from etl.settings import Settings

MOST_LINES = 30
LONGEST_LINE = 500
MOST_ASSETS = 300
_STAGES = ("extract", "transfer", "load", "dbt")
_ANSWERS = {
    "configuration": "The configuration cannot be read",
    "code": "The tenant's own code cannot be loaded",
    "page": "It is not known how the data stands",
}


def problem_of(error: EtlError, what: str, others: Sequence[str], settings: Settings) -> Problem:
    """Return an error for the tenant's people: without secrets, other tenants' names, and folders of this machine."""
    problems = error.problems if isinstance(error, ConfigError) and error.problems else (error.problem,)
    lines = [line for each in problems for line in each.splitlines() if line.strip()][:MOST_LINES]
    return Problem(
        what="code" if what == "code" else "page" if what == "page" else "configuration",
        lines=tuple(_told(each, others, settings)[:LONGEST_LINE] for each in lines),
        hint=_told(error.hint, others, settings)[:LONGEST_LINE],
    )


def broken_page(
    settings: Settings,
    instance: DagsterInstance,
    tenant: str,
    problem: Problem,
    now: datetime,
    valid_for: timedelta,
    watching: str,
) -> Page:
    """Return the page of a tenant that has no configuration now."""
    unknown: list[str] = []
    known = [*_of_event_log(instance, tenant), *_of_lake(settings, tenant, unknown)]
    consequence = (
        "Something is wrong with the page itself; the data may be as it should."
        if problem.what == "page"
        else "Until it is corrected, nothing new runs, and nothing is judged."
    )
    return Page(
        tenant=tenant,
        name=tenant,
        environment=settings.environment,
        made_at=now,
        holds_until=now + valid_for,
        level="unknown" if problem.what == "page" else "bad",
        answer=_ANSWERS[problem.what],
        detail=f"{consequence} Whether the data is complete is not known. What was last known stands below.",
        is_watched=not watching,
        watched=watching,
        problem=problem,
        last_known=tuple(known),
        unknown=tuple(unknown),
    )


def _told(text: str, others: Sequence[str], settings: Settings) -> str:
    clean = visible(scrub(text)).replace(f"{settings.project_dir}/", "").replace(f"{settings.data_dir}/", "")
    for each in sorted(others, key=len, reverse=True):
        clean = re.sub(rf"(?i)(?<![A-Za-z0-9]){re.escape(each)}(?![A-Za-z0-9])", "another-tenant", clean)
    return clean


def _of_event_log(instance: DagsterInstance, tenant: str) -> Iterator[LastKnown]:
    """Yield what was made last of each asset of the tenant."""
    keys = instance.get_asset_keys(prefix=[tenant])[:MOST_ASSETS]
    addresses = {key: AssetAddress.of(key) for key in keys}
    wanted = [key for key, at in addresses.items() if at.tenant == tenant and at.stage in _STAGES]
    found = instance.get_asset_records(wanted) if wanted else ()
    records = {each.asset_entry.asset_key: each for each in found}
    for key in sorted(wanted, key=lambda each: (addresses[each].name, _STAGES.index(addresses[each].stage))):
        record = records[key].asset_entry.last_materialization_record if key in records else None
        made = record.event_log_entry.asset_materialization if record else None
        if record is None or made is None:
            continue
        rows = next((count for name in ROWS if (count := number(made.metadata, name)) is not None), None)
        yield LastKnown(
            pipeline=addresses[key].name,
            stage=addresses[key].stage,
            partition=made.partition or "",
            rows=None if rows is None else int(rows),
            at=moment(record.timestamp),
            source="event log",
        )


def _of_lake(settings: Settings, tenant: str, unknown: list[str]) -> Iterator[LastKnown]:
    """Yield the newest object of each pipeline in the local lake. A bucket of the tenant cannot be found now."""
    try:
        with closing(open_lake(settings)) as lake:
            for stage in ("extract", "transfer"):
                for pipeline in lake.pipelines(tenant, stage):
                    keys = lake.partitions(tenant, stage, pipeline)
                    newest = keys[-1] if keys else None
                    found = lake.find(ObjectRef(tenant=tenant, stage=stage, pipeline=pipeline, partition=newest))
                    if found is not None:
                        yield LastKnown(
                            pipeline=pipeline,
                            stage=stage,
                            partition=newest or "",
                            rows=found.rows,
                            at=found.provenance.created_at,
                            source="lake",
                        )
    except (EtlError, OSError) as error:
        unknown.append(f"The lake could not be read: {type(error).__name__}.")
