"""Writes a plan as Markdown, short enough for a comment on a pull request.

Belongs here: the layout, and the bound on its length. Not here: the words (`words`).
"""

from collections.abc import Iterator, Sequence

from etl.planning import words
from etl.planning.plan import TenantPlan

LONGEST = 400
"""The length of a line."""
MOST = 30
"""So many lines of one section are shown."""


def markdown_of(plan: TenantPlan) -> str:
    """Return the plan as a section of Markdown."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: TenantPlan) -> Iterator[str]:
    yield f"### {_escaped(words.summary(plan))}"
    if plan.is_first:
        yield "\nNothing was applied before, so everything is new."
    if plan.losses:
        yield f"\n**{len(plan.losses)} destructive change(s)**, which need `--allow`:\n"
        yield from _bounded([f"- {_escaped(each)}" for each in plan.losses])
    shown = words.shown(plan)
    if shown:
        yield "\n| | what | change | line |\n|---|---|---|---|"
        rows = [
            f"| {words.SIGNS[each.action]} | {_cell(words.thing(each))} |"
            f" {_cell('; '.join(words.value_change(value) for value in each.values))} | {each.line or ''} |"
            for each in shown
        ]
        yield from _bounded(rows)
    yield from _section("Columns", [words.column(each) for each in plan.columns])
    yield from _section("To be made", [words.backfill(each) for each in plan.backfills])
    yield from _section(
        "What new and changed rules say of the rows",
        [f"{names}: {words.verdict(each)}" for each, names in words.grouped(plan.verdicts)],
    )
    yield from _section("Downstream", [f"`{each}`" for each in plan.downstream])
    if plan.owners and not plan.is_empty:
        yield f"\nOwners: {', '.join(plan.owners)}"
    yield from _section("Notes", [*plan.hints, *(f"unknown: {each}" for each in plan.unknown)])


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"\n**{title}**\n"
        yield from _bounded([f"- {_escaped(each)}" for each in lines])


def _bounded(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:MOST]
    if len(lines) > MOST:
        yield f"\n… and {len(lines) - MOST} more; `etl plan` shows all of them"


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Return the text in one line and without HTML, which a comment would show as such."""
    line = " ".join(text.split()).replace("<", "&lt;")
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
