"""Judges new and changed rules over the rows that are published or set aside already, before any run does.

Belongs here: which rules and which partitions are examined, and the verdict in words. Not here: judging itself
(`etl.quality`), and the audit of a run (`etl.pipeline.audit`).

Only the newest partitions are examined, and the answer says how many. A rule that could not be judged has no verdict:
it never counts as one that passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from etl.config.pipeline_config import PipelineConfig, Stage
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.lake.lake import Lake, ObjectRef, Pinned
from etl.lake.pairs import rejection_of
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
    set_aside: int = 0
    """How many of the rows are set aside now, and not published."""
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
    others = _pipelines_of_weaker_checks(changes)
    found = []
    for pipeline in of.config.pipelines.values():
        for stage in pipeline.stages:
            rules = pipeline.rules_for(stage)
            for name, rule in zip(check_names(rules), rules, strict=True):
                change = wanted.get(f"{of.config.id}/{stage}/{pipeline.name}:{name}")
                if change is None and pipeline.name in others and rule.level == "row":
                    key = f"{of.config.id}/{stage}/{pipeline.name}:{name}"
                    told = _verdict(of, pipeline, stage, key, rule, None)
                    if told.set_aside and told.status in ("failed", "error"):
                        found.append(told)
                elif change is not None:
                    found.append(_verdict(of, pipeline, stage, change.name, rule, change.line))
    return tuple(found)


def _pipelines_of_weaker_checks(changes: Sequence[DefinitionChange]) -> frozenset[str | None]:
    """Return the pipelines of which a rule is removed or replaced: rows that it set aside meet the other rules then."""
    return frozenset(
        each.pipeline
        for each in changes
        if (each.kind == "check" and each.action != "added" and not each.follows)
        or (each.kind == "pipeline" and each.value("quality.on_failure"))
    )


def _verdict(
    of: Judged, pipeline: PipelineConfig, stage: Stage, name: str, rule: AnyRule, line: int | None
) -> RuleForecast:
    blank = RuleForecast(pipeline=pipeline.name, check=name, rule=wording(rule), line=line, status="not examined")
    effect, lake = of.effects.get(pipeline.name), of.lakes[pipeline.name]
    again = effect is not None and not effect.is_new and effect.since is not None and stage != "load"
    if again and effect and (effect.since == "extract" or stage == "extract") and _reaches(effect, stage):
        return blank.model_copy(update={"why": "its rows are read again, by another query or other columns"})
    made_now = again and effect is not None and effect.since == "transfer" and stage == "transfer"
    keys: Sequence[str | None] = (None,)
    if pipeline.partitions:
        keys = lake.partitions(of.config.id, "extract" if made_now else stage, pipeline.name)[-of.examined :]
    judged: dict[str, RuleResult] = {}
    set_aside = 0
    try:
        for key in keys:
            ref = ObjectRef(tenant=of.config.id, stage=stage, pipeline=pipeline.name, partition=key)
            found = lake.find(ref)
            if found is None:
                continue
            if found.rows > LARGEST:
                why = f"{found.rows:,} rows of {key or 'the table'} are too many to be examined here"
                return blank.model_copy(update={"why": why})
            kept = None if made_now else _rejected(of, pipeline, ref)
            set_aside += kept.rows if kept else 0
            judged[key or ""] = _judge(of, pipeline, stage, rule, ref, made_now=made_now, kept=kept)
    except EtlError as error:
        return blank.model_copy(update={"status": "error", "why": error.problem})
    if not judged:
        return blank.model_copy(update={"why": "nothing is published yet"})
    return _summed(blank.model_copy(update={"is_foreseen": made_now, "set_aside": set_aside}), judged, rule, pipeline)


def _reaches(effect: Effect, stage: Stage) -> bool:
    return effect.since is not None and ORDER.index(effect.since) <= ORDER.index(stage)


def _rejected(of: Judged, pipeline: PipelineConfig, ref: ObjectRef) -> Pinned | None:
    """Return the rows that were set aside with the published object; None if there are none."""
    found = rejection_of(of.lakes[pipeline.name], ref)
    return found.object if found is not None and found.state == "there" else None


def _judge(
    of: Judged,
    pipeline: PipelineConfig,
    stage: Stage,
    rule: AnyRule,
    ref: ObjectRef,
    *,
    made_now: bool,
    kept: Pinned | None,
) -> RuleResult:
    """Judge the rule over the rows that the next run will have.

    They are those that the changed transform makes of the published extracts; or else the published ones with those
    that were set aside beside them, because a run judges both again.
    """
    run = StageRun(config=of.config, pipeline=pipeline, partition=ref.partition, run_id="plan", settings=of.settings)
    lake = of.lakes[pipeline.name]
    data: Path | pl.LazyFrame = refined_rows(run) if made_now else lake.local_copy(ref)
    if kept is not None:
        own = pl.scan_parquet(lake.local_copy(ref))
        columns = own.collect_schema().names()
        data = pl.concat([own, pl.scan_parquet(kept.path).select(columns)], how="vertical_relaxed")
    try:
        result = check(
            data,
            (rule,),
            engine=pipeline.quality.engine,
            timeout=pipeline.quality.timeout_seconds or PATIENCE,
            sample_size=0,
            pii_columns=pipeline.pii_columns,
            tables=referenced_tables(run, stage),
            now=of.now,
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise EtlError(
            f"the rows that were set aside do not fit the published ones ({type(error).__name__})"
        ) from error
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
    if status == "passed" and rule.level == "row" and not any(each.total_count for each in results):
        return blank.model_copy(update={"why": "there is no row to judge", "partitions": tuple(filter(None, judged))})
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
