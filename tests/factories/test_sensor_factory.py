"""The sensor of a tenant: what it writes, whom it tells, and what it does when something is wrong with itself."""

import json
import logging
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckKey,
    AssetCheckSeverity,
    AssetKey,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    Definitions,
    RunsFilter,
    SensorResult,
    asset,
    build_sensor_context,
    define_asset_job,
    graph,
    job,
    op,
)
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from etl.config.tenant_config import TenantConfig
from etl.dbt.index import DbtAsset, DbtIndex
from etl.errors import EtlError
from etl.factories.sensor_factory import SensorFactory
from etl.promises.freshness import State
from etl.running import sla_watch
from etl.running.sla_watch import SlaWatch
from etl.running.subjects import Location
from etl.settings import S3Settings
from tests.notify.servers import mail_server, web_server
from tests.running.promised_world import World, make_config, make_instance, make_settings, publish

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAYS = {"date_column": "day", "partitions": {"start": "2026-01-01"}}
AT_NINE = {"freshness": {"deadline": "0 9 * * *"}}
SECRET = "s3cr3t-t0ken-nobody-may-see"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    made = make_instance(tmp_path / "dagster")
    yield made
    made.dispose()


def midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def evaluate(config: TenantConfig, folder: Path, instance: DagsterInstance, cursor: str | None = None) -> SensorResult:
    """A tick, as the daemon does it."""
    (sensor,) = SensorFactory(config, make_settings(folder)).create_all_sensors()
    with build_sensor_context(instance=instance, cursor=cursor) as context:
        result = sensor(context)
    assert isinstance(result, SensorResult)
    for each in result.asset_events:
        instance.report_runless_asset_event(each)
    return result


def promised(max_age: float = 30.0, **more: Any) -> dict[str, Any]:
    return {**DAYS, "sla": {"freshness": {"max_age_hours": max_age}}, **more}


def test_a_tenant_that_promises_something_has_one_sensor_that_runs_by_itself(tmp_path: Path) -> None:
    config = make_config("acme", {"orders": promised()})
    (sensor,) = SensorFactory(config, make_settings(tmp_path)).create_all_sensors()
    assert sensor.name == "acme_sla_sensor"
    assert sensor.default_status is DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 60
    assert list(sensor.targets) == []


def test_without_promises_and_without_anybody_to_tell_there_is_no_sensor(tmp_path: Path) -> None:
    quiet = make_config("acme", {"orders": {}})
    assert SensorFactory(quiet, make_settings(tmp_path)).create_all_sensors() == []
    told = make_config("acme", {"orders": {}}, notifications=[{"type": "log"}])
    assert len(SensorFactory(told, make_settings(tmp_path)).create_all_sensors()) == 1


def test_a_broken_promise_stands_as_a_failed_check_on_the_last_stage(tmp_path: Path, instance: DagsterInstance) -> None:
    config = make_config("acme", {"orders": promised(save_to_trino=True)})
    world = World(instance, "acme")
    published = midnight() - 3 * DAY + HOUR
    partition = (midnight() - 4 * DAY).date().isoformat()
    world.run("orders", published - HOUR, published, partition=partition, stages=("extract", "load"))

    result = evaluate(config, tmp_path, instance)

    (check,) = result.asset_events
    assert check.asset_key == AssetKey(["acme", "load", "orders"])
    assert (check.passed, check.severity) == (False, AssetCheckSeverity.ERROR)
    assert check.metadata["state"].value == "broken"
    assert check.metadata["promise"].value == "max_age"
    assert check.metadata["threshold"].value == 30.0
    assert check.metadata["unit"].value == "hours"
    assert check.metadata["actual"].value > 48
    assert check.metadata["partition"].value == (midnight() - DAY).date().isoformat()
    assert "| max_age | broken |" in check.metadata["promises"].value
    assert "since" in check.metadata
    key = AssetCheckKey(AssetKey(["acme", "load", "orders"]), "sla")
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert record.evaluation is not None
    assert not record.evaluation.passed


