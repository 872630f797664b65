"""Shows a plan in a terminal.

Belongs here: the layout for people. Not here: the words (`words`), Markdown (`show_markdown`).
"""

from collections.abc import Iterator

from rich.text import Text

from etl.planning import words
from etl.planning.compare import Action
from etl.planning.plan import TenantPlan

_STYLES: dict[Action, str] = {"added": "green", "changed": "yellow", "removed": "red"}


def text_of(plan: TenantPlan) -> Text:
    """Return the plan with colours."""
    return Text("\n").join(_lines(plan))


def _lines(plan: TenantPlan) -> Iterator[Text]:
    yield Text(words.summary(plan), style="bold")
    if plan.is_first:
        yield Text("  nothing was applied before, so everything is new. `--apply` records it", style="yellow")
    yield from _changes(plan)
    for column in plan.columns:
        style = "bold red" if column.loses else ""
        yield Text(f"  {'destructive: ' if column.loses else ''}{words.column(column)}", style=style)
    yield from _backfills(plan)
    if plan.verdicts:
        yield Text("  What new and changed rules say of the rows:", style="bold")
    for verdict, names in words.grouped(plan.verdicts):
        style = {"passed": "green", "failed": "red", "error": "red"}.get(verdict.status, "yellow")
        yield Text.assemble(f"    {names}: ", (words.verdict(verdict), style))
    if plan.downstream:
        yield Text(f"  Downstream: {', '.join(plan.downstream)}")
    if plan.owners and not plan.is_empty:
        yield Text(f"  Owners: {', '.join(plan.owners)}")
    for note in (*plan.hints, *(f"unknown: {each}" for each in plan.unknown)):
        yield Text(f"  Note: {note}", style="yellow")


def _backfills(plan: TenantPlan) -> Iterator[Text]:
    if plan.backfills:
        yield Text("  To be made:", style="bold")
    for backfill in plan.backfills:
        yield Text(f"    {words.backfill(backfill)}")
        yield Text(f"      because {', '.join(backfill.reasons)}", style="dim")
        for command in backfill.commands(plan.tenant)[: words.SERIES_SHOWN]:
            yield Text(f"      {command}", style="cyan")


def _changes(plan: TenantPlan) -> Iterator[Text]:
    for change in words.shown(plan):
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
    following = len(plan.changes) - len(words.shown(plan))
    if following and not plan.is_first:
        yield Text(f"    {following} more changes only follow from that", style="dim")
