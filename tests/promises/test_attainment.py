"""States over time, and what a month of them amounts to."""

import json
import threading
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from etl.errors import EtlError
from etl.promises.attainment import attain, month_bounds
from etl.promises.freshness import State
from etl.promises.judge import PromiseVerdict
from etl.promises.report import HEADER, report_html, report_json, report_rows
from etl.promises.state_log import GAP, StateInterval, StateLog
from etl.sla.config import AlertLevel

HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
MARCH = date(2026, 3, 1)


def interval(state: State, begin: float, end: float, pipeline: str = "a", promise: str = "deadline") -> StateInterval:
    """Hours since the begin of March."""
    return StateInterval("t", pipeline, promise, state, BEGIN + begin * HOUR, BEGIN + end * HOUR)


def verdict(state: State, since: datetime | None = None, pipeline: str = "a") -> PromiseVerdict:
    return PromiseVerdict("t", pipeline, "deadline", state, "", AlertLevel.ERROR, since)


def test_the_share_kept_is_a_share_of_the_watched_time() -> None:
    (found,) = attain([interval(State.ON_TRACK, 0, 90), interval(State.BROKEN, 90, 100)], MARCH)
    assert (found.watched_hours, found.broken_hours, found.kept_share, found.breaches) == (100, 10, 0.9, 1)
    assert found.budget_left == pytest.approx(1 - 10 / (100 * 0.01))
    assert [(each.day.day, each.broken_hours) for each in found.worst_days] == [(4, 6.0), (5, 4.0)]


def test_at_risk_and_recovered_are_kept() -> None:
    (found,) = attain([interval(State.AT_RISK, 0, 1), interval(State.RECOVERED, 1, 2)], MARCH)
    assert (found.kept_share, found.budget_left, found.worst_days) == (1.0, 1.0, ())


def test_only_the_part_inside_the_month_counts() -> None:
    around = [interval(State.BROKEN, -50, 10), interval(State.ON_TRACK, 10, 9999), interval(State.BROKEN, -9, -1, "b")]
    (found,) = attain(around, MARCH)
    assert (found.broken_hours, found.watched_hours, found.breaches) == (10, 31 * 24, 0)


def test_days_and_months_follow_the_clocks_of_the_zone() -> None:
    begin, end = month_bounds(MARCH, "Europe/Berlin")
    assert (end - begin) / HOUR == 31 * 24 - 1
    (found,) = attain([interval(State.BROKEN, -48, 9999)], MARCH, timezone="Europe/Berlin")
    assert [each.watched_hours for each in found.days if each.watched_hours != 24] == [23]
    assert len(found.days) == 31
    assert len(attain([interval(State.ON_TRACK, 9999, 10999)], date(2027, 2, 14))) == 0


def test_promises_and_pipelines_are_added_and_kept_apart() -> None:
    every = [
        interval(State.BROKEN, 0, 10),
        interval(State.ON_TRACK, 0, 10, promise="max_age"),
        interval(State.ON_TRACK, 0, 10, "b"),
    ]
    assert [(each.pipeline, each.kept_share) for each in attain(every, MARCH)] == [("a", 0.5), ("b", 1.0)]


@pytest.mark.parametrize("objective", [0, 1, 99])
def test_an_objective_without_a_budget_is_refused(objective: float) -> None:
    with pytest.raises(EtlError, match="between 0 and 1"):
        attain([], MARCH, objective=objective)


@pytest.fixture
def log(tmp_path: Path) -> StateLog:
    return StateLog(tmp_path / "data" / "sla.sqlite")


def seen(log: StateLog) -> list[tuple[str, float, float]]:
    found = log.intervals(BEGIN - 999 * HOUR, BEGIN + 999 * HOUR)
    return [(each.state.value, (each.begin - BEGIN) / HOUR, (each.end - BEGIN) / HOUR) for each in found]