def test_what_will_be_late_is_a_warning(tmp_path: Path, instance: DagsterInstance) -> None:
    config = make_config("acme", {"orders": promised(27.0)})
    at = datetime.now(UTC) - 26.5 * HOUR
    partition = (at.date() - DAY).isoformat()
    World(instance, "acme").run("orders", at - HOUR, at, partition=partition)  # a run takes an hour
    (check,) = evaluate(config, tmp_path, instance).asset_events
    assert (check.passed, check.severity) == (False, AssetCheckSeverity.WARN)
    assert check.metadata["state"].value == "at_risk"


def test_a_run_that_is_at_work_and_will_end_in_time_is_no_warning(tmp_path: Path, instance: DagsterInstance) -> None:
    config = make_config("acme", {"orders": {**DAYS, "sla": AT_NINE}})
    world, watch = World(instance, "acme"), SlaWatch(config, make_settings(tmp_path))
    six = datetime(2026, 1, 3, 6, tzinfo=UTC)
    world.run("orders", six - HOUR, six, partition="2026-01-02")  # a run takes an hour
    publish(watch.settings, "acme", "orders", "2026-01-02")
    now = datetime(2026, 1, 4, 8, 30, tzinfo=UTC)
    World(instance, "other").begin("orders", now - HOUR / 2, partition="2026-01-03")
    world.begin("orders", now - HOUR / 2, partition="2026-01-01")
    (verdict,) = watch.tick(instance, now).verdicts["orders"]
    assert verdict.state is State.AT_RISK, "one that begins now ends at half past nine"
    world.begin("orders", now - HOUR / 2, partition="2026-01-03")
    (verdict,) = watch.tick(instance, now).verdicts["orders"]
    assert verdict.state is State.ON_TRACK, "it ends at nine"
    (verdict,) = watch.tick(instance, now + HOUR / 2).verdicts["orders"]
    assert verdict.state is State.BROKEN, "it did not"


def test_a_verdict_is_written_when_it_changes_and_once_a_day(tmp_path: Path, instance: DagsterInstance) -> None:
    config = make_config("acme", {"orders": promised(30.0)})
    watch = SlaWatch(config, make_settings(tmp_path))
    now = datetime(2026, 1, 2, 1, tzinfo=UTC)
    World(instance, "acme").run("orders", now - HOUR, now, partition="2026-01-01")
    publish(watch.settings, "acme", "orders", "2026-01-01")
    written, cursor = [], ""
    for hour in range(60):
        at = now + hour * HOUR
        tick = watch.tick(instance, at, cursor)
        cursor = at.isoformat()
        written += [(hour, check.metadata["state"].value) for check in tick.checks]
    # it may last thirty hours, and a run takes one; at hour 47 another day is due
    assert written == [(0, "on_track"), (24, "on_track"), (30, "at_risk"), (31, "broken"), (47, "broken")]


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more"])
def test_a_promise_about_data_that_is_damaged_or_gone_warns_until_the_data_is_back(
    tmp_path: Path, instance: DagsterInstance, content: bytes
) -> None:
    watch = SlaWatch(make_config("acme", {"orders": promised(30.0)}), make_settings(tmp_path))
    now = datetime(2026, 1, 2, 1, tzinfo=UTC)
    World(instance, "acme").run("orders", now - HOUR, now, partition="2026-01-01")
    said = []

    def damaged() -> None:
        (path,) = watch.settings.lake_dir.rglob("data.parquet")
        path.write_bytes(content)

    def published() -> None:
        shutil.rmtree(watch.settings.lake_dir, ignore_errors=True)
        publish(watch.settings, "acme", "orders", "2026-01-01")

    for state in (published, damaged, published, lambda: shutil.rmtree(watch.settings.lake_dir), published):
        state()
        now += HOUR
        (check,) = watch.tick(instance, now, (now - HOUR).isoformat()).checks
        watch.confirm_told()
        said.append((check.metadata["state"].value, check.passed, check.severity))
    error, warn = AssetCheckSeverity.ERROR, AssetCheckSeverity.WARN
    assert error not in [severity for *_, severity in said]
    on_track, unmeasured = ("on_track", True, warn), ("unmeasured", False, warn)
    assert said == [on_track, unmeasured, on_track, unmeasured, on_track]


