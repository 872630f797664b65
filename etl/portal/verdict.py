"""Joins what is known of a tenant into one answer: how each pipeline stands, and the tenant as a whole.

Belongs here: levels over several subjects, the answer at the top of the page, and its tiles. Not here: finding out the
single facts (`gather`).

Something bad is always shown as bad. Unknown data is unknown, never good. Everything else that is not good (a warned
check, a promise that was never measured, rejected rows) is a notice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl.config.tenant_config import TenantConfig
from etl.plural import counted
from etl.portal.page import (
    FROM_BAD_TO_GOOD,
    ChangeEntry,
    Completeness,
    Level,
    Lineage,
    Page,
    PipelinePage,
    Problem,
    QuotaUse,
    Tile,
    worst,
)
from etl.portal.words import last_day_before, number, visible
from etl.promises.judge import PromiseVerdict
from etl.running.explain import Explanation, Standing

_STANDINGS: Mapping[Standing, Level] = {
    "healthy": "good",
    "at risk": "notice",
    "late": "bad",
    "promise broken": "bad",
    "waiting": "bad",
    "blocked": "bad",
    "failed": "bad",
    "missing": "bad",
    "stale": "bad",
    "unknown": "unknown",
}
_NONE_SET_ASIDE: Mapping[Level, str] = {"good": "no row is set aside", "none": "nothing is published"}
_NAMED = 3
"""So many troubles are named at the top of the page."""


@dataclass(frozen=True)
class JudgedPipeline:
    """How a pipeline was judged."""

    verdicts: Sequence[PromiseVerdict]
    unjudged: str
    """Why its promises could not be judged; empty if they were."""
    explanation: Explanation | None


def standing_of(said: Explanation | None, data: Completeness) -> Standing:
    """Return how a pipeline stands: as the event log says, unless the data itself is worse than that."""
    standing: Standing = said.standing if said is not None else "unknown"
    if _STANDINGS[standing] == "bad" or data.level not in ("bad", "unknown"):
        return standing
    if data.level == "unknown":
        return "unknown"
    states = {each.state for each in data.parts}
    if "failed" in states:
        return "failed"
    if data.gone or data.damaged or data.there < data.expected:
        return "missing"
    return "stale" if "outdated" in states else "late"


def level_of_pipeline(page: PipelinePage) -> Level:
    """Return the level of a pipeline over all subjects."""
    standing = _STANDINGS.get(page.standing, "unknown")  # type: ignore[call-overload]
    subjects: list[Level] = [*(each.level for each in page.promises), *(each.level for each in page.checks)]
    subjects += [page.compared.level, page.rejections.level, standing]
    if "bad" in (page.data.level, *subjects):
        return "bad"
    if page.data.level == "unknown":
        return "unknown"
    return worst([page.data.level, *("notice" if each == "unknown" else each for each in subjects)])


def standing_on_page(page: PipelinePage) -> Standing:
    """Return the standing of a pipeline over all subjects: it is never better than the pipeline's level."""
    standing: Standing = page.standing  # type: ignore[assignment]
    if page.level not in ("bad", "unknown") or _STANDINGS[standing] in ("bad", page.level):
        return standing
    if page.level == "unknown":
        return "unknown"
    if any(each.level == "bad" for each in page.promises):
        return "promise broken"
    return "failed" if any(each.level == "bad" for each in page.checks) else "stale"


def told_of(page: PipelinePage, judged: JudgedPipeline) -> str:
    """Return what is wrong with a pipeline, for the tenant's people; empty if nothing is."""
    said = judged.explanation
    match page.standing:
        case "blocked":
            broken = [each for each in page.checks if each.status == "failed"]
            rules = ", ".join(f"{each.name} ({_counts(each.failed, each.total)})" for each in broken[:_NAMED])
            why = f" by {rules}" if rules else ""
            return f"The newest run was blocked{why}. Nothing of it was published: readers see the rows from before."
        case "failed":
            return "The newest run failed. Nothing of it was published: readers see the rows from before."
        case "waiting" | "stale":
            return _sentence(said.headline) if said and said.standing == page.standing else ""
        case "at risk" | "promise broken" | "late":
            wrong = [each for each in page.promises if each.level in ("bad", "notice")]
            return f"The promise “{wrong[0].name}” is {wrong[0].state}: {wrong[0].message}." if wrong else ""
        case "unknown":
            return "It could not be judged how its promises stand." if judged.unjudged else ""
        case _:
            return ""


