"""Verdicts, profiles and learned rules as artifacts, which Prefect shows on the page of the run.

Belongs here: what an artifact says, and creating it. Not here: when an artifact is created (`outcome`, `tasks`).

Artifacts are in Prefect's database, which more people read than the data, so no artifact has a value of a row: a
profile shows counts, not the least and the greatest value, and learned rules are named without their limits.
"""

import re
from typing import Any
from uuid import UUID

from prefect.artifacts import MarkdownArtifact, TableArtifact

from etl.errors import QualityError
from etl.integrations.contract import Verdict, read_verdict, verdict
from etl.integrations.rendering import as_line, as_markdown, as_table, markdown_table
from etl.quality.results import CheckResult, ColumnProfile, LearnResult, ProfileResult

CHECK_KEY, PROFILE_KEY, LEARN_KEY = "quality-check", "data-profile", "schema-learn"
SHOWN = 100
"""How many columns or rules an artifact shows."""
_KEY = re.compile("[a-z0-9]+(-[a-z0-9]+)*")

Result = CheckResult | Verdict | ProfileResult | LearnResult
Row = dict[str, str]


def to_prefect_artifact(result: Result, *, key: str | None = None) -> UUID:
    """Create a report (Markdown) and a table for a result, linked to the current run; return the report's id.

    The report has the key `key`, the table `key` with a suffix. Without a `key` the report is `quality-check`,
    `data-profile` or `schema-learn`.
    """
    table, report = _artifacts(result, key)
    _id_of(table.create(_sync=True))  # type: ignore[call-arg]  # never a coroutine
    return _id_of(report.create(_sync=True))  # type: ignore[call-arg]


async def ato_prefect_artifact(result: Result, *, key: str | None = None) -> UUID:
    """The same as `to_prefect_artifact`, for async code."""
    table, report = _artifacts(result, key)
    await table.acreate()
    return _id_of(await report.acreate())


def checked_key(key: str) -> str:
    """Return a key that Prefect accepts, or raise. It is asked before anything is judged."""
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise QualityError(
            f"{key!r} cannot be the key of an artifact",
            "use lowercase letters, digits and single hyphens, such as `orders-daily`",
        )
    return key


def _artifacts(result: Result, key: str | None) -> tuple[TableArtifact, MarkdownArtifact]:
    if isinstance(result, CheckResult):
        return _artifacts(read_verdict(verdict(result)), key)
    if isinstance(result, Verdict):
        title = f"Quality check of {result.subject}" if result.subject else "Quality check"
        return _pair(
            key or CHECK_KEY, "rules", title, as_line(result), as_table(result), as_markdown(result, title=title)
        )
    if isinstance(result, ProfileResult):
        rows = [_profile_row(name, column, result.row_count) for name, column in result.columns.items()]
        line = f"{result.row_count:,} rows, {len(rows):,} columns, engine {result.engine}"
        return _pair(key or PROFILE_KEY, "columns", "Data profile", line, rows)
    if isinstance(result, LearnResult):
        rows = [_rule_row(rule.to_dict()) for rule in result.rules]
        line = f"{len(rows):,} rules learned from {result.row_count:,} rows, {result.strictness}, by {result.engine}"
        return _pair(key or LEARN_KEY, "rules", "Learned rules", line, rows)
    raise QualityError(
        f"a {type(result).__name__} has no artifact", "give what check, profile or learn of etl.quality returned"
    )


def _pair(
    key: str, suffix: str, title: str, line: str, rows: list[Row], report: str | None = None
) -> tuple[TableArtifact, MarkdownArtifact]:
    shown = rows[:SHOWN]
    if report is None:
        left = [] if len(rows) <= SHOWN else ["", f"{len(rows) - SHOWN:,} more are not listed here."]
        report = "\n".join([f"# {title}", "", line, "", *markdown_table(shown), *left])
    return (
        TableArtifact(key=f"{checked_key(key)}-{suffix}", table=shown, description=f"{title}: {suffix}"),
        MarkdownArtifact(key=key, markdown=report, description=line),
    )


def _profile_row(name: str, column: ColumnProfile, rows: int) -> Row:
    return {
        "Column": name,
        "Type": column.dtype,
        "Nulls": f"{column.null_count:,}",
        "Null share": f"{column.null_count / rows:.1%}" if rows else "-",
        "Distinct": "-" if column.unique_count is None else f"{column.unique_count:,}",
    }


def _rule_row(rule: dict[str, Any]) -> Row:
    columns = rule.get("columns") or [rule.get("column")]
    return {"Column": ", ".join(str(each) for each in columns if each) or "-", "Rule": str(rule["type"])}


def _id_of(artifact: Any) -> UUID:  # noqa: ANN401  Prefect's dispatch types it as perhaps a coroutine
    found: UUID = artifact.id
    return found