def test_looks_become_intervals(log: StateLog) -> None:
    for minute in range(0, 61, 20):
        log.record([verdict(State.ON_TRACK)], BEGIN + timedelta(minutes=minute))
    log.record([verdict(State.BROKEN, BEGIN + 1.25 * HOUR)], BEGIN + 1.5 * HOUR)
    log.record([verdict(State.RECOVERED, BEGIN + 1.75 * HOUR)], BEGIN + 2 * HOUR)
    log.record([verdict(State.ON_TRACK)], BEGIN + 2.5 * HOUR)
    assert seen(log) == [
        ("on_track", 0, 1.25),
        ("broken", 1.25, 1.75),
        ("recovered", 1.75, 2.5),
        ("on_track", 2.5, 2.5),
    ]


def test_time_that_nobody_watched_counts_for_nothing(log: StateLog) -> None:
    log.record([verdict(State.ON_TRACK)], BEGIN)
    log.record([verdict(State.ON_TRACK)], BEGIN + GAP)
    log.record([verdict(State.ON_TRACK)], BEGIN + 10 * HOUR)
    log.record([verdict(State.ON_TRACK)], BEGIN + 11 * HOUR)
    assert seen(log) == [("on_track", 0, 1), ("on_track", 10, 11)]


def test_a_breach_during_an_outage_of_the_watch_is_dated_back(log: StateLog) -> None:
    log.record([verdict(State.ON_TRACK)], BEGIN)
    log.record([verdict(State.BROKEN, BEGIN + 4 * HOUR)], BEGIN + 10 * HOUR)
    log.record([verdict(State.BROKEN, BEGIN + 4 * HOUR)], BEGIN + 20 * HOUR)
    assert seen(log)[-1] == ("broken", 4, 20)


def test_a_look_that_comes_late_changes_nothing(log: StateLog) -> None:
    log.record([verdict(State.ON_TRACK)], BEGIN)
    log.record([verdict(State.ON_TRACK)], BEGIN + HOUR)
    log.record([verdict(State.BROKEN, BEGIN)], BEGIN + HOUR / 2)
    assert seen(log) == [("on_track", 0, 1)]


def test_looks_of_several_threads_keep_one_line_of_time(log: StateLog) -> None:
    def work() -> None:
        for minute in range(60):
            log.record([verdict(State.ON_TRACK, pipeline=f"p{n}") for n in range(3)], BEGIN + timedelta(minutes=minute))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.intervals(BEGIN, BEGIN + 2 * HOUR, "t")) == 3
    assert log.intervals(BEGIN, BEGIN + 2 * HOUR, "another") == ()


EVIL = 'x"><script>alert(1)</script>'


def test_rows_and_json_say_the_same() -> None:
    found = attain([interval(State.ON_TRACK, 0, 90), interval(State.BROKEN, 90, 100)], MARCH)
    (row,) = report_rows(found)
    expected = ("t", "a", "2026-03", "90.00%", "-900.00%", "1", "10.0", "03-04 (6.0 h), 03-05 (4.0 h)")
    assert row == expected
    assert len(row) == len(HEADER)
    (parsed,) = json.loads(report_json(found))
    assert (parsed["kept_share"], parsed["month"], parsed["worst_days"][0]["day"]) == (0.9, "2026-03", "2026-03-04")


def test_the_page_needs_nothing_from_anywhere_and_shows_every_day() -> None:
    found = attain([interval(State.BROKEN, 30, 40, EVIL), interval(State.ON_TRACK, 0, 700, "b")], MARCH)
    page = report_html(found, f"Promises {EVIL}")
    assert "<script" not in page
    assert "http" not in page
    assert 'src="' not in page
    svg = ET.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    assert len(svg.findall("rect")) == 62
    kinds = [each.get("class") for each in svg.findall("rect")]
    assert kinds[:31] == ["kept"] * 30 + ["none"]
    assert kinds[31:34] == ["none", "much", "none"]

    class Reader(HTMLParser):
        text = ""

        def handle_data(self, data: str) -> None:
            self.text += data

    reader = Reader()
    reader.feed(page)
    assert EVIL in reader.text


def test_a_month_without_promises_is_said_to_be_one() -> None:
    assert "No promise was watched" in report_html([], "March")
    assert report_rows([]) == []
    assert json.loads(report_json([])) == []