def _counts(failed: int | None, total: int | None) -> str:
    return f"{number(failed)} of {number(total)} rows" if failed is not None and total else "failed"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def judged_page(
    config: TenantConfig,
    *,
    now: datetime,
    valid_for: timedelta,
    zone: str,
    pipelines: tuple[PipelinePage, ...],
    changes: tuple[ChangeEntry, ...],
    lineage: Lineage,
    quotas: tuple[QuotaUse, ...],
    watching: str,
    problem: Problem | None,
    unknown: tuple[str, ...],
    due: Sequence[datetime],
) -> Page:
    """Return the page of a tenant whose configuration is known."""
    level, answer, detail = _answer(config, pipelines, zone)
    if problem is not None:
        stands, answer = answer, problem.answer
        meanwhile = "what is served is the last good configuration" if problem.is_served else "nothing new can run"
        level, detail = "bad", f"Until it is corrected, {meanwhile}.\n{stands}.\n{detail}"
    if failed := [each.label for each in lineage.nodes if each.kind.startswith("dbt") and each.level == "bad"]:
        answer += "" if level == "bad" else ", but a dbt model failed"
        level, detail = "bad", f"dbt: the newest run failed for {_some(failed)}.\n{detail}"
    if any(each.level == "bad" for each in quotas):
        level = "bad"
    if level == "good" and (unknown or watching or any(each.level not in ("good", "none") for each in quotas)):
        level = "notice"
    return Page(
        tenant=config.id,
        name=visible(config.name),
        description=visible(config.description),
        environment=config.origin.environment,
        zone=zone,
        made_at=now,
        holds_until=min([now + valid_for, *due]),
        level=level,
        answer=answer,
        detail=detail,
        is_watched=not watching,
        watched=watching,
        tiles=_tiles(pipelines),
        problem=problem,
        pipelines=pipelines,
        changes=changes,
        lineage=lineage,
        quotas=quotas,
        unknown=unknown,
    )


def _answer(config: TenantConfig, pipelines: Sequence[PipelinePage], zone: str) -> tuple[Level, str, str]:
    """Return the answer to the question whether the data is complete, and to when."""
    if not pipelines:
        why = "it is switched off" if not config.enabled else "it has no pipeline"
        return "unknown", "Nothing was examined", f"{_sentence(f'there is nothing to say about this tenant: {why}')}"
    level = worst([each.level for each in pipelines])
    data = worst([each.data.level for each in pipelines])
    wrong = [each for each in pipelines if each.data.level == data]
    if data in ("bad", "unknown"):
        troubles = [f"{each.name}: {each.data.answer} {each.data.detail}".strip() for each in wrong]
        fine = sum(each.data.level in ("good", "notice") for each in pipelines)
        rest = f"\n{_others(fine)} complete." if fine else ""
        names = ", ".join(each.name for each in wrong[:_NAMED]) + (", ..." if wrong[_NAMED:] else "")
        some = f": {names}" if len(wrong) < len(pipelines) or len(pipelines) == 1 else ""
        answer = f"Not complete{some}" if data == "bad" else f"It is not known whether everything is complete{some}"
        if data == "unknown" and not any(each.data.there for each in pipelines):
            answer = "Nothing is there yet"
        return level, answer, _few(troubles) + rest
    by_time = [each.data for each in pipelines if each.data.kind in ("hour", "day", "week", "month")]
    ends = [each.complete_to for each in by_time if each.complete_to is not None]
    answer = f"Complete to {last_day_before(min(ends), zone)}" if ends else "Every table is there"
    worst_first = sorted(pipelines, key=lambda each: FROM_BAD_TO_GOOD.index(each.level))
    others = [f"{each.name}: {said}" for each in worst_first if each.level != "good" and (said := _trouble(each))]
    if not others:
        waiting = [f"{each.name}: {each.data.detail}" for each in pipelines if each.data.level == "notice"]
        is_promised = any(each.promises for each in pipelines)
        kept = "and every promise is kept" if is_promised else "and nothing is promised"
        return level, answer, _few(waiting) or f"{_all(len(pipelines))} complete, {kept}."
    return level, f"{answer}{_but(pipelines)}", _few(others)


