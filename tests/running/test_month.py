"""A simulated month on a real instance: 3 tenants, 60 pipelines, every kind of trouble, three zones, two clock changes.

The states of every hour equal those of the slow oracle, and every incident has one message and one recovery.
"""

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from string import ascii_lowercase
from tempfile import TemporaryDirectory

import pytest
from dagster import AssetCheckKey, AssetKey, DagsterInstance

from etl.promises.freshness import State
from etl.running.sla_watch import SlaWatch
from tests.notify.servers import web_server
from tests.promises.oracle import Calendar, Oracle, utc
from tests.running.promised_world import World, make_config, make_instance, make_settings, publish

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
BEGIN, END = utc(2026, 3, 1), utc(2026, 4, 1)
RUN = 40 * MINUTE
ZONES = {"first": "Europe/Berlin", "second": "America/New_York", "third": "Asia/Seoul"}  # the first two change clocks
LIMIT = 2
CHECKED = "abcdefgh"  # the pipelines with checks and rows that are promised: each event costs the test time
CHECKS, ROWS = 4, 50
RATE = 1 / CHECKS  # exactly so much is kept


@dataclass(order=True)
class Happening:
    """A run to come."""

    end: datetime
    pipeline: str = field(compare=False)
    partition: date = field(compare=False)
    fails: bool = field(compare=False)
    failed_checks: int = field(default=0, compare=False)
    rows: int = field(default=100, compare=False)


@dataclass
class Expected:
    """What must be said about one pipeline, remembered as it goes along."""

    oracle: Oracle
    name: str
    past: list[Happening] = field(default_factory=list)
    newest: date | None = None
    streak: int = 0
    streak_before: int = 0
    failed: bool = False
    measured: bool = False
    checked: bool = False
    rates_kept: list[bool] = field(default_factory=list)
    rows_kept: list[bool] = field(default_factory=list)
    open: list[set[str]] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)

    def note(self, happening: Happening) -> None:
        self.failed = happening.fails
        if self.newest is not None and happening.partition < self.newest:
            return
        self.newest = happening.partition
        self.measured = self.measured or not happening.fails
        if not happening.fails:
            self.rates_kept.append(happening.failed_checks <= 1)
            self.rows_kept.append(happening.rows >= ROWS)
        self.streak_before = self.streak
        self.streak = self.streak + 1 if happening.fails else 0

    def states(self, now: datetime) -> dict[str, str]:
        self.oracle.typical = RUN if self.measured else timedelta()
        self.oracle.advance(now)
        streak = "broken" if self.streak >= LIMIT else "on_track" if self.newest else "unmeasured"
        if self.streak == 0 and self.streak_before >= LIMIT:
            streak = "recovered"
        measured = {"failure_rate": last_of(self.rates_kept), "min_row_count": last_of(self.rows_kept)}
        return {
            "deadline": self.oracle.deadline_state(now)[0],
            "max_age": self.oracle.age_state(now),
            **(measured if self.checked else {}),
            "consecutive_failures": streak,
        }

    def hear(self, states: dict[str, str]) -> None:
        causes = set()
        if "broken" in (states["deadline"], states["max_age"]):
            causes.add("freshness")
        causes |= {each for each in states if each not in ("deadline", "max_age") and states[each] == "broken"}
        incidents = [("failure", causes | {"failure"})] if self.failed else [(each, {each}) for each in sorted(causes)]
        troubles = {each for _, covers in incidents for each in covers}
        for cause, covers in incidents:
            lasting = next((each for each in self.open if cause in each), None)
            if lasting is None:
                self.open.append(set(covers))
                self.said["broken"] += 1
            else:
                lasting |= covers
        over = [each for each in self.open if not each & troubles]
        self.open = [each for each in self.open if each & troubles]
        self.said["recovered"] += len(over)


def last_of(kept: list[bool]) -> str:
    """How a promise about single runs stands, from whether each run kept it."""
    if not kept:
        return "unmeasured"
    if not kept[-1]:
        return "broken"
    return "recovered" if len(kept) > 1 and not kept[-2] else "on_track"


