"""Shows a plan in a terminal.

Belongs here: the layout for people. Not here: the words (`words`), Markdown (`show_markdown`).
"""

from collections.abc import Iterator

from rich.text import Text

from etl.planning import words
from etl.planning.plan import Plan

_STYLES = {"added": "green", "changed": "yellow", "removed": "red"}


def text_of(plan: Plan) -> Text:
    """Return the plan with colours."""
    return Text("\n").join(_lines(plan))


def _lines(plan: Plan) -> Iterator[Text]:
    yield Text(words.summary(plan), style="bold")
    if plan.is_first:
        yield Text("  nothing was applied before, so everything is new. `--apply` records it", style="yellow")
    for change in plan.changes:
        if change.follows or (plan.is_first and change.kind in ("asset", "connection")):
            continue
        place = words.place(change.line)
        yield Text.assemble(
            (f"  {words.SIGNS[change.action]} {words.thing(change)}", _STYLES[change.action]),
            (f"  {place}" if place else "", "dim"),
        )
        for value in change.values:
            line = words.place(value.line)
            yield Text.assemble(f"      {words.value_change(value)}", (f"  {line}" if line else "", "dim"))
        for loss in change.loses:
            yield Text(f"      destructive: {loss}", style="bold red")
    following = sum(each.follows for each in plan.changes)
    if following and not plan.is_first:
        yield Text(f"    and {following} asset(s) and job(s) follow from that", style="dim")
    for each in plan.columns:
        style = "bold red" if each.loses else ""
        yield Text(f"  {'destructive: ' if each.loses else ''}{words.column(each)}", style=style)
    if plan.backfills:
        yield Text("  To be made again:", style="bold")
        for backfill in plan.backfills:
            yield Text(f"    {words.backfill(backfill)}")
            yield Text(f"      because {', '.join(backfill.reasons)}", style="dim")
            for command in backfill.commands(plan.tenant)[:3]:
                yield Text(f"      {command}", style="cyan")
    if plan.verdicts:
        yield Text("  New and changed rules, on the rows that are published:", style="bold")
        for verdict in plan.verdicts:
            style = {"passed": "green", "failed": "red", "error": "red"}.get(verdict.status, "yellow")
            yield Text.assemble(f"    {verdict.check}: ", (words.verdict(verdict), style))
    if plan.downstream:
        yield Text(f"  Downstream: {', '.join(plan.downstream)}")
    if plan.owners and not plan.is_empty:
        yield Text(f"  Owners: {', '.join(plan.owners)}")
    for hint in plan.hints:
        yield Text(f"  Note: {hint}", style="yellow")
    for unknown in plan.unknown:
        yield Text(f"  Unknown: {unknown}", style="yellow")
