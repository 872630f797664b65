"""What needs no server: the hook, the notifier, the trigger, rows of a database."""

import asyncio
import json
import logging
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from airflow.sdk import DAG, Asset, BaseHook
from airflow.sdk.exceptions import AirflowFailException

from etl.errors import EtlError, NotifyError, QualityError
from etl.integrations.airflow import (
    DataArrivalTrigger,
    DataQualityFailed,
    DataQualityHook,
    DataQualityNotifier,
    DataQualitySensor,
    consumers,
    require_quality,
    sources,
)
from etl.integrations.airflow.decorator import quality_check_task
from etl.integrations.airflow.mistakes import final_mistakes
from etl.integrations.airflow.rules import FixedRule, at_parse_time, at_run_time, within_64_bits
from etl.integrations.airflow.sources import Source
from etl.integrations.airflow.trigger import version_of
from etl.integrations.contract import read_verdict, verdict
from etl.quality import check, parse_rules
from etl.quality.files import UnreadableData
from tests.hosts.airflow import shop

RULES: Any = [{"column": "user_id", "type": "unique"}]


def connection(monkeypatch: pytest.MonkeyPatch, **extra: Any) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_DQ", json.dumps({"conn_type": "data_quality", "extra": extra}))


def test_the_hook_judges_with_what_its_connection_says(monkeypatch: pytest.MonkeyPatch) -> None:
    connection(monkeypatch, engine="polars", rules=RULES, severity="warning", timeout=60)
    hook = DataQualityHook("dq")
    found = hook.check(shop.TWICE)
    assert (found.engine, found.status, found.warning_count) == ("polars", "warning", 1)
    assert hook.check(shop.TWICE, [{**RULES[0], "severity": "error"}]).status == "failed"
    assert DataQualityHook("dq", engine="truthound").check(shop.USERS).engine == "truthound"
    assert hook.test_connection() == (True, "the engine polars is there, and 1 rules can be read")
    assert hook.profile(shop.USERS).row_count == 3
    assert hook.learn(shop.USERS).rules


def test_a_form_can_give_rules_and_options_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    connection(monkeypatch, engine="", rules=json.dumps(RULES), storage_options='{"aws_region": "eu-central-1"}')
    settings = DataQualityHook("dq").settings
    assert (settings.engine, settings.rules) == ("truthound", tuple(RULES))
    assert settings.storage_options == {"aws_region": "eu-central-1"}
    assert "eu-central-1" not in repr(settings)


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ({"engin": "polars"}, "engin"),
        ({"timeout": 0}, "timeout"),
        ({"storage_options": {"key": "s3cret"}, "rules": 3}, "rules"),
    ],
)
def test_a_connection_that_cannot_be_used_says_why_and_shows_no_value(
    monkeypatch: pytest.MonkeyPatch, extra: Any, problem: str
) -> None:
    connection(monkeypatch, **extra)
    with pytest.raises(QualityError, match=problem) as raised:
        DataQualityHook("dq").check(shop.USERS, RULES)
    assert "s3cret" not in str(raised.value)


def test_a_hook_without_rules_refuses_to_check() -> None:
    with pytest.raises(QualityError, match="there are no rules"):
        DataQualityHook().check(shop.USERS)


def test_rules_are_rendered_or_not_and_read_again() -> None:
    (fixed, templated) = at_parse_time([RULES[0], {"column": "a", "type": "in_range", "min": "{{ x }}"}])
    assert isinstance(fixed, FixedRule)
    assert fixed.serialize() == RULES[0]
    assert isinstance(templated, dict)
    assert at_run_time([fixed, {**templated, "min": "3"}]) == parse_rules([RULES[0], {**templated, "min": "3"}])
    with pytest.raises(QualityError, match="a str, not a list"):
        at_run_time("{{ rules }}")


def test_numbers_of_more_than_64_bits_are_texts_that_mean_the_same() -> None:
    raw = [
        {"column": "x", "type": "in_range", "min": 2**64, "max": 2**70},
        {"column": "x", "type": "in_set", "values": [2**64]},
    ]
    frame = pl.DataFrame({"x": [2**63 - 1]})
    written = json.loads(json.dumps(within_64_bits(raw)))
    assert written[0]["min"] == str(2**64)
    assert [each.status for each in check(frame, written).results] == [
        each.status for each in check(frame, raw).results
    ]


