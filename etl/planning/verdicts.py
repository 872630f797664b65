"""Judges new and changed rules over the rows that are already published, before any run does.

Belongs here: which rules and which partitions are examined, and the verdict in words. Not here: judging itself
(`etl.quality`), and the audit of a run (`etl.pipeline.audit`).

Only the newest partitions are examined, and the answer says how many. A rule that could not be judged has no verdict:
it never counts as one that passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from etl.config.pipeline_config import PipelineConfig, Stage
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.lake.lake import Lake, ObjectRef
from etl.pipeline.stage import StageRun
from etl.pipeline.tables import referenced_tables
from etl.pipeline.transfer import refined_rows
from etl.planning.compare import DefinitionChange
from etl.planning.effects import ORDER, Effect
from etl.quality.checking import check
from etl.quality.results import RuleResult
from etl.quality.rules import AnyRule, check_names, wording
from etl.settings import Settings

EXAMINED = 3
"""So many of the newest partitions are examined, if nobody asks for more."""
LARGEST = 5_000_000
"""An object with more rows is not examined."""
PATIENCE = 60.0
"""Seconds for one rule over one object, if the pipeline has no limit of its own."""

Status = Literal["passed", "failed", "error", "not examined"]


class RuleForecast(BaseModel):
    """What one rule says of the published rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: str
    check: str
    rule: str
    line: int | None = None
    status: Status
    partitions: tuple[str, ...] = ()
    """The examined partitions; empty for a whole table."""
    failed_in: tuple[str, ...] = ()
    failed_rows: int = 0
    rows: int = 0
    is_foreseen: bool = False
    """The rows are those that the changed transform makes of the published extracts, and not published yet."""
    why: str = ""
    """Why the rule has no verdict, or what was measured of the table as a whole."""
    consequence: str = ""


@dataclass(frozen=True)
class Judged:
    """What rules are judged over: the tenant's lakes by pipeline, and what happens to its pipelines."""

    config: TenantConfig
    lakes: Mapping[str, Lake]
    effects: Mapping[str, Effect]
    settings: Settings
    now: datetime
    examined: int = EXAMINED


def verdicts(of: Judged, changes: Sequence[DefinitionChange]) -> tuple[RuleForecast, ...]:
    """Judge each rule that is new, or whose text or severity has changed."""
    wanted = {
        each.name: each
        for each in changes
        if each.kind == "check" and (each.action == "added" or each.value("rule") or each.value("severity"))
    }
    found = []
    for pipeline in of.config.pipelines.values():
        for stage in pipeline.stages:
            rules = pipeline.rules_for(stage)
            for name, rule in zip(check_names(rules), rules, strict=True):
                change = wanted.get(f"{of.config.id}/{stage}/{pipeline.name}:{name}")
                if change is not None:
                    found.append(_verdict(of, pipeline, stage, change, rule))
    return tuple(found)


def _verdict(
    of: Judged, pipeline: PipelineConfig, stage: Stage, change: DefinitionChange, rule: AnyRule
) -> RuleForecast:
    blank = RuleForecast(
        pipeline=pipeline.name, check=change.name, rule=wording(rule), line=change.line, status="not examined"
    )
    effect, lake = of.effects.get(pipeline.name), of.lakes[pipeline.name]
    again = effect is not None and not effect.is_new and effect.since is not None and stage != "load"
    if again and effect and (effect.since == "extract" or stage == "extract") and _reaches(effect, stage):
        return blank.model_copy(update={"why": "its rows are read again, by another query or other columns"})
    made_now = again and effect is not None and effect.since == "transfer" and stage == "transfer"
    keys: Sequence[str | None] = (None,)
    if pipeline.partitions:
        keys = lake.partitions(of.config.id, "extract" if made_now else stage, pipeline.name)[-of.examined :]
    judged: dict[str, RuleResult] = {}
    try:
        for key in keys:
            ref = ObjectRef(tenant=of.config.id, stage=stage, pipeline=pipeline.name, partition=key)
            found = lake.find(ref)
            if found is None:
                continue
            if found.rows > LARGEST:
                why = f"{found.rows:,} rows of {key or 'the table'} are too many to be examined here"
                return blank.model_copy(update={"why": why})
            judged[key or ""] = _judge(of, pipeline, stage, rule, ref, made_now=made_now)
    except EtlError as error:
        return blank.model_copy(update={"status": "error", "why": error.problem})
    if not judged:
        return blank.model_copy(update={"why": "nothing is published yet"})
    return _summed(blank.model_copy(update={"is_foreseen": made_now}), judged, rule, pipeline)


def _reaches(effect: Effect, stage: Stage) -> bool:
    return effect.since is not None and ORDER.index(effect.since) <= ORDER.index(stage)


def _judge(
    of: Judged, pipeline: PipelineConfig, stage: Stage, rule: AnyRule, ref: ObjectRef, *, made_now: bool
) -> RuleResult:
    """Judge the rule over the published object, or over what the changed transform makes of the published extracts."""
    run = StageRun(config=of.config, pipeline=pipeline, partition=ref.partition, run_id="plan", settings=of.settings)
    try:
        result = check(
            refined_rows(run) if made_now else of.lakes[pipeline.name].local_copy(ref),
            (rule,),
            engine=pipeline.quality.engine,
            timeout=pipeline.quality.timeout_seconds or PATIENCE,
            sample_size=0,
            pii_columns=pipeline.pii_columns,
            tables=referenced_tables(run, stage),
            now=of.now,
        )
    finally:
        run.close()
    return result.results[0]


def _summed(
    blank: RuleForecast, judged: Mapping[str, RuleResult], rule: AnyRule, pipeline: PipelineConfig
) -> RuleForecast:
    results = judged.values()
    broken = tuple(key for key, each in judged.items() if each.status == "failed")
    errors = [each for each in results if each.status == "error"]
    status: Status = "error" if errors else "failed" if broken else "passed"
    why = errors[0].message if errors else ""
    if not errors and broken and rule.level == "table":
        why = judged[broken[0]].message
    return blank.model_copy(
        update={
            "status": status,
            "partitions": tuple(key for key in judged if key),
            "failed_in": tuple(key for key in broken if key),
            "failed_rows": sum(each.failed_count for each in results),
            "rows": sum(each.total_count for each in results),
            "why": why,
            "consequence": _consequence(status, rule, pipeline),
        }
    )


def _consequence(status: Status, rule: AnyRule, pipeline: PipelineConfig) -> str:
    """Say what a run would do with such rows."""
    if status == "passed":
        return ""
    if status == "failed" and rule.severity != "error":
        return "a run would publish all rows and warn"
    match pipeline.quality.on_failure:
        case "warn":
            return "a run would publish all rows and warn"
        case "quarantine" if status == "failed" and rule.level == "row":
            return "a run would set these rows aside and publish the others"
        case _:
            return "a run would publish nothing of such a partition"
