"""Real runs of Dagster at a quota: what is told, and how the next day continues without help."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

import etl.factories.quota_sensor
from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.errors import EtlError
from etl.factories.quota_sensor import Continued, location_quota_sensors
from etl.lake.lake import ObjectRef, open_lake
from etl.quotas.usage_state import read_state
from etl.running.quota_watch import continuations, quota_troubles
from etl.settings import load_settings
from tests.quotas.conftest import NOON, write_quotas
from tests.tiny_project import DAYS, TinyProject

Clock = Callable[[datetime], None]
RANGE = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(
    project: TinyProject, instance: dg.DagsterInstance, tags: dict[str, str], keys: Sequence[dg.AssetKey] | None = None
) -> dg.ExecuteInProcessResult:
    config = load_tenant("acme", load_settings(project.environ))
    job = definitions_of(config).resolve_job_def("acme_all")
    return job.execute_in_process(
        instance=instance, tags={"tenant": "acme", **tags}, asset_selection=keys, raise_on_error=False
    )


def materialized(instance: dg.DagsterInstance, stage: str) -> list[str | None]:
    records = instance.fetch_materializations(dg.AssetKey(["acme", stage, "orders"]), limit=100).records
    return sorted(str(each.partition_key) for each in records)


def test_a_back_fill_that_is_refused_goes_on_day_by_day_until_it_is_done(
    project: TinyProject, instance: dg.DagsterInstance, set_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_quotas(project, "timezone: UTC\ndefaults: {rows_per_day: 50}")  # of three days with 20 rows each
    settings = load_settings(project.environ)
    config = load_tenant("acme", settings)
    first = run(project, instance, RANGE)
    assert not first.success
    (failure,) = [each for each in first.all_events if each.is_step_failure]
    assert failure.step_failure_data.error is not None
    text = failure.step_failure_data.error.to_string()
    assert "20 rows more would make 60 rows (120%) of the 50 rows a day" in text
    assert materialized(instance, "extract") == [DAYS[0], DAYS[1]], "what was published stays, and is known"
    assert materialized(instance, "load") == []

    now = NOON
    assert continuations(config, settings, instance, now) == [], "there is no room before the next day"
    details = [each.detail for each in quota_troubles(config, settings, now)]
    assert any("1 object(s) wait for room" in each for each in details)

    runs = [first]
    for day in (1, 2):
        then = NOON + timedelta(days=day)
        set_clock(then)
        monkeypatch.setattr(etl.factories.quota_sensor, "datetime", FixedClock(then))
        (sensor,) = [each for each in definitions_of(config).sensors or () if each.name == "acme_quota_sensor"]
        asked = sensor.evaluate_tick(dg.build_sensor_context(instance)).run_requests or ()
        (request,) = [each for each in asked if each.run_key not in {each.run_id for each in runs[:-1]}]
        assert request.run_key == runs[-1].run_id
        assert {name: request.tags[name] for name in RANGE} == RANGE
        runs.append(run(project, instance, dict(request.tags), request.asset_selection))
    assert [each.success for each in runs] == [False, False, True], "60 rows are two days in each stage"
    assert materialized(instance, "load") == list(DAYS)
    lake = open_lake(settings)

    def makers(stage: str) -> list[int]:
        refs = [ObjectRef(tenant="acme", stage=stage, pipeline="orders", partition=day) for day in DAYS]
        found = [lake.find(each) for each in refs]
        return [[run.run_id for run in runs].index(each.provenance.run_id) for each in found if each]

    assert makers("extract") == [0, 0, 1], "what was published is not made again"
    assert makers("transfer") == [1, 1, 2]
    state = read_state("acme", lake)
    assert state is not None
    assert not state.refused
    assert continuations(config, settings, instance, NOON + timedelta(days=2)) == []
    lake.close()


def test_a_mistake_in_the_entry_of_one_tenant_keeps_no_run_of_another_waiting(
    project: TinyProject, instance: dg.DagsterInstance, set_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_quotas(project, "defaults: {rows_per_day: 50}")
    project.write_tenant(tenant="globex")
    settings = load_settings(project.environ)
    configs = [load_tenant(each, settings) for each in ("globex", "acme")]
    refused = run(project, instance, RANGE)
    assert not refused.success
    jobs = [[definitions_of(each).resolve_job_def(f"{each.id}_all")] for each in configs]
    write_quotas(project, "defaults: {rows_per_day: 500}\ntenants:\n  globex: {rows: 1}\n")
    tenants = [Continued(config, own) for config, own in zip(configs, jobs, strict=True)]
    (sensor,) = location_quota_sensors(tenants, settings)
    told: list[str] = []
    context = dg.build_sensor_context(instance)
    monkeypatch.setattr(context.log, "error", told.append)
    monkeypatch.setattr(etl.factories.quota_sensor, "datetime", FixedClock(NOON))
    asked = sensor.evaluate_tick(context).run_requests or ()
    assert [each.run_key for each in asked] == [refused.run_id]
    assert "unknown key `rows`" in "\n".join(told), "it is an error all the same"
    (sensor,) = location_quota_sensors(tenants[:1], settings)
    with pytest.raises(EtlError, match=r"quotas\.yaml:3:12"):
        sensor.evaluate_tick(context)


def test_there_is_no_sensor_without_a_file_of_quotas(project: TinyProject) -> None:
    config = load_tenant("acme", load_settings(project.environ))
    assert [each.name for each in definitions_of(config).sensors or () if "quota" in each.name] == []


class FixedClock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self, _: object = UTC) -> datetime:
        return self.at