def test_a_message_has_the_verdict_and_no_address(
    monkeypatch: pytest.MonkeyPatch, webhook: tuple[str, list[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SECRET_ADDRESS", webhook[0])
    found = read_verdict(verdict(check(shop.TWICE, RULES), subject="users"))
    task = SimpleNamespace(dag_id="shop", task_id="check_users", run_id="run 1")
    notifier = DataQualityNotifier(
        [{"type": "webhook", "url": "${SECRET_ADDRESS}"}, {"type": "log"}, {"type": "log", "severity": "critical"}]
    )
    before = len(webhook[1])
    with caplog.at_level(logging.INFO):
        notifier({"ti": task, "exception": DataQualityFailed("bad", found)})  # type: ignore[arg-type]
    told = json.loads(webhook[1][before])
    webhook[1].pop()
    assert (told["tenant"], told["pipelines"], told["events"]) == ("shop", ["shop.check_users"], ["quality"])
    assert "unique__user_id: 2 of 2 rows failed" in told["text"]
    assert sum("unique__user_id" in each.getMessage() for each in caplog.records) == 1
    assert webhook[0] not in caplog.text


def test_a_target_that_cannot_be_reached_is_an_error_and_the_others_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    notifier = DataQualityNotifier([{"type": "slack", "url": "${NOT_SET}"}, {"type": "log"}])
    with caplog.at_level(logging.INFO), pytest.raises(NotifyError, match="NOT_SET"):
        notifier({})  # type: ignore[arg-type]
    assert "the task failed" in caplog.text
    with pytest.raises(NotifyError, match="cannot be used"):
        DataQualityNotifier([{"type": "pigeon"}])


async def event_of(trigger: DataArrivalTrigger) -> Any:
    async for event in trigger.run():
        return event.payload
    return None


def test_the_trigger_reports_a_new_version_only(tmp_path: Path) -> None:
    place = tmp_path / "users.parquet"

    async def waits() -> tuple[str, str]:
        waiting = asyncio.create_task(event_of(DataArrivalTrigger(str(place), 0.05)))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        shop.USERS.write_parquet(place)
        first = await asyncio.wait_for(waiting, 20)
        waiting = asyncio.create_task(event_of(DataArrivalTrigger(str(place), 0.05, first)))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        shop.TWICE.write_parquet(place)
        return first, await asyncio.wait_for(waiting, 20)

    first, second = asyncio.run(waits())
    assert first != second
    path, arguments = DataArrivalTrigger("x", 1.0, "v", "dq").serialize()
    assert path == "etl.integrations.airflow.trigger.DataArrivalTrigger"
    assert DataArrivalTrigger(**arguments).serialize() == (path, arguments)


def test_a_version_is_that_of_all_files(tmp_path: Path) -> None:
    assert version_of(str(tmp_path), {}) is None
    assert version_of(str(tmp_path / "*.csv"), {}) is None
    (tmp_path / "1.csv").write_text("a\n1\n")
    one = version_of(str(tmp_path / "*.csv"), {})
    assert one is not None
    assert version_of(str(tmp_path), {}) == one
    (tmp_path / "2.csv").write_text("a\n1\n")
    assert version_of(str(tmp_path), {}) != one


class Database:
    """A hook of a database of two rows a batch."""

    def __init__(self, *rows: tuple[Any, ...]) -> None:
        self.rows = rows

    def get_conn(self) -> sqlite3.Connection:
        made = sqlite3.connect(":memory:")
        made.execute("CREATE TABLE t (a, b)")
        made.executemany("INSERT INTO t VALUES (?, ?)", self.rows)
        return made


def rows_of(monkeypatch: pytest.MonkeyPatch, hook: object, query: str = "SELECT a, b FROM t") -> pl.DataFrame:
    monkeypatch.setattr(sources, "BATCH", 2)
    monkeypatch.setattr(BaseHook, "get_hook", lambda _: hook)
    with Source(sql=query, conn_id="shop").opened({}) as data:  # type: ignore[typeddict-item]
        return data.lazy().collect()


def test_rows_of_a_database_are_the_same_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(None, "x"), (None, None), (3, None), (2**62 + 1, "y"), (5, None)]
    assert rows_of(monkeypatch, Database(*rows)).rows() == rows
    assert rows_of(monkeypatch, Database(*rows), "SELECT a FROM t WHERE a < 0").height == 0


def test_a_column_of_two_types_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QualityError, match="`a` of the query is Int64 in some rows and Float64 in others"):
        rows_of(monkeypatch, Database((2**62 + 1, "x"), (1, "x"), (0.5, "x")))


def test_a_connection_without_sql_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QualityError, match="not one of a database"):
        rows_of(monkeypatch, object())


def test_what_is_not_there_stays_an_ordinary_error() -> None:
    """Airflow tries again what is no AirflowFailException."""
    with pytest.raises(UnreadableData), final_mistakes("t"):
        raise UnreadableData("there is no file")
    with pytest.raises(AirflowFailException, match="task `t`: wrong"), final_mistakes("t"):
        raise EtlError("wrong")


def test_an_asset_that_is_no_inlet_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    context = {"ti": SimpleNamespace(task_id="make_report"), "inlet_events": {}}
    monkeypatch.setattr(consumers, "get_current_context", lambda: context)
    with pytest.raises(AirflowFailException, match="asset `orders` is no inlet of the task"):
        require_quality(Asset("orders"))


def test_a_sensor_does_not_make_a_verdict_a_skipped_task() -> None:
    with pytest.raises(AirflowFailException, match="soft_fail"):
        DataQualitySensor(task_id="t", data_path="a.parquet", rules=[{"type": "row_count", "min": 1}], soft_fail=True)


def test_an_async_function_is_refused_when_the_dag_is_parsed() -> None:
    async def load() -> str:
        return "a.parquet"

    with pytest.raises(AirflowFailException, match="no async function"), DAG("d", schedule=None):
        quality_check_task(load, rules=[{"type": "row_count", "min": 1}])()


def test_an_empty_path_is_not_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a.parquet")
    monkeypatch.chdir(tmp_path)
    for empty in ("", " "):
        with pytest.raises(QualityError, match="path of the data is empty"):
            DataQualityHook().check(empty, [{"column": "a", "type": "not_null"}])
