"""The page of a tenant whose configuration or code cannot be loaded: what is wrong, and what was last known.

Belongs here: the words of the problem without secrets and without anything of other tenants, and what the lake and the
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
from etl.secrets.ownership import owner_of
from etl.secrets.scrub import scrub
from etl.settings import Settings
from etl.trial.own_error import OwnPythonError
from etl.trial.trouble import TenantTrouble

MOST_LINES = 30
LONGEST_LINE = 500
MOST_ASSETS = 300
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]*\b")
_STAGES = ("extract", "transfer", "load", "dbt")


def problem_of(trouble: TenantTrouble, others: Sequence[str], settings: Settings) -> Problem:
    """Return it for the tenant's people: without secrets, what is another tenant's, and folders of this machine."""
    error, told = trouble.error, _Telling(trouble.tenant, others, settings)
    problems = error.problems if isinstance(error, ConfigError) and error.problems else (error.told,)
    lines = [line for each in problems for line in each.splitlines() if line.strip()][:MOST_LINES]
    instead = trouble.instead
    return Problem(
        what="code" if isinstance(error, OwnPythonError) else "configuration",
        lines=tuple(told(each)[:LONGEST_LINE] for each in lines),
        hint=told(error.hint)[:LONGEST_LINE],
        is_served=instead is not None and instead.is_served,
        instead=told(instead.told_sentence)[:LONGEST_LINE] if instead is not None else "",
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
        answer=problem.answer,
        detail=f"{consequence} Whether the data is complete is not known. What was last known stands below.",
        is_watched=not watching,
        watched=watching,
        problem=problem,
        last_known=tuple(known),
        unknown=tuple(unknown),
    )


class _Telling:
    """Makes a text of this product one that a tenant's people may read.

    Such a text names another tenant only after the word `tenant`, in a path, or by a variable. A tenant may be called
    like any word (`a`, `default`, `orders`), so its name is replaced only there.
    """

    def __init__(self, tenant: str, others: Sequence[str], settings: Settings) -> None:
        """`others` are the other tenants, of which the text must have nothing."""
        self._tenant, self._others, self._settings = tenant, frozenset(others), settings
        names = "|".join(re.escape(each) for each in sorted(others, key=len, reverse=True))
        before = r"((?:\btenants?\b|\bdbt_projects\b)(?:/|\s+`?))"
        self._named = re.compile(rf"{before}(?:{names})(?![\w-])") if names else None

    def __call__(self, text: str) -> str:
        """Return the text without secrets, folders of this machine, and names of other tenants."""
        clean = visible(scrub(text))
        for folder in (self._settings.project_dir, self._settings.data_dir):
            clean = clean.replace(f"{folder}/", "")
        clean = re.sub(r"tenants here: .*", "", clean)
        clean = _VARIABLE.sub(self._variable, clean)
        return self._named.sub(r"\1another-tenant", clean) if self._named else clean

    def _variable(self, match: re.Match[str]) -> str:
        owner = owner_of(match[0], {*self._others, self._tenant})
        return "ANOTHER-TENANT" if owner in self._others else match[0]


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