def trouble(
    dice: random.Random, day: date, complete: datetime, deadline: datetime
) -> list[tuple[datetime, date, bool]]:
    """When runs of one day's partition end, and whether they fail."""
    in_time = complete + (deadline - complete) * dice.uniform(0.1, 1)
    late = deadline + timedelta(minutes=dice.randint(1, 1800))
    early = complete - timedelta(minutes=dice.randint(1, 600))
    older = day - dice.randint(2, 6) * DAY
    good = [(in_time, day, False)]
    return dice.choice(
        [
            *[good] * 7,
            [(late, day, False)],
            [],
            [(in_time, day, True)],
            [(in_time, day, True), (late, day, False)],
            [(in_time, day, True), (in_time + HOUR, day, True), (late + HOUR, day, False)],
            [*good, (in_time + 3 * HOUR, day, False)],
            [(early, day, False), (late, day, False)],
            [*good, (in_time + 2 * HOUR, older, False)],
            [(in_time, older, False)],
            [(deadline, day, False)],
        ]
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is such a place: thousands of runs are written."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        yield Path(name)


@dataclass
class Tenant:
    watch: SlaWatch
    world: World
    expected: dict[str, Expected]
    coming: list[Happening]


def make_tenant(folder: Path, instance: DagsterInstance, tenant: str, zone: str) -> Tenant:
    dice = random.Random(tenant)
    clocks = Calendar(zone, BEGIN - 2 * DAY, END + 6 * DAY)
    begins = clocks.begins()
    pipelines, expected, coming = {}, {}, []
    for letter in ascii_lowercase[:20]:
        name = f"pipeline_{letter}"
        hour, minute = dice.choice([(2, 30), (0, 0), (9, 0), (23, 45), (3, 0), (2, 0)])
        business_days = dice.random() < 0.3
        deadlines = clocks.deadlines(hour * 60 + minute, lambda day, b=business_days: not b or day.weekday() < 5)
        hours = dice.choice([20, 26, 30, 49])
        start = BEGIN.date() + dice.randint(0, 3) * DAY
        days = [start + n * DAY for n in range((END.date() - start).days)]
        runs = []
        for day in days:
            due = next(at for at in deadlines if at >= begins[day + DAY])
            found = trouble(dice, day, begins[day + DAY], due)
            runs += [Happening(at, name, of, fails) for at, of, fails in found if of >= start]
        if letter in CHECKED:
            for run in runs:
                run.failed_checks, run.rows = dice.choice([0, 0, 0, 1, 1, 2]), dice.choice([100, 100, ROWS, ROWS - 1])
        coming += runs
        complete = [each for each in sorted(runs) if each.end >= begins[each.partition + DAY]]
        good = [(each.end, each.partition) for each in complete if not each.fails]  # an earlier one measures nothing
        oracle = Oracle(deadlines, begins, start, None, good, timedelta(), timedelta(hours=hours))
        expected[name] = Expected(oracle, name, checked=letter in CHECKED)
        freshness = {"deadline": f"{minute} {hour} * * *", "max_age_hours": hours, "business_days": business_days}
        measured = {"max_failure_rate": RATE, "min_row_count": ROWS} if letter in CHECKED else {}
        pipelines[name] = {
            "date_column": "day",
            "partitions": {"start": start, "timezone": zone},
            "sla": {"freshness": freshness, "max_consecutive_failures": LIMIT, **measured},
        }
    config = make_config(
        tenant, pipelines, notifications=[{"type": "webhook", "url": f"${{{tenant.upper()}_HOOK_URL}}"}]
    )
    watch = SlaWatch(config, make_settings(folder), budget=60)
    return Tenant(watch, World(instance, tenant), expected, sorted(coming))


@pytest.mark.timeout(1200)
def test_a_month_is_judged_as_the_oracle_judges_it_and_told_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = DagsterInstance.ephemeral()  # SQL storages like any other, without thousands of writes to a disk
    tenants = {tenant: make_tenant(folder, instance, tenant, zone) for tenant, zone in ZONES.items()}
    seen: Counter[str] = Counter()
    with web_server() as web:
        for each in ZONES:
            monkeypatch.setenv(f"{each.upper()}_HOOK_URL", web.url)
        now, cursors = BEGIN, dict.fromkeys(ZONES, "")
        while now < END:
            for name, tenant in tenants.items():
                while tenant.coming and tenant.coming[0].end <= now:
                    happen(tenant, tenant.coming.pop(0))
                tick = tenant.watch.tick(instance, now, cursors[name])
                assert tick.problems == ()
                cursors[name] = now.isoformat()
                for check in tick.checks:
                    instance.report_runless_asset_event(check)
                for pipeline, expected in tenant.expected.items():
                    states = expected.states(now)
                    found = {each.promise: each.state.value for each in tick.verdicts[pipeline]}
                    assert (now, name, pipeline, found) == (now, name, pipeline, states), tick.verdicts[pipeline]
                    seen.update(states.values())
                    expected.hear(states)
            now += HOUR
        messages = [json.loads(body) for _, _, body in web.requests]
    for name, tenant in tenants.items():
        for pipeline, expected in tenant.expected.items():
            told = [each for each in messages if each["tenant"] == name and each["pipelines"] == [pipeline]]
            assert Counter(each["transition"] for each in told) == expected.said, (name, pipeline)
            assert expected.said["broken"] - expected.said["recovered"] == len(expected.open)
        checks_stand_as_judged(instance, tenant, now - HOUR)
    assert set(seen) == {each.value for each in State}
    assert seen["broken"] > 1000
    assert len(messages) > 500


def happen(tenant: Tenant, happening: Happening) -> None:
    error = f"the source of {happening.pipeline} is away" if happening.fails else None
    expected = tenant.expected[happening.pipeline]
    checks = range(CHECKS) if expected.checked and not happening.fails else ()
    tenant.world.run(
        happening.pipeline,
        happening.end - RUN,
        happening.end,
        partition=happening.partition.isoformat(),
        error=error,
        rows=happening.rows,
        checks=[(f"check_{number}", number >= happening.failed_checks) for number in checks],
    )
    day, lake = happening.partition.isoformat(), tenant.watch.settings.lake_dir
    if not happening.fails and not (lake / tenant.world.tenant / "extract" / happening.pipeline / f"dt={day}").exists():
        publish(tenant.watch.settings, tenant.world.tenant, happening.pipeline, day)
    expected.note(happening)


def checks_stand_as_judged(instance: DagsterInstance, tenant: Tenant, now: datetime) -> None:
    name = tenant.world.tenant
    keys = {each: AssetCheckKey(AssetKey([name, "extract", each]), "sla") for each in tenant.expected}
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys.values()))
    for pipeline, expected in tenant.expected.items():
        evaluation = records[keys[pipeline]].evaluation
        bad = {"broken", "at_risk"} & set(expected.states(now).values())
        assert evaluation is not None
        assert evaluation.passed == (not bad), pipeline


def test_the_excerpt_of_the_log_can_be_lost(tmp_path: Path) -> None:
    instance = make_instance(tmp_path / "dagster")
    tenant = make_tenant(tmp_path, instance, "third", "Asia/Seoul")
    now = BEGIN + 8 * DAY
    while tenant.coming and tenant.coming[0].end <= now:
        if tenant.coming[0].pipeline in ("pipeline_a", "pipeline_b"):
            happen(tenant, tenant.coming[0])
        tenant.coming.pop(0)
    first, _ = tenant.watch.judge_now(instance, now)
    with closing(sqlite3.connect(tmp_path / "data" / "sla" / "third.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone()[0] > 10
    for each in (tmp_path / "data" / "sla").iterdir():
        each.unlink()
    again = SlaWatch(tenant.watch.config, tenant.watch.settings)
    second, _ = again.judge_now(instance, now)
    for pipeline in ("pipeline_a", "pipeline_b"):
        assert [each.state for each in first[pipeline]] == [each.state for each in second[pipeline]]