def test_a_tick_asks_no_bucket_because_one_that_is_dead_would_keep_it_from_all_promises(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    config = make_config("acme", {"orders": {**promised(30.0), "save_to_s3": True}}, storage={"bucket": "lake"})
    settings = make_settings(tmp_path).model_copy(update={"s3": S3Settings(endpoint_url="http://127.0.0.1:1")})
    watch, now = SlaWatch(config, settings), datetime(2026, 1, 2, 1, tzinfo=UTC)
    World(instance, "acme").run("orders", now - HOUR, now, partition="2026-01-01")
    (verdict,) = watch.tick(instance, now).verdicts["orders"]
    assert verdict.state is State.ON_TRACK
    ((asked,),) = watch.judge_with_data(instance, now)[0].values()
    assert asked.state is State.UNMEASURED
    assert "the lake could not be read" in asked.message


def test_a_check_that_was_never_written_down_is_written_again(tmp_path: Path, instance: DagsterInstance) -> None:
    watch = SlaWatch(make_config("acme", {"orders": promised()}), make_settings(tmp_path))
    now = datetime(2026, 1, 2, 1, tzinfo=UTC)
    assert len(watch.tick(instance, now, None).checks) == 1
    assert len(watch.tick(instance, now + HOUR, None).checks) == 1, "the daemon died before it took the first one"
    assert watch.tick(instance, now + 2 * HOUR, (now + HOUR).isoformat()).checks == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
def test_webhook_slack_and_mail_are_told_once_and_no_secret_is_anywhere(
    tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with web_server() as web, web_server() as slack, mail_server(password=SECRET) as mail:
        monkeypatch.setenv("ACME_TOKEN", SECRET)
        monkeypatch.setenv("ACME_HOOK", f"{web.url}/{SECRET}")
        monkeypatch.setenv("ACME_SLACK", f"{slack.url}/services/{SECRET}")
        post = {
            "type": "email", "host": "127.0.0.1", "port": mail.port, "security": "none", "username": "etl",
            "password": "${ACME_TOKEN}", "sender": "etl@example.com", "to": ["team@example.com"],
        }  # fmt: skip
        targets = [
            {"type": "webhook", "url": "${ACME_HOOK}", "headers": {"Authorization": "Bearer ${ACME_TOKEN}"}},
            {"type": "slack", "url": "${ACME_SLACK}"},
            post,
        ]
        config = make_config("acme", {"orders": {}}, notifications=targets)
        world, now = World(instance, "acme"), datetime.now(UTC)
        world.run("orders", now - HOUR, now - HOUR, error=f"cannot log in to {web.url} with password={SECRET}")
        cursor = None
        for _ in range(3):
            result = evaluate(config, tmp_path, instance, cursor)
            cursor = result.cursor
        world.run("orders", now, now)
        evaluate(config, tmp_path, instance, cursor)
        bodies = [json.loads(body) for _, _, body in web.requests]
        assert [each["transition"] for each in bodies] == ["broken", "recovered"]
        assert web.requests[0][1]["Authorization"] == f"Bearer {SECRET}"
        assert len(slack.requests) == 2
        assert len(mail.envelopes) == 2
    said = "".join([*(body.decode() for _, _, body in [*web.requests, *slack.requests]), *map(str, mail.envelopes)])
    stored = b"".join(each.read_bytes() for each in (tmp_path / "data").rglob("*") if each.is_file())
    assert "cannot log in" in said
    assert SECRET not in said
    assert SECRET not in caplog.text
    assert SECRET.encode() not in stored
    assert SECRET not in str(result)


def test_a_target_that_is_down_makes_the_tick_an_error_and_is_told_with_the_next_one(
    tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web_server() as web:
        monkeypatch.setenv("ACME_HOOK", f"{web.url}/{SECRET}")
        hook = {"type": "webhook", "url": "${ACME_HOOK}"}
        config = make_config("acme", {"orders": promised(save_to_trino=False)}, notifications=[hook])
        now = datetime.now(UTC)
        World(instance, "acme").run("orders", now - HOUR, now, partition="2026-01-01", error="no route to host")
        web.answers = [503]
        with pytest.raises(EtlError, match="the server answered 503") as caught:
            evaluate(config, tmp_path, instance)
        assert SECRET not in str(caught.value)
        key = AssetCheckKey(AssetKey(["acme", "extract", "orders"]), "sla")
        assert key in instance.event_log_storage.get_latest_asset_check_execution_by_key([key])
        result = evaluate(config, tmp_path, instance)
        assert result.asset_events == [], "it was written although the tick failed"
        assert [json.loads(body)["transition"] for _, _, body in web.requests] == ["broken", "broken"]
        evaluate(config, tmp_path, instance, result.cursor)
        assert len(web.requests) == 2


def test_two_thousand_failures_are_one_message_per_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = DagsterInstance.ephemeral()
    names = [f"pipeline_{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(100)]
    with web_server() as web:
        monkeypatch.setenv("ACME_HOOK", web.url)
        hook = {"type": "webhook", "url": "${ACME_HOOK}"}
        config = make_config("acme", {name: {} for name in names}, notifications=[hook])
        watch = SlaWatch(config, make_settings(tmp_path), budget=60)
        world, now = World(instance, "acme"), datetime(2026, 1, 2, 12, tzinfo=UTC)
        watch.tick(instance, now)
        causes = ["connection 4{n} to 10.0.0.{n} refused", "disk is full: {n} bytes left", "relation lot_{n} is gone"]
        with world.in_bulk():
            for number in range(2000):
                at = now + timedelta(seconds=number % 60)
                text = causes[number % 3].format(n=number)
                world.run(names[number % 100], at, at, error=text)
        assert instance.get_runs_count(RunsFilter(statuses=[DagsterRunStatus.FAILURE])) == 2000
        tick = watch.tick(instance, now + timedelta(minutes=2))
        assert tick.problems == ()
        for name in names[:50]:  # half of them go well again: nothing is over
            world.run(name, now + timedelta(minutes=3), now + timedelta(minutes=3))
        watch.tick(instance, now + timedelta(minutes=4))
        assert len(web.requests) == 3
        for name in names[50:]:
            world.run(name, now + timedelta(minutes=5), now + timedelta(minutes=5))
        watch.tick(instance, now + timedelta(minutes=6))
        bodies = [json.loads(body) for _, _, body in web.requests]
    assert [each["transition"] for each in bodies] == ["broken"] * 3 + ["recovered"] * 3
    assert watch.log.counters()[names[0]].failures == 20
    assert {len(each["pipelines"]) for each in bodies} <= {33, 34}, "what is wrong with each pipeline now"


def test_a_failure_while_no_sensor_ran_is_told_by_the_first_that_runs(
    tmp_path: Path, instance: DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="etl.notify")
    config = make_config("acme", {"orders": {}}, notifications=[{"type": "log"}])
    at = datetime.now(UTC) - 2 * DAY
    World(instance, "acme").run("orders", at, at, error="no such table: orders")
    evaluate(config, tmp_path, instance)
    assert "orders: no such table: orders" in caplog.text


def test_a_run_that_dies_fails_the_pipelines_it_was_to_make(
    tmp_path: Path, instance: DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="etl.notify")
    sla = {"sla": {"max_consecutive_failures": 1}}
    config = make_config("acme", {"orders": sla, "items": sla}, notifications=[{"type": "log"}])
    world, now = World(instance, "acme"), datetime.now(UTC)
    world.run("orders", now - HOUR, now - HOUR, error="the worker was killed", dies=True)
    tick = SlaWatch(config, make_settings(tmp_path)).tick(instance, now)
    assert "the worker was killed" in caplog.text
    states = {name: found[0].state for name, found in tick.verdicts.items()}
    assert states == {"orders": State.BROKEN, "items": State.UNMEASURED}


def test_blocked_data_is_told_as_quality_not_as_a_failure(
    tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web_server() as web:
        monkeypatch.setenv("ACME_HOOK", web.url)
        config = make_config(
            "acme", {"orders": {}}, notifications=[{"type": "webhook", "url": "${ACME_HOOK}", "on": ["quality"]}]
        )
        world, now = World(instance, "acme"), datetime.now(UTC)
        world.run("orders", now, now, error="nothing was published", checks=[("unique__id", False)])
        evaluate(config, tmp_path, instance)
        assert [json.loads(body)["events"] for _, _, body in web.requests] == [["quality"]]


def removal(tmp_path: Path, instance: DagsterInstance, text: str, **failing: Any) -> tuple[SlaWatch, datetime]:
    """A tenant in which a job died and a step failed that its location does not have any more."""
    config = make_config("acme", {"orders": {}}, notifications=[{"type": "log"}])
    world, watch, now = World(instance, "acme"), SlaWatch(config, make_settings(tmp_path)), datetime.now(UTC)
    world.run("orders", now, now, error=text, **failing)
    assert "1 open incident(s), 1 message(s) sent" in watch.tick(instance, now).text
    return watch, now + HOUR


def location(name: str = "acme") -> Location:
    """Of it are left the job `acme_orders`, its one step, and a graph that somebody wrote by hand."""

    @asset(key=["acme", "extract", "orders"])
    def acme__extract__orders() -> None: ...

    @op
    def inner() -> None: ...

    @graph
    def by_hand() -> None:
        inner()

    @job
    def acme_by_hand() -> None:
        by_hand()

    jobs = [define_asset_job("acme_orders", [acme__extract__orders]), acme_by_hand]
    return Location(Definitions(assets=[acme__extract__orders], jobs=jobs).get_repository_def(), name)


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param({"job": "acme_nightly", "dies": True}, id="a job"),
        pytest.param({"stages": ["load"]}, id="a stage of a pipeline that is left"),
    ],
)
def test_the_failure_of_what_was_taken_away_is_over_with_one_message(
    failing: dict[str, Any], tmp_path: Path, instance: DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="etl.notify")
    watch, now = removal(tmp_path, instance, "gone wrong", **failing)
    assert "0 open incident(s), 1 message(s) sent" in watch.tick(instance, now, None, location()).text
    assert "0 open incident(s), 0 message(s) sent" in watch.tick(instance, now + HOUR, None, location()).text
    assert caplog.text.count("recovered") == 1


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param({"job": "acme_orders", "dies": True}, id="a job"),
        pytest.param({"job": "__ASSET_JOB", "dies": True}, id="the job of the button Materialize"),
        pytest.param({}, id="a step"),
    ],
)
def test_the_failure_of_what_is_left_lasts(failing: dict[str, Any], tmp_path: Path, instance: DagsterInstance) -> None:
    watch, now = removal(tmp_path, instance, "gone wrong", **failing)
    assert "1 open incident(s), 0 message(s) sent" in watch.tick(instance, now, None, location()).text


def test_steps_of_graphs_and_of_many_are_known_by_the_node_that_holds_them() -> None:
    left = ["by_hand", "by_hand.inner", "by_hand.inner[3]", "acme__extract__orders", "job acme_by_hand"]
    assert location().lacks([*left, "inner", "job by_hand"]) == {"inner", "job by_hand"}


def test_what_another_location_runs_for_the_tenant_is_not_ours_to_end(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    here, there = location("acme"), RegisteredCodeLocationOrigin("elsewhere")
    run = DagsterRun(job_name="acme_by_hand", remote_job_origin=RemoteRepositoryOrigin(there, "r").get_job_origin("x"))
    assert not here.started(run)
    assert location("elsewhere").started(run)
    assert here.started(DagsterRun(job_name="acme_by_hand"))


def test_the_sensor_gives_its_own_location(tmp_path: Path, instance: DagsterInstance) -> None:
    config = make_config("acme", {"orders": {}}, notifications=[{"type": "log"}])
    watch, _ = removal(tmp_path, instance, "gone wrong", job="acme_nightly", dies=True)
    (sensor,) = SensorFactory(config, make_settings(tmp_path)).create_all_sensors()
    with build_sensor_context(instance=instance, repository_def=location().repository) as context:
        sensor(context)
    assert watch.log.failures() == ()


def test_models_and_exposures_are_named_as_downstream(
    tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def node(resource: str, key: str, *deps: str) -> DbtAsset:
        rest = {"description": "", "tags": {}, "owners": (), "path": "", "compiled": "", "table": None, "columns": ()}
        more = {"incremental": False, "day_column": None, "event_time": None, "fqn": "", "code_version": ""}
        split = [("acme", *each.split("/")) for each in (key, *deps)]
        made = {"unique_id": key, "resource": resource, "key": split[0], "deps": split[1:]}
        return DbtAsset.model_validate(made | rest | more)

    nodes = (
        node("model", "dbt/orders", "extract/orders"),
        node("model", "dbt/fct_orders", "dbt/orders", "extract/items"),
        node("model", "dbt/fct_items", "extract/items"),
        node("exposure", "exposure/weekly", "dbt/fct_orders"),
    )
    index = DbtIndex(fingerprint="as it was", assets=nodes, checks=(), relations=(), pipelines={})
    path = make_settings(tmp_path).data_dir / "dbt" / "acme" / "index.json"
    path.parent.mkdir(parents=True)
    path.write_text(index.model_dump_json())
    with web_server() as web:
        monkeypatch.setenv("ACME_HOOK", web.url)
        hook = {"type": "webhook", "url": "${ACME_HOOK}"}
        pipelines: dict[str, Any] = {"orders": {}, "items": {}}
        config = make_config("acme", pipelines, notifications=[hook], dbt={"enabled": True})
        now = datetime.now(UTC)
        World(instance, "acme").run("orders", now, now, error="no such table: orders")
        evaluate(config, tmp_path, instance)
        (body,) = [json.loads(body) for _, _, body in web.requests]
    assert body["downstream"] == ["dbt fct_orders", "dbt orders", "exposure weekly"]
    assert "Downstream of it: dbt fct_orders, dbt orders, exposure weekly." in body["text"]


def test_other_tenants_are_nobodys_business(tmp_path: Path, instance: DagsterInstance) -> None:
    config = make_config("acme", {"orders": promised()}, notifications=[{"type": "log"}])
    now = datetime.now(UTC)
    World(instance, "other").run("orders", now, now, error="not mine")
    result = evaluate(config, tmp_path, instance)
    assert "0 open incident(s)" in str(result.skip_reason)


def test_one_pipeline_that_cannot_be_judged_silences_no_other(
    tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="etl.notify")
    config = make_config("acme", {"orders": promised(), "items": promised()}, notifications=[{"type": "log"}])
    now = datetime(2026, 2, 1, 12, tzinfo=UTC)
    world, watch = World(instance, "acme"), SlaWatch(config, make_settings(tmp_path))
    for each in ("orders", "items"):
        world.run(each, now - 3 * DAY, now - 3 * DAY, partition="2026-01-28")
    assert "2 open incident(s)" in watch.tick(instance, now).text
    judge = sla_watch.judge_pipeline

    def explode(sla: Any, history: Any, at: datetime) -> Any:
        if history.pipeline == "orders":
            raise ZeroDivisionError("what nobody thought of")
        return judge(sla, history, at)

    monkeypatch.setattr(sla_watch, "judge_pipeline", explode)
    tick = watch.tick(instance, now + HOUR)
    assert tick.problems == ("acme/orders cannot be judged: ZeroDivisionError: what nobody thought of",)
    assert set(tick.verdicts) == {"items"}
    assert "recovered" not in caplog.text, "what nobody looked at is not over"


def test_a_promise_begins_when_it_is_first_watched(tmp_path: Path, instance: DagsterInstance) -> None:
    config = make_config("acme", {"orders": {**DAYS, "sla": {"freshness": {"deadline": "0 9 * * *"}}}})
    watch = SlaWatch(config, make_settings(tmp_path))
    now = datetime(2026, 2, 1, 12, tzinfo=UTC)
    (verdict,) = watch.tick(instance, now).verdicts["orders"]
    assert verdict.state is State.UNMEASURED, "a month of days was never made, and nobody promised it then"
    (verdict,) = watch.tick(instance, now + DAY).verdicts["orders"]
    assert verdict.state is State.BROKEN


def test_what_there_is_more_than_time_for_is_left_to_the_next_tick(tmp_path: Path, instance: DagsterInstance) -> None:
    config = make_config("acme", {"orders": promised()})
    tick = SlaWatch(config, make_settings(tmp_path), budget=-1).tick(instance, datetime.now(UTC))
    assert (tick.judged, tick.checks) == (False, [])
    assert "the next tick goes on" in tick.text
    assert SlaWatch(config, make_settings(tmp_path)).tick(instance, datetime.now(UTC)).judged
