"""A verdict for people: as Markdown, as the rows of a table, as one line, as an exit code.

Belongs here: texts that every orchestrator shows in the same words. Not here: what a verdict is (`contract`).
"""

from collections.abc import Mapping, Sequence

from etl.integrations.contract import RuleVerdict, Verdict

SHOWN = 100
"""How many rules a table for people shows; the worst come first."""
_ORDER = ("error", "failed", "passed")
_EXIT_CODES = {"passed": 0, "warning": 0, "failed": 1, "error": 3}


def as_table(found: Verdict) -> list[dict[str, str]]:
    """Return a row for each rule, the worst first."""
    return [_row(each) for each in _worst_first(found)[:SHOWN]]


def as_markdown(found: Verdict, *, title: str = "Quality check") -> str:
    """Return a report: the verdict, the counts, and a table of the rules, the worst first."""
    lines = [f"# {_escaped(title)}: {found.status.value.upper()}", "", _escaped(as_line(found)), ""]
    rows = as_table(found)
    lines += markdown_table(rows)
    hidden = found.rule_count - len(rows)
    if hidden:
        lines += ["", f"{hidden} more rules are not listed here."]
    return "\n".join(lines) + "\n"


def markdown_table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the lines of a Markdown table; the first row's keys are its head. Without rows there are no lines."""
    if not rows:
        return []
    head = [*rows[0]]
    return [
        _markdown_row(head),
        _markdown_row(["---"] * len(head)),
        *(_markdown_row([*each.values()]) for each in rows),
    ]


def as_line(found: Verdict) -> str:
    """Return the verdict in one line, for logs, messages and states of a task."""
    subject = f"{' '.join(found.subject.split())}: " if found.subject else ""
    if not found.rule_count:
        return f"{subject}error: no rule was judged"
    counts = [(found.failed_count, "failed"), (found.warning_count, "warned"), (found.error_count, "had no verdict")]
    bad = [f"{number} {word}" for number, word in counts if number]
    rows = "an unknown number of" if found.row_count is None else f"{found.row_count:,}"
    if found.sampled_from is not None:
        rows = f"a sample of {rows} of {found.sampled_from:,}"
    passed = f"{found.passed_count} of {found.rule_count} rules passed over {rows} rows"
    worst = [each for each in _worst_first(found) if each.status != "passed"][:3]
    reasons = "; ".join(f"{each.check_name}: {each.message}" for each in worst)
    told = ", ".join([passed, *bad])
    return " ".join((f"{subject}{found.status.value}: {told}" + (f" ({reasons})" if reasons else "")).split())


def exit_code(found: Verdict) -> int:
    """Return the exit code of a command: 0 passed or warned, 1 failed, 3 could not be judged."""
    return _EXIT_CODES[found.status.value]


def _worst_first(found: Verdict) -> list[RuleVerdict]:
    return sorted(found.results, key=lambda each: _ORDER.index(each.status))


def _row(each: RuleVerdict) -> dict[str, str]:
    return {
        "Rule": each.check_name,
        "Column": each.column or "-",
        "Status": each.status,
        "Severity": each.severity,
        "Failed": f"{each.failed_count:,}",
        "Total": f"{each.total_count:,}",
        "Message": each.message,
    }


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def _escaped(text: str) -> str:
    """Keep a name from becoming a column of the table, a line of its own, or HTML."""
    flat = " ".join(text.split())
    for sign, written in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), (">", "&gt;"), ("`", "\\`")):
        flat = flat.replace(sign, written)
    return flat
