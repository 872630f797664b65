"""Puts the parts of a plan into words that its texts have in common.

Belongs here: one sentence or phrase for each part. Not here: the layout (`show_text`, `show_markdown`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from pydantic import JsonValue

from etl.planning.backfills import BackFill
from etl.planning.columns import ColumnChange
from etl.planning.compare import Action, DefinitionChange, ValueChange
from etl.planning.plan import TenantPlan
from etl.planning.verdicts import RuleForecast
from etl.plural import counted

LONGEST_VALUE = 60
SERIES_SHOWN = 3
_MINUTE, _HOUR = 60, 3600
SIGNS: dict[Action, str] = {"added": "+", "changed": "~", "removed": "-"}


def summary(plan: TenantPlan) -> str:
    """Return the plan in one line."""
    if plan.unfinished is not None and not plan.changes:
        return (
            f"{plan.tenant}: what is defined is {plan.compared_with}, but an apply that was begun at"
            f" {plan.unfinished:%Y-%m-%d %H:%M} UTC did not end"
        )
    if plan.is_empty:
        return f"{plan.tenant}: nothing has changed, compared with {plan.compared_with}"
    counts = Counter(each.action for each in plan.changes if not each.follows)
    said = ", ".join(f"{counts[action]} {action}" for action in SIGNS if counts[action])
    losses = f", {len(plan.losses)} destructive" if plan.losses else ""
    return f"{plan.tenant}: {said}{losses}, compared with {plan.compared_with}"


def place(line: int | None) -> str:
    """Return the line of the YAML, as a person opens it; empty if there is none."""
    return f"config.yaml:{line}" if line else ""


def value_change(change: ValueChange) -> str:
    """Return a value as it was and as it is."""
    if isinstance(change.old, list) and isinstance(change.new, list):
        gone = [f"-{_short(each)}" for each in change.old if each not in change.new]
        come = [f"+{_short(each)}" for each in change.new if each not in change.old]
        if gone or come:
            return f"{change.name}: {' '.join([*gone, *come])}"
    return f"{change.name}: {_short(change.old)} -> {_short(change.new)}"


def _short(value: JsonValue) -> str:
    match value:
        case None | "" | [] | {}:
            return "(none)"
        case bool():
            return "true" if value else "false"
        case list():
            text = "[" + ", ".join(_short(each) for each in value) + "]"
        case dict():
            text = "{" + ", ".join(f"{key}: {_short(each)}" for key, each in value.items()) + "}"
        case _:
            text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def column(change: ColumnChange) -> str:
    """Return what happens to a column."""
    match change.action:
        case "added":
            return f"{change.stage} {change.pipeline}: column `{change.column}` ({change.new}) is new"
        case "removed":
            return f"{change.stage} {change.pipeline}: column `{change.column}` ({change.old}) is gone"
        case _:
            return (
                f"{change.stage} {change.pipeline}: column `{change.column}` was {change.old} and will be {change.new}"
            )


def backfill(each: BackFill) -> str:
    """Return what is made again, how much that is, and what it costs."""
    count = counted(each.partitions, each.word)
    if not each.ranges:
        count = "the whole table"
    whole = each.rewritten == each.partitions
    again = ", rewritten" if whole else f", {each.rewritten:,} of them rewritten" if each.rewritten else ""
    return f"{each.pipeline}: {', '.join(each.stages)} of {count}{again}{_keys(each)}; {rows(each)}; {cost(each)}"


def _keys(each: BackFill) -> str:
    series = [first if first == last else f"{first} to {last}" for first, last in each.ranges]
    if not series:
        return ""
    more = f" and {len(series) - SERIES_SHOWN} more series" if len(series) > SERIES_SHOWN else ""
    return f" ({', '.join(series[:SERIES_SHOWN])}{more})"


def rows(each: BackFill) -> str:
    """Return the number of rows, or that it is unknown."""
    if each.rows is None:
        return f"rows unknown ({each.rows_known_from})"
    return f"about {each.rows:,} rows ({each.rows_known_from})" if each.rows_known_from else f"{each.rows:,} rows"


def cost(each: BackFill) -> str:
    """Return the time that it takes, or that it is unknown."""
    if each.seconds is None:
        return f"time unknown ({each.seconds_known_from})"
    return f"about {_duration(each.seconds)} ({each.seconds_known_from})"


def _duration(seconds: float) -> str:
    if seconds < 2 * _MINUTE:
        return f"{seconds:.1f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.1f} h"


def verdict(each: RuleForecast) -> str:
    """Return what a rule says of the rows that are published."""
    where = f"the newest {len(each.partitions)} partitions" if len(each.partitions) > 1 else "the newest partition"
    where = where if each.partitions else "the whole table"
    where += f", of which {each.set_aside:,} are set aside now" if each.set_aside else ""
    where += ", as the changed transform makes them" if each.is_foreseen else ""
    why = f": {each.why}" if each.why else ""
    match each.status:
        case "not examined":
            return f"not examined{why}"
        case "error":
            return f"could not be judged{why}; {each.consequence}" if each.consequence else f"could not be judged{why}"
        case "passed":
            return f"passes for {each.rows:,} rows of {where}"
        case "failed":
            failing = f" (in {', '.join(each.failed_in)})" if each.failed_in else ""
            count = f"fails for {each.failed_rows:,} of {each.rows:,} rows" if each.failed_rows else "fails"
            return f"{count} of {where}{failing}{why}; {each.consequence}"


def thing(change: DefinitionChange) -> str:
    """Return the kind and the name of what changes."""
    return f"{change.kind} {change.name}"


def shown(plan: TenantPlan) -> list[DefinitionChange]:
    """Return the changes that people read: those that do not only follow from another one."""
    obvious = ("asset", "connection", "job", "sensor", "schedule") if plan.is_first else ()
    return [each for each in plan.changes if not each.follows and each.kind not in obvious]


def grouped(verdicts: Iterable[RuleForecast]) -> Iterator[tuple[RuleForecast, str]]:
    """Yield each verdict with the name of its check; rules that were not examined for the same reason are one."""
    unexamined: dict[tuple[str, str], list[RuleForecast]] = {}
    for each in verdicts:
        if each.status == "not examined":
            unexamined.setdefault((each.pipeline, each.why), []).append(each)
        else:
            yield each, each.check
    for (pipeline, _), found in unexamined.items():
        yield found[0], f"{len(found)} rules of {pipeline}" if len(found) > 1 else found[0].check
