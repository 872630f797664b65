"""The audit of a draft: its rules are judged before anything is published.

Belongs here: which rules a stage has, the verdict, and the effect of `on_failure`. Not here: the rules' meaning
(`etl.quality`), publishing (`extract.py`, `transfer.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from etl.config.pipeline_config import PipelineConfig, Stage
from etl.errors import AuditBlocked
from etl.quality.checking import check
from etl.quality.results import CheckResult, RuleResult
from etl.quality.rules import AnyRule, wording

Verdict = Literal["passed", "warned", "failed", "unchecked"]


class Audit(BaseModel):
    """The rules of one stage, judged over one draft."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    stage: str
    check: CheckResult
    verdict: Verdict
    quarantined: int = 0

    @property
    def beyond_rows(self) -> bool:
        """Whether quarantine cannot help, because a rule could not be judged or is about the table as a whole."""
        return any(r.status == "error" or r.rule.level == "table" for r in self.blocking)

    @property
    def blocking(self) -> tuple[RuleResult, ...]:
        """The results that forbid publishing: rules that could not be judged, and failed rules of severity error."""
        return tuple(r for r in self.check.results if _blocks(r))


class Blocked(AuditBlocked):
    """An audit that forbids publishing. The error has the whole verdict."""

    def __init__(self, label: str, audit: Audit, why: str = "") -> None:
        """Name every rule that forbids publishing, with its counts."""
        broken = "; ".join(describe(each) for each in audit.blocking)
        why = why or f"{len(audit.blocking)} rule(s) forbid it"
        super().__init__(
            f"{label} {audit.stage}: nothing was published, {why}: {broken}",
            "mend the data or the rule and run again; the last good partition is still what readers see",
        )
        self.audit = audit


def describe(result: RuleResult) -> str:
    """Describe one rule's outcome. If a check's name cannot show its columns, the columns follow the name."""
    name, columns = result.rule.check_name, result.rule.judged_columns
    if not all(each in name for each in columns):
        name += f" ({wording(result.rule)})"
    if result.status == "error":
        return f"{name} could not be judged: {result.message}"
    if result.rule.level == "table":
        return f"{name} failed: {result.message}"
    return f"{name} failed for {result.failed_count} of {result.total_count} rows"


def audit_file(
    pipeline: PipelineConfig,
    stage: Stage,
    draft: Path,
    *,
    tables: Mapping[str, pl.LazyFrame] | None = None,
    now: datetime | None = None,
) -> Audit | None:
    """Judge all rules of the stage over the draft in one pass. None if the stage has no rules."""
    rules = pipeline.rules_for(stage)
    if not rules:
        return None
    result = _check(pipeline, rules, draft, tables, now)
    return Audit(stage=stage, check=result, verdict=_verdict(result))


def audit_good_rows(
    audit: Audit,
    pipeline: PipelineConfig,
    good: Path,
    rejected: int,
    *,
    tables: Mapping[str, pl.LazyFrame] | None = None,
    now: datetime | None = None,
) -> Audit:
    """Audit the rows that are left after quarantine, because a count or a sum changes without the rejected rows."""
    results = audit.check.results
    whole = [position for position, each in enumerate(results) if each.rule.level == "table"]
    if whole and rejected:
        again = _check(pipeline, [results[position].rule for position in whole], good, tables, now)
        judged = dict(zip(whole, again.results, strict=True))
        results = tuple(
            judged[position].model_copy(update={"check_name": each.check_name}) if position in judged else each
            for position, each in enumerate(results)
        )
    found = audit.check.model_copy(update={"results": results})
    return audit.model_copy(update={"check": found, "verdict": _verdict(found)})


def _check(
    pipeline: PipelineConfig,
    rules: Sequence[AnyRule],
    draft: Path,
    tables: Mapping[str, pl.LazyFrame] | None,
    now: datetime | None,
) -> CheckResult:
    quality = pipeline.quality
    keys = pipeline.trino_output.key_columns if pipeline.trino_output else ()
    return check(
        draft,
        rules,
        engine=quality.engine,
        timeout=quality.timeout_seconds,
        key_columns=keys,
        safe_columns=quality.safe_columns,
        pii_columns=pipeline.pii_columns,
        tables=tables,
        now=now,
    )


def _verdict(result: CheckResult) -> Verdict:
    if any(_blocks(each) for each in result.results):
        return "failed"
    return "passed" if all(each.status == "passed" for each in result.results) else "warned"


def _blocks(result: RuleResult) -> bool:
    """Whether a result forbids publishing. A rule that could not be judged does, at any severity."""
    return result.status == "error" or (result.status == "failed" and result.rule.severity == "error")
