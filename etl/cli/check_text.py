"""What `etl check` shows to people, while it works and at the end, and what it says about its rules.

Belongs here: the text for a terminal. Not here: the formats for programs (`etl.conventions.reports`), checking
(`checking`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

from etl.conventions.location import JudgedLocation
from etl.conventions.registry import RULES
from etl.conventions.reports.report import CheckReport, message
from etl.conventions.rule import CheckFinding, ConventionRule
from etl.plural import counted

_COLOURS = {"error": "bold red", "warning": "yellow"}
_UNBUILT = ("configuration", "location", "dbt-project", "syntax-error")
_FEW = 20  # locations of which each clean one is named
_SAME = 5  # findings of one rule in one file that are shown; other formats have all. Mistakes of a YAML are all shown
_WIDE = 96


class CheckText:
    """Shows locations as they are checked: the present one on stderr, findings and results on stdout."""

    def __init__(self, report: CheckReport, count: int, *, findings: bool) -> None:
        """`count` locations will be checked. Without `findings`, another format shows them, and this only progress."""
        self._report, self._count, self._findings = report, count, findings
        self._out, self._progress = Console(highlight=False), Console(stderr=True, highlight=False)
        self._done = 0

    def begin(self, name: str) -> None:
        """Say which location is checked now, so that one which does not come back has a name."""
        if self._progress.is_terminal:
            self._progress.print(f"checking {escape(name)} ({self._done + 1} of {self._count}) ...", end="\r")
        elif self._count <= _FEW or self._done % max(1, self._count // 10) == 0:
            self._progress.print(f"checking {escape(name)} ({self._done + 1} of {self._count}) ...")

    def end(self, location: JudgedLocation) -> None:
        """Show what was found in a location."""
        self._done += 1
        if self._progress.is_terminal:
            self._progress.print(" " * min(_WIDE, self._progress.width - 1), end="\r")
        if not self._findings or not (location.findings or self._count <= _FEW):
            return
        self._out.print(f"[bold]{escape(location.name)}[/]  {_examined(location)}")
        self.show(location.findings)

    def show(self, findings: Iterable[CheckFinding]) -> None:
        """Show findings, each with its place, its rule, the problem and the remedy."""
        counted: Counter[tuple[Path | None, str]] = Counter()
        for each in findings:
            if each.rule == "configuration":
                self._show(each)
                continue
            counted[each.path, each.rule] += 1
            if each.path is not None and each.line is not None and counted[each.path, each.rule] > _SAME:
                continue
            self._show(each)
        for (path, rule), count in counted.items():
            if path is not None and count > _SAME:
                place = escape(self._report.shown_path(path))
                self._out.print(f"  [cyan]{place}[/]  and {count - _SAME} more of {rule}", soft_wrap=True)

    def _show(self, found: CheckFinding) -> None:
        self._out.print(f"  {self._place(found)}", soft_wrap=True)
        self._out.print(f"    {escape(message(found))}", soft_wrap=True)
        self._out.print(f"    [green]->[/] {escape(found.fix)}", soft_wrap=True)

    def summary(self) -> None:
        """Show the last line: what was checked, and how many findings there are."""
        errors, warnings = len(self._report.errors), len(self._report.findings) - len(self._report.errors)
        names = [each.name for each in self._report.locations if each.is_location]
        shown = ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")
        if not errors and not warnings:
            self._out.print(f"[green]{len(names)} checked[/], no findings: {escape(shown)}")
            return
        rules_found = Counter(each.rule for each in self._report.findings).most_common()
        rules = ", ".join(f"{rule} {count}" for rule, count in rules_found)
        colour = "bold red" if errors else "yellow"
        words = " and ".join(
            counted(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number
        )
        self._out.print(f"{len(names)} checked, [{colour}]{words}[/]: {rules}", soft_wrap=True)
        first = rules_found[0][0]
        self._out.print(f"[green]->[/] `etl check --rule {first}` explains a rule", soft_wrap=True)

    def _place(self, each: CheckFinding) -> str:
        level = "error" if self._report.strict else each.severity
        parts = [f"[{_COLOURS[level]}]{level}[/] {each.rule}"]
        if each.path is not None:
            place = ":".join(str(part) for part in (self._report.shown_path(each.path), each.line, each.column) if part)
            parts.insert(0, f"[cyan]{escape(place)}[/]")
        return "  ".join(parts)


def rules_table() -> Table:
    """Return the table of all rules."""
    table = Table("rule", "looks at", "severity", "reason")
    for each in RULES.values():
        table.add_row(each.id, each.where, each.severity, each.reason.partition(". ")[0].rstrip(".") + ".")
    return table


def show_rule(rule: ConventionRule, console: Console) -> None:
    """Show one rule: its reason, an example that breaks it, one that keeps it, and how to get from one to the other."""
    console.print(f"[bold]{rule.id}[/]  {rule.severity}, looks at: {rule.where}, exit code {rule.exit_code}")
    console.print(rule.reason)
    for title, text in (("breaks the rule", rule.violating), ("keeps the rule", rule.conforming)):
        console.print(f"\n[bold]{title}[/]")
        console.print(Syntax(shortened(text), rule.language, background_color="default", word_wrap=True))
    console.print(f"\n[green]->[/] {escape(rule.fix)}", soft_wrap=True)
    if rule.where in ("source", "definitions"):
        console.print(f"To allow one place: `# etl: allow {rule.id} (reason)` in its line.", soft_wrap=True)


def shortened(text: str, most: int = 30) -> str:
    """Return an example that fits on a screen."""
    lines = text.splitlines()
    shown = lines if len(lines) <= most else [*lines[:2], f"# ... {len(lines):,} lines"]
    return "\n".join(shown).encode(errors="replace").decode()


def _examined(location: JudgedLocation) -> str:
    parts: Sequence[tuple[int, str]] = (
        (location.assets, "asset"),
        (location.jobs, "job"),
        (location.files, "Python file"),
    )
    words = ", ".join(counted(number, word) for number, word in parts if number)
    unbuilt = not location.assets and any(each.rule in _UNBUILT for each in location.findings)
    state = "[red]not built[/]" if unbuilt else ""
    return ", ".join(each for each in (words, f"{location.seconds:.1f} s", state) if each)
