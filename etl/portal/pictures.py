"""The pictures of a pipeline: its partitions as a calendar, rows as bars, promises by day, checks by run.

Belongs here: from the page's models to SVG. Not here: colours (the style sheet has them, by class), the lineage
(`lineage_picture`). A colour is never the only sign: a state has a mark of its own, and each picture a name in words.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from etl.partitions.keys import begin_of
from etl.plural import counted
from etl.portal.completeness import COUNTED
from etl.portal.drawing import picture, tag, title, words
from etl.portal.page import Completeness, KeptDay, Level, PartitionCell, PartState, RunCounts
from etl.portal.words import clock, month_name, number, partition, percent, short_day, short_moment

_DAY, _HOUR, _STEP = 16, 10, 3
_LEFT, _TOP = 34, 18
_BARS_HIGH = 96
_WEEK = 7
STATES: dict[PartState, str] = {
    "there": "there",
    "empty": "there, with 0 rows",
    "expected": "not there yet",
    "at work": "a run is at work",
    "late": "late",
    "missing": "missing",
    "damaged": "damaged",
    "failed": "the newest run failed",
    "outdated": "an older version is in the table",
    "not loaded": "published; not known to be loaded",
    "unknown": "not known",
}


def calendar(data: Completeness, pipeline: str) -> str:
    """Return the newest partitions as cells; an empty text where there is nothing to draw."""
    if not data.parts or data.kind in ("whole", "static"):
        return ""
    first, last = (partition(each.key, data.zone) for each in (data.parts[0], data.parts[-1]))
    told = ", ".join(f"{number} {STATES[state]}" for state, number in tally(data.parts).items())
    name = f"{pipeline}, {first} to {last}: {told}."
    match data.kind:
        case "day":
            return _days(data, name)
        case "hour":
            return _hours(data, name)
        case "week":
            return _rows(data, name, 26, lambda key: short_day(begin_of(key))[:6])
        case _:
            return _rows(data, name, 12, lambda key: key[:4])


def tally(parts: Sequence[PartitionCell]) -> dict[PartState, int]:
    """Return how many partitions have each state, in the order of `STATES`."""
    found = {state: sum(each.state == state for each in parts) for state in STATES}
    return {state: number for state, number in found.items() if number}


def part_words(part: PartitionCell, zone: str) -> str:
    """Return everything that is known of a partition, in words."""
    said = f"{partition(part.key, zone)}: {STATES[part.state]}"
    if part.rows is not None and part.state != "empty":
        said += f", {counted(part.rows, 'row')}"
    if part.rejected:
        said += f", {number(part.rejected)} rejected"
    return said + (f", published at {short_moment(part.published_at, zone)}" if part.published_at else "")


def cell(x: float, y: float, size: float, part: PartitionCell, zone: str) -> str:
    """Return the cell of one partition, with its mark."""
    state = part.state.replace(" ", "-")
    a, b, m = x + size * 0.28, x + size * 0.72, x + size / 2
    va, vb, vm, vc = y + size * 0.28, y + size * 0.74, y + size / 2, y + size * 0.54
    inside = [tag("rect", x=x + 0.5, y=y + 0.5, width=size - 1, height=size - 1, rx=2.5, class_=f"cell {state}")]
    if part.state in ("missing", "damaged"):
        path = f"M{a:g} {va:g}L{b:g} {vb:g}M{b:g} {va:g}L{a:g} {vb:g}"
    elif part.state in ("late", "failed"):
        path = f"M{m:g} {va - 0.5:g}V{vc:g}M{m:g} {vb:g}v.01"
    elif part.state == "outdated":
        path = f"M{a:g} {vm - 2:g}H{b:g}M{a:g} {vm + 2:g}H{b:g}"
    elif part.state == "at work":
        path = f"M{m:g} {vm:g}v.01"
    else:
        path = ""
    if path:
        inside.append(tag("path", d=path, class_=f"mark {state}"))
    if part.state in ("not loaded", "unknown"):
        inside.append(tag("text", "?", x=m, y=y + size * 0.76, class_="ask"))
    if part.rejected:
        corner = f"M{x + size - 1:g} {y + size * 0.45:g}V{y + size - 1:g}H{x + size * 0.45:g}Z"
        inside.append(tag("path", d=corner, class_="corner"))
    return tag("g", title(part_words(part, zone)), *inside)


def _days(data: Completeness, name: str) -> str:
    """Return a calendar: weeks from left to right, Monday at the top."""
    monday = _monday(begin_of(data.parts[0].key))
    step, cells, labels = _DAY + _STEP, list[str](), list[str]()
    months: dict[int, int] = {}
    for part in data.parts:
        day = begin_of(part.key)
        column, row = (day - monday).days // _WEEK, day.weekday()
        cells.append(cell(_LEFT + column * step, _TOP + row * step, _DAY, part, data.zone))
        if day.day <= _WEEK or column == 0:
            months.setdefault(day.year * 12 + day.month, column)
    taken = -3
    for month, at in months.items():
        if at - taken >= 2:  # noqa: PLR2004  narrower labels would touch
            day = date((month - 1) // 12, (month - 1) % 12 + 1, 1)
            labels.append(tag("text", words(month_name(day)), x=_LEFT + at * step, y=11, class_="label"))
            taken = at
    for row, weekday in ((0, "Mon"), (2, "Wed"), (4, "Fri"), (6, "Sun")):
        labels.append(tag("text", weekday, x=_LEFT - 7, y=_TOP + row * step + 12, class_="label end"))
    columns = (begin_of(data.parts[-1].key) - monday).days // _WEEK + 1
    return picture(_LEFT + columns * step, _TOP + _WEEK * step, name, *labels, *cells, of="calendar")


def _hours(data: Completeness, name: str) -> str:
    """Return one line for each day, with its hours in the zone of the partitions."""
    step, left = _HOUR + 2, 46
    zone, cells, labels = ZoneInfo(data.zone), list[str](), list[str]()
    begins = [each for each in (begin_of(part.key) for part in data.parts) if isinstance(each, datetime)]
    days = sorted({each.astimezone(zone).date() for each in begins})
    seen: dict[tuple[int, int], int] = {}
    for part, at in zip(data.parts, begins, strict=True):
        local = at.astimezone(zone)
        row = days.index(local.date())
        column = local.hour
        seen[row, column] = seen.get((row, column), 0) + 1
        if seen[row, column] > 1:  # the clock shows this hour twice: the second one has the place after the last hour
            column = 24
        cells.append(cell(left + column * step, _TOP + row * (step + 4), _HOUR, part, data.zone))
    for row, day in enumerate(days):
        label = f"{day.day} {month_name(day)}"
        labels.append(tag("text", words(label), x=left - 6, y=_TOP + row * (step + 4) + 9, class_="label end"))
    for hour in (0, 6, 12, 18):
        labels.append(tag("text", f"{hour:02}", x=left + hour * step, y=11, class_="label"))
    return picture(left + 25 * step, _TOP + len(days) * (step + 4), name, *labels, *cells, of="calendar")


def _rows(data: Completeness, name: str, columns: int, label_of: Callable[[str], str]) -> str:
    """Return lines of so many partitions, each with a label for its first one; the lines of months are years."""
    step, left = _HOUR + 2, 46
    is_month = data.kind == "month"
    step = 24 if is_month else step
    offset = begin_of(data.parts[0].key).month - 1 if is_month else 0
    cells, labels = list[str](), list[str]()
    for position, part in enumerate(data.parts):
        row, column = divmod(position + offset, columns)
        size = step - _STEP if is_month else _HOUR
        y = _TOP + row * (step + 4)
        cells.append(cell(left + column * step, y, size, part, data.zone))
        if column == 0 or position == 0:
            labels.append(tag("text", words(label_of(part.key)), x=left - 6, y=y + size * 0.75, class_="label end"))
    if is_month:
        labels += [
            tag("text", month_name(date(2000, month + 1, 1))[:1], x=left + month * step + 7, y=11, class_="label")
            for month in range(12)
        ]
    lines = -(-(len(data.parts) + offset) // columns)
    return picture(left + columns * step, _TOP + lines * (step + 4), name, *labels, *cells, of="calendar")


def bars(data: Completeness, pipeline: str) -> str:
    """Return the rows of the newest partitions as bars; an empty text if no number is known."""
    parts = data.parts[-COUNTED:]
    known = [each.rows for each in parts if each.rows is not None]
    if len(parts) < 2 or not known or data.kind in ("whole", "static"):  # noqa: PLR2004  one bar compares nothing
        return ""
    most = max(*known, *(0,)) or 1
    left, top, step = 8, 20, 11
    width = left + len(parts) * step + 4
    word = data.kind
    name = (
        f"{pipeline}, rows of the newest {counted(len(parts), word)}:"
        f" from {number(min(known))} to {number(max(known))};"
        f" {counted(len(parts) - len(known), word)} without a number."
    )
    drawn = [
        tag("path", d=f"M{left} {top}H{width - 4}M{left} {top + _BARS_HIGH / 2:g}H{width - 4}", class_="grid"),
        tag("text", words(f"{number(most)} rows"), x=left, y=12, class_="label"),
    ]
    base = top + _BARS_HIGH
    for position, part in enumerate(parts):
        x = left + position * step
        said = title(part_words(part, data.zone))
        if part.rows is None:
            sign = tag("rect", x=x, y=base - 4, width=step - 3, height=4, class_=f"gone {part.state.replace(' ', '-')}")
        else:
            high = max(1.5, part.rows / most * _BARS_HIGH)
            bad = min(high, part.rejected / most * _BARS_HIGH) if part.rejected else 0
            sign = tag("rect", x=x, y=base - high, width=step - 3, height=high, rx=1.5, class_="bar")
            if bad:
                sign += tag(
                    "rect", x=x, y=base - high - max(2, bad), width=step - 3, height=max(2, bad), class_="bar-rejected"
                )
        drawn.append(tag("g", said, sign))
    drawn.append(tag("path", d=f"M{left} {base}H{width - 4}", class_="axis"))
    ends = ((parts[0], left, "label"), (parts[-1], width - 4, "label end"))
    drawn += [tag("text", words(_short(part.key, data.zone)), x=x, y=base + 14, class_=of) for part, x, of in ends]
    return picture(width, base + 18, name, *drawn, of="bars")


def _short(key: str, zone: str) -> str:
    begin = begin_of(key)
    if isinstance(begin, datetime):
        return f"{begin.astimezone(ZoneInfo(zone)).day} {month_name(begin)} {clock(begin, zone)}"
    return f"{begin.day} {month_name(begin)}"


def strip(history: Sequence[KeptDay], name: str) -> str:
    """Return the days of a promise as cells: kept, partly broken, broken, not watched."""
    step, high = 8, 22
    watched = [each for each in history if each.watched]
    broken = [each for each in watched if each.broken]
    said = (
        f"{name}, the last {counted(len(history), 'day')}: kept on {len(watched) - len(broken)},"
        f" broken at some time on {len(broken)}, not watched on {len(history) - len(watched)}."
    )
    cells = [_kept(number * step, high, each) for number, each in enumerate(history)]
    return picture(len(history) * step, high, said, *cells, of="strip")


def _kept(x: float, high: float, day: KeptDay) -> str:
    when = short_day(date.fromisoformat(day.day))
    if not day.watched:
        said, sign = "not watched", tag("rect", x=x, y=high / 2 - 1, width=6, height=2, class_="unwatched")
    elif not day.broken:
        said, sign = "kept", tag("rect", x=x, y=0, width=6, height=high, rx=1.5, class_="kept")
    else:
        share = min(1.0, day.broken / day.watched)
        said = f"broken for {day.broken:.1f} h" if day.broken >= 0.1 else "broken for some minutes"  # noqa: PLR2004
        tall = max(4.0, share * high)
        sign = tag("rect", x=x, y=0, width=6, height=high, rx=1.5, class_="kept")
        sign += tag("rect", x=x, y=high - tall, width=6, height=tall, rx=1.5, class_="broken")
    return tag("g", title(f"{when}: {said}"), sign)


def run_strip(runs: Sequence[RunCounts], pipeline: str, zone: str) -> str:
    """Return the checks of the newest runs, each run a column; an empty text if there are too few."""
    shown = [each for each in runs if _checks(each)]
    if len(shown) < 3:  # noqa: PLR2004  one or two columns show no history
        return ""
    step, high = 14, 40
    bad = [each for each in shown if each.failed or each.errored or each.warned]
    said = f"{pipeline}, checks of the last {counted(len(shown), 'run')}: {len(bad)} with a check that did not pass."
    columns = [_run(number * step, high, each, zone) for number, each in enumerate(shown)]
    return picture(len(shown) * step, high, said, *columns, of="runs")


def _checks(run: RunCounts) -> int:
    return run.passed + run.failed + run.warned + run.errored


def _run(x: float, high: float, run: RunCounts, zone: str) -> str:
    counts = [("errored", run.errored), ("failed", run.failed), ("warned", run.warned), ("passed", run.passed)]
    told = ", ".join(f"{number} {name}" for name, number in counts if number)
    about = f" of {partition(run.partition, zone)}" if run.partition else ""
    drawn, y = list[str](), float(high)
    for name, amount in counts:
        tall = amount / _checks(run) * high
        if amount:
            tall = max(tall, 3.0)
            y -= tall
            drawn.append(tag("rect", x=x, y=max(y, 0.0), width=11, height=tall, rx=1.5, class_=f"ran {name}"))
    return tag("g", title(f"Run {run.run}{about}, {short_moment(run.ended, zone)}: {told}"), *drawn)


def meter(share: float, name: str, of: Level) -> str:
    """Return a share as a bar."""
    full = min(max(share, 0.0), 1.0) * 200
    return picture(
        200, 10, f"{name}: {percent(share)}",
        tag("rect", x=0, y=0, width=200, height=10, rx=5, class_="rail"),
        tag("rect", x=0, y=0, width=full, height=10, rx=5, class_=f"fill-{of}"),
        of="meter",
    )  # fmt: skip


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