def _but(pipelines: Sequence[PipelinePage]) -> str:
    """Return what is bad although the data is there, in a few words; empty if nothing is."""
    if any(each.level == "bad" for page in pipelines for each in page.promises):
        return ", but a promise is broken"
    if any(each.level == "bad" for page in pipelines for each in page.checks):
        return ", but a check failed"
    if any(page.compared.level == "bad" for page in pipelines):
        return ", but rows differ from the source"
    return ", but a run failed" if any(page.level == "bad" for page in pipelines) else ""


def _trouble(page: PipelinePage) -> str:
    """Return the first thing that is not good about a pipeline whose data is there."""
    if page.headline:
        return page.headline
    bad = [each for each in page.promises if each.level in ("bad", "notice", "unknown")]
    if bad:
        return f"The promise “{bad[0].name}” is {bad[0].state}."
    for level, words in (("bad", "failed"), ("unknown", "could not be judged"), ("notice", "warned")):
        checks = [each for each in page.checks if each.level == level]
        if checks:
            return f"{counted(len(checks), 'check')} {words}."
    if page.compared.level in ("bad", "unknown"):
        return page.compared.words
    if page.rejections.rows:
        return f"{counted(page.rejections.rows, 'row')} rejected."
    return page.data.detail if page.data.level == "notice" else ""


def _others(pipelines: int) -> str:
    return "The other pipeline is" if pipelines == 1 else f"The other {pipelines} pipelines are"


def _all(pipelines: int) -> str:
    return "The one pipeline is" if pipelines == 1 else f"All {pipelines} pipelines are"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _few(texts: Sequence[str]) -> str:
    more = [f"And {len(texts) - _NAMED} more."] if len(texts) > _NAMED else []
    return "\n".join([*texts[:_NAMED], *more])


def _tiles(pipelines: Sequence[PipelinePage]) -> tuple[Tile, ...]:
    """Return the numbers at the top of the page; none if nothing was examined."""
    if not pipelines:
        return ()
    complete = sum(each.data.level in ("good", "notice") for each in pipelines)
    data = Tile(
        title="Data",
        level=worst(each.data.level for each in pipelines),
        figure=f"{complete} of {len(pipelines)}",
        words="pipelines complete",
        target="data",
    )
    promises = [each for page in pipelines for each in page.promises]
    kept = sum(each.level == "good" for each in promises)
    checks = [each for page in pipelines for each in page.checks if each.level != "none"]
    passed = sum(each.status == "passed" for each in checks)
    rejected = sum(each.rejections.rows for each in pipelines)
    set_aside = worst(each.rejections.level for each in pipelines)
    return (
        data,
        Tile(
            title="Promises",
            level=worst(each.level for each in promises),
            figure=f"{kept} of {len(promises)}" if promises else "none",
            words="kept now" if promises else "nothing is promised",
            target="promises",
        ),
        Tile(
            title="Checks",
            level=worst(each.level for each in checks),
            figure=f"{passed} of {len(checks)}" if checks else "none",
            words=_tally(each.status for each in checks if each.status != "passed")
            or ("passed" if checks else "no rule is written"),
            target="checks",
        ),
        Tile(
            title="Rejected rows",
            level=set_aside,
            figure=number(rejected) if rejected or set_aside == "good" else "not known",
            words="set aside, with reasons" if rejected else _NONE_SET_ASIDE.get(set_aside, "they could not be read"),
            target="rejected",
        ),
    )


def _tally(states: Iterable[str]) -> str:
    found: dict[str, int] = {}
    for each in states:
        found[each] = found.get(each, 0) + 1
    return "passed; " + ", ".join(f"{number} {state}" for state, number in found.items()) if found else ""
