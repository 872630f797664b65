"""Names in the selections of jobs: a part of a selection that names nothing would be left out in silence.

Belongs here: what a selection names and the configuration knows. Not here: the syntax, and what the whole selection
selects (`etl.factories.job_factory`, by Dagster).
"""

import re
from collections.abc import Iterator

from etl.config.findings import Conflict, KeyPath
from etl.config.tenant_config import TenantConfig
from etl.suggest import nearest

_TIERS = ("bronze", "silver", "gold")
_STAGES_OF_PIPELINES = ("extract", "transfer", "load")
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_TAG = re.compile(r'\btag:\s*"?(?P<key>[\w./-]+)"?\s*=\s*"?(?P<value>[\w.*-]+)"?')
_GROUP = re.compile(r'\bgroup:\s*"?(?P<group>[\w-]+)"?')
_PARTS = ("extract", "transfer", "load", "quarantine", "dbt")
_KEY = re.compile(r'\bkey:\s*"?(?P<key>[\w./*-]+)"?')


def selection_conflicts(config: TenantConfig) -> Iterator[Conflict]:
    """Yield names of pipelines, tiers and tenants in selections that there are not."""
    for name, job in config.jobs.items():
        at: KeyPath = ("jobs", name, "selection")
        if _NAME.fullmatch(job.selection):
            close = job.selection if job.selection in config.assets.pipelines else ""
            close = close or nearest(job.selection, config.assets.pipelines) or "name_of_a_pipeline"
            problem = f"job `{name}`: the selection `{job.selection}` names no asset"
            remedy = f'write "tag:pipeline={close}", or "*" for everything'
            yield Conflict(at, problem, remedy=remedy, about=frozenset({"pipelines"}))
        for tag in _TAG.finditer(job.selection):
            yield from _tag(at, tag["key"], tag["value"], config)
        for key in _KEY.finditer(job.selection):
            yield from _key(at, key["key"], config)
        for group in _GROUP.finditer(job.selection):
            if config.group is not None and group["group"] != config.group:
                problem = f"{_of_job(at)} the group `{group['group']}`"
                yield Conflict(at, problem, f"{config.group}, which all assets of this tenant have")


def _of_job(at: KeyPath) -> str:
    return f"job `{at[1]}`: the selection names"


def _tag(at: KeyPath, key: str, value: str, config: TenantConfig) -> Iterator[Conflict]:
    if key == "data_tier" and value not in _TIERS:
        problem = f"{_of_job(at)} the tier `{value}`, which there is not"
        yield Conflict(at, problem, ", ".join(_TIERS), nearest(value, _TIERS) or "")
    if key == "pipeline" and "*" not in value:
        yield from _pipeline(at, value, config)
    known = {"data_tier", "pipeline", "tenant", "pii", *config.tags, *_tags_of_pipelines(config)}
    if key not in known and not config.dbt.enabled:
        problem = f"{_of_job(at)} the tag `{key}`, which no asset has"
        yield Conflict(at, problem, ", ".join(sorted(known)), nearest(key, known) or "")
    if key == "tenant" and value != config.id:
        problem = f"{_of_job(at)} the tenant `{value}`"
        yield Conflict(at, problem, f"{config.id}: a job runs assets of its own tenant")


def _tags_of_pipelines(config: TenantConfig) -> set[str]:
    return {key for pipeline in config.assets.pipelines.values() for key in pipeline.tags}


def _key(at: KeyPath, key: str, config: TenantConfig) -> Iterator[Conflict]:
    first, *rest = key.split("/")
    if not rest or "*" in first:
        return
    if first != config.id:
        problem = f"{_of_job(at)} assets of `{first}`"
        yield Conflict(at, problem, f"{config.id}/...: a job runs assets of its own tenant")
    elif "*" not in rest[0] and rest[0] not in _PARTS:
        problem = f"{_of_job(at)} `{rest[0]}`, which is no stage"
        yield Conflict(at, problem, ", ".join(_PARTS), nearest(rest[0], _PARTS) or "")
    elif rest[0] in _STAGES_OF_PIPELINES and len(rest) > 1 and "*" not in rest[1]:
        yield from _pipeline(at, rest[1], config)


def _pipeline(at: KeyPath, name: str, config: TenantConfig) -> Iterator[Conflict]:
    if name not in config.assets.pipelines:
        known = ", ".join(sorted(config.assets.pipelines)) or "no pipelines"
        problem = f"{_of_job(at)} the pipeline `{name}`, which there is not"
        yield Conflict(at, problem, known, nearest(name, config.assets.pipelines) or "", frozenset({"pipelines", name}))
