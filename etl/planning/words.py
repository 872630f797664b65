"""Puts the parts of a plan into words that its texts have in common.

Belongs here: one sentence or phrase for each part. Not here: the layout (`show_text`, `show_markdown`).
"""

from pydantic import JsonValue

from etl.planning.backfills import BackFill
from etl.planning.columns import ColumnChange
from etl.planning.compare import Change, ValueChange
from etl.planning.description import Kind
from etl.planning.plan import Plan
from etl.planning.verdicts import RuleVerdict

LONGEST_VALUE = 60
SIGNS = {"added": "+", "changed": "~", "removed": "-"}
PLURALS: dict[Kind, str] = {"tenant": "tenant", "promise": "promises"}


def summary(plan: Plan) -> str:
    """Return the plan in one line."""
    if plan.is_empty:
        return f"{plan.tenant}: nothing has changed, compared with {plan.compared_with}"
    counts = {sign: sum(each.action == action for each in plan.changes) for action, sign in SIGNS.items()}
    said = ", ".join(f"{counts[sign]} {action}" for action, sign in SIGNS.items() if counts[sign])
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
            return f"{change.pipeline}: column `{change.column}` ({change.new}) is new"
        case "removed":
            return f"{change.pipeline}: column `{change.column}` ({change.old}) is gone"
        case _:
            return f"{change.pipeline}: column `{change.column}` was {change.old} and will be {change.new}"


def backfill(each: BackFill) -> str:
    """Return what is made again, how much that is, and what it costs."""
    count = f"{each.partitions:,} {each.word}{'s' if each.partitions != 1 else ''}"
    if not each.ranges:
        count = "the whole table"
    again = f", {each.rewritten:,} of them rewritten" if each.ranges and each.rewritten else ""
    again = " (rewritten)" if not each.ranges and each.rewritten else again
    return f"{each.pipeline}: {', '.join(each.stages)} of {count}{again}{_keys(each)}; {rows(each)}; {cost(each)}"


def _keys(each: BackFill) -> str:
    series = [first if first == last else f"{first} to {last}" for first, last in each.ranges]
    if not series:
        return ""
    return f" ({', '.join(series[:3])}{f' and {len(series) - 3} more series' if len(series) > 3 else ''})"


def rows(each: BackFill) -> str:
    """Return the number of rows, or that it is unknown."""
    if each.rows is None:
        return f"rows unknown ({each.rows_known_from})"
    return f"about {each.rows:,} rows ({each.rows_known_from})" if each.rows_known_from else f"{each.rows:,} rows"


def cost(each: BackFill) -> str:
    """Return the time that it takes, or that it is unknown."""
    if each.seconds is None:
        return f"time unknown ({each.seconds_known_from})"
    seconds = each.seconds
    amount = (
        f"{seconds:.1f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
    return f"about {amount} ({each.seconds_known_from})"


def verdict(each: RuleVerdict) -> str:
    """Return what a rule says of the rows that are published."""
    where = f"the newest {len(each.partitions)} partitions" if len(each.partitions) > 1 else "the newest partition"
    where = where if each.partitions else "the whole table"
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


def thing(change: Change) -> str:
    """Return the kind and the name of what changes."""
    return f"{change.kind} {change.name}"
