"""Shows a month of promises as rows, as JSON, or as one HTML page with its chart inside.

Belongs here: turning attainments into text. Not here: computing them (`attainment`) or writing files.
"""

import json
from collections.abc import Sequence
from html import escape

from etl.promises.attainment import Attainment, Day

HEADER = ("tenant", "pipeline", "month", "kept", "budget left", "breaches", "broken h", "worst days")
_CELL, _ROW, _NAMES, _TOP = 16, 20, 280, 24
_CHART = "Days of the month per pipeline, coloured by the share of time in which a promise was broken"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
       background: #fff; color: #1d2733; }
table { border-collapse: collapse; width: 100%; margin-top: 2rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.bad { color: #c0262d; font-weight: 600; }
svg { max-width: 100%; height: auto; } svg text { fill: currentColor; font: 12px system-ui, sans-serif; }
.none { fill: #8883; } .kept { fill: #2e9e6b; } .some { fill: #e0a526; } .much { fill: #c0262d; }
@media (prefers-color-scheme: dark) { body { background: #14191f; color: #dfe6ee; } .bad { color: #ff7b7f; } }
"""


def report_rows(attainments: Sequence[Attainment]) -> list[tuple[str, ...]]:
    """One row of texts per pipeline, in the order of `HEADER`."""
    return [
        (
            each.tenant,
            each.pipeline,
            f"{each.month:%Y-%m}",
            _percent(each.kept_share),
            _percent(each.budget_left),
            str(each.breaches),
            f"{each.broken_hours:.1f}",
            ", ".join(f"{day.day:%m-%d} ({day.broken_hours:.1f} h)" for day in each.worst_days) or "-",
        )
        for each in attainments
    ]


def report_json(attainments: Sequence[Attainment]) -> str:
    """Return all attainments as JSON; shares are from 0 to 1."""
    return json.dumps(
        [
            {
                "tenant": each.tenant,
                "pipeline": each.pipeline,
                "month": f"{each.month:%Y-%m}",
                "objective": each.objective,
                "kept_share": each.kept_share,
                "budget_left": each.budget_left,
                "breaches": each.breaches,
                "watched_hours": each.watched_hours,
                "broken_hours": each.broken_hours,
                "worst_days": [
                    {"day": day.day.isoformat(), "broken_hours": day.broken_hours} for day in each.worst_days
                ],
            }
            for each in attainments
        ],
        indent=2,
    )


def report_html(attainments: Sequence[Attainment], title: str) -> str:
    """Return a page without links to other files: a strip of days for each pipeline, then the table."""
    heads = "".join(f'<th class="{_align(n)}">{escape(name)}</th>' for n, name in enumerate(HEADER))
    rows = "".join(_html_row(each, row) for each, row in zip(attainments, report_rows(attainments), strict=True))
    body = f"{_chart(attainments)}<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    if not attainments:
        body = "<p>No promise was watched in this month.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )


def _chart(attainments: Sequence[Attainment]) -> str:
    if not attainments:
        return ""
    days = max(len(each.days) for each in attainments)
    width, height = _NAMES + days * _CELL + 80, _TOP + len(attainments) * _ROW
    parts = [f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{_CHART}">']
    parts += [
        f'<text x="{_NAMES + n * _CELL + _CELL / 2:g}" y="14" text-anchor="middle">{n + 1}</text>'
        for n in range(0, days, 5)
    ]
    for line, each in enumerate(attainments):
        top = _TOP + line * _ROW
        name = f"{each.tenant} / {each.pipeline}"
        shown = name if len(name) <= 40 else name[:39] + "…"  # noqa: PLR2004  what fits beside the strip
        parts.append(f'<text x="{_NAMES - 8}" y="{top + 13}" text-anchor="end">{escape(shown)}</text>')
        parts += [_cell(n, day, top) for n, day in enumerate(each.days)]
        kept = _percent(each.kept_share)
        parts.append(f'<text x="{_NAMES + days * _CELL + 8}" y="{top + 13}">{kept}</text>')
    return "".join(parts) + "</svg>"


def _cell(number: int, day: Day, top: int) -> str:
    if not day.watched_hours:
        kind, says = "none", "not watched"
    elif not day.broken_hours:
        kind, says = "kept", "kept"
    else:
        kind, says = ("some" if day.broken_share < 0.25 else "much"), f"broken for {day.broken_hours:.1f} h"  # noqa: PLR2004
    box = f'x="{_NAMES + number * _CELL}" y="{top}" width="{_CELL - 2}" height="{_ROW - 4}" rx="2"'
    return f'<rect class="{kind}" {box}><title>{day.day}: {says}</title></rect>'


def _html_row(attainment: Attainment, row: tuple[str, ...]) -> str:
    left = attainment.budget_left
    bad = {4} if left is not None and left < 0 else set()
    cells = (f'<td class="{_align(n)}{" bad" if n in bad else ""}">{escape(text)}</td>' for n, text in enumerate(row))
    return f"<tr>{''.join(cells)}</tr>"


def _align(column: int) -> str:
    return "n" if column in (3, 4, 5, 6) else ""


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"
