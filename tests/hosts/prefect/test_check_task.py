"""The check task in real flow runs: what the server shows afterwards is what `check()` says in a bare process."""

import asyncio
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from prefect import flow, task
from prefect.cache_policies import INPUTS, NO_CACHE
from prefect.client.schemas.objects import State
from prefect.tasks import task_input_hash

from etl.errors import QualityError
from etl.integrations.contract import read_verdict
from etl.integrations.prefect import (
    DataQualityBlock,
    DataQualityError,
    adata_quality_check_task,
    data_quality_check,
    data_quality_check_task,
    data_quality_profile,
    data_quality_profile_task,
)
from etl.integrations.rendering import as_line
from tests.hosts.prefect.reading import Api, table, timeless

Bare = Callable[[dict[str, Any]], dict[str, dict[str, Any]]]

ROWS = pl.DataFrame({"id": [1, 2, 2, 4], "name": ["Ann", "Bo", "SECRET-VALUE", None], "amount": [1.0, -2.5, 3.0, 0.0]})
NOT_NULL, UNIQUE = {"column": "id", "type": "not_null"}, {"column": "id", "type": "unique"}
SCENARIOS: dict[str, tuple[pl.DataFrame, list[dict[str, Any]], str]] = {
    "passing": (ROWS, [NOT_NULL, {"type": "row_count", "min": 4}], "truthound"),
    "failing": (ROWS, [NOT_NULL, UNIQUE, {"column": "amount", "type": "in_range", "min": 0}], "truthound"),
    "polars": (ROWS, [NOT_NULL, UNIQUE], "polars"),
    "warning": (ROWS, [NOT_NULL, {**UNIQUE, "severity": "warning"}], "truthound"),
    "erring": (ROWS, [NOT_NULL, {"column": "name", "type": "positive"}], "truthound"),
    "missing-column": (ROWS, [NOT_NULL, {"column": "nmae", "type": "not_null"}], "truthound"),
    "empty": (ROWS.clear(), [NOT_NULL, {"type": "row_count", "min": 1}], "truthound"),
    "measured": (ROWS, [{"column": "amount", "type": "mean_between", "min": 100}], "truthound"),
}
STATES = {"passed": "COMPLETED", "warning": "COMPLETED", "failed": "FAILED", "error": "FAILED"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("data")
    for name, (frame, _, _) in SCENARIOS.items():
        frame.write_parquet(folder / f"{name}.parquet")
    return {name: str(folder / f"{name}.parquet") for name in SCENARIOS}


@pytest.fixture(scope="module")
def expected(files: dict[str, str], bare: Bare) -> dict[str, dict[str, Any]]:
    return bare(
        {
            name: {"data": files[name], "rules": rules, "engine": engine}
            for name, (_, rules, engine) in SCENARIOS.items()
        }
    )


def run_of(state: State[Any]) -> object:
    return state.state_details.flow_run_id


@pytest.mark.parametrize(
    ("name", "asynchronous"),
    [*((name, False) for name in SCENARIOS), ("passing", True), ("failing", True), ("erring", True)],
)
def test_the_server_shows_the_verdict_of_a_bare_check(
    name: str, asynchronous: bool, files: dict[str, str], expected: dict[str, dict[str, Any]], api: Api
) -> None:
    _, rules, engine = SCENARIOS[name]
    block = DataQualityBlock(engine_name=engine)

    @flow
    def judge(path: str) -> None:
        data_quality_check_task(path, rules=rules, block=block, key=name)

    @flow
    async def ajudge(path: str) -> None:
        await adata_quality_check_task(path, rules=rules, block=block, key=name)

    state: Any
    state = (
        asyncio.run(ajudge(files[name], return_state=True)) if asynchronous else judge(files[name], return_state=True)
    )
    wanted = {**timeless(expected[name]), "subject": f"{name}.parquet"}
    line = as_line(read_verdict({**expected[name], "subject": f"{name}.parquet"}))

    (check,) = api.task_runs(run_of(state))
    assert check["state"]["type"] == api.flow_run(run_of(state))["state"]["type"] == STATES[wanted["status"]]
    if STATES[wanted["status"]] == "FAILED":
        assert line in check["state"]["message"]
        assert line in api.flow_run(run_of(state))["state"]["message"]
        with pytest.raises(DataQualityError) as raised:
            state.result()
        assert raised.value.result.status.value == wanted["status"]
        assert pickle.loads(pickle.dumps(raised.value)).result == raised.value.result

    artifacts = api.artifacts(run_of(state))
    assert set(artifacts) == {name, f"{name}-rules"}
    assert {each["task_run_id"] for each in artifacts.values()} == {check["id"]}
    assert artifacts[name]["description"] == line
    assert f": {wanted['status'].upper()}" in artifacts[name]["data"].splitlines()[0]
    shown = {
        each["Rule"]: (each["Status"], each["Failed"], each["Total"]) for each in table(artifacts[f"{name}-rules"])
    }
    assert shown == {
        each["check_name"]: (each["status"], str(each["failed_count"]), str(each["total_count"]))
        for each in wanted["results"]
    }

    (event,) = api.events(f"etl.quality.{wanted['status']}", run_id=run_of(state), resource=f"etl.quality.{name}")
    assert timeless(event["payload"]) == wanted
    assert f"prefect.task-run.{check['id']}" in {each["prefect.resource.id"] for each in event["related"]}
    everything = str((check, api.flow_run(run_of(state)), artifacts, event))
    assert "SECRET-VALUE" not in everything
    assert "0.375" not in everything


@pytest.mark.parametrize("engine", ["pandera", "great_expectations"])
def test_an_engine_that_is_not_installed_fails_by_name(engine: str, api: Api) -> None:
    @flow
    def judge() -> None:
        data_quality_check_task.with_options(retries=2)(
            ROWS, rules=[NOT_NULL], block=DataQualityBlock(engine_name=engine)
        )

    state: Any = judge(return_state=True)
    (check,) = api.task_runs(run_of(state))
    assert check["state"]["type"] == "FAILED"
    assert f"the quality engine `{engine}` cannot be imported" in check["state"]["message"]
    assert check["run_count"] == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"rules": []}, "there are no rules"),
        ({}, "there are no rules"),
        ({"rules": [{"column": "id", "type": "not_nul"}]}, "not_nul"),
        ({"rules": [NOT_NULL], "auto_schema": True}, "can never fail"),
        ({"rules": [NOT_NULL], "key": "Orders Daily"}, "cannot be the key of an artifact"),
    ],
    ids=["empty rules", "no rules", "misspelt rule", "auto_schema", "key"],
)
def test_a_mistake_of_the_call_fails_and_is_not_retried(arguments: dict[str, Any], problem: str, api: Api) -> None:
    @flow
    def judge() -> None:
        data_quality_check_task.with_options(retries=1)(ROWS, **arguments)

    state: Any = judge(return_state=True)
    (check,) = api.task_runs(run_of(state))
    assert check["state"]["type"] == "FAILED"
    assert problem in check["state"]["message"]
    assert check["run_count"] == 1


def test_allowed_failures_are_returned_and_shown(api: Api) -> None:
    @flow
    def judge() -> str:
        return data_quality_check_task(ROWS, rules=[UNIQUE], fail_on_error=False, key="allowed").status.name

    state: Any = judge(return_state=True)
    assert state.result() == "FAILED"
    assert "FAILED" in api.artifacts(run_of(state))["allowed"]["data"]
    assert api.events("etl.quality.failed", run_id=run_of(state))


def test_without_artifacts_there_are_none(api: Api) -> None:
    @flow
    def judge() -> None:
        data_quality_check_task(ROWS, rules=[NOT_NULL], create_artifact=False)

    assert api.artifacts(run_of(judge(return_state=True))) == {}


def test_the_names_of_spec_002_are_the_same_tasks() -> None:
    assert data_quality_check is data_quality_check_task
    assert data_quality_profile is data_quality_profile_task


# A verdict never comes from a cache: a file changes, its path and its plan do not.


@pytest.mark.parametrize("kind", ["path", "lazy"])
def test_a_changed_file_is_judged_again_whatever_the_flow_keeps(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.parquet"
    pl.DataFrame({"id": [1, 2]}).write_parquet(path)

    @task(cache_policy=INPUTS, persist_result=True)
    def cached(data: Any) -> str:
        return DataQualityBlock().check(data, [NOT_NULL], fail_on_error=False).status.value

    @flow(persist_result=True)
    def judge(*, persisted: bool) -> tuple[str, str]:
        data = str(path) if kind == "path" else pl.scan_parquet(path)
        check = data_quality_check_task.with_options(persist_result=True) if persisted else data_quality_check_task
        return cached(data), check(data, rules=[NOT_NULL], fail_on_error=False).status.value

    for persisted in (False, True):
        pl.DataFrame({"id": [1, 2]}).write_parquet(path)
        assert judge(persisted=persisted)[1] == "passed"
        pl.DataFrame({"id": [1, None]}).write_parquet(path)
        from_cache, judged = judge(persisted=persisted)
        assert from_cache == "passed", "the cache of Prefect does not see the change, which is why ours is off"
        assert judged == "failed"


def test_default_persistence_of_the_process_does_not_cache(tmp_path: Path) -> None:
    from prefect.settings import PREFECT_TASKS_DEFAULT_PERSIST_RESULT, temporary_settings

    path = tmp_path / "data.parquet"

    @flow
    def judge() -> str:
        return data_quality_check_task(pl.scan_parquet(path), rules=[NOT_NULL], fail_on_error=False).status.value

    with temporary_settings({PREFECT_TASKS_DEFAULT_PERSIST_RESULT: True}):
        pl.DataFrame({"id": [1, 2]}).write_parquet(path)
        assert judge() == "passed"
        pl.DataFrame({"id": [1, None]}).write_parquet(path)
        assert judge() == "failed"


@pytest.mark.parametrize(
    "option", [{"cache_policy": INPUTS}, {"cache_key_fn": task_input_hash}, {"cache_policy": None}], ids=str
)
def test_an_option_that_could_cache_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(QualityError, match="a verdict from a cache has not seen the data"):
        data_quality_check_task.with_options(persist_result=True).with_options(retries=1).with_options(**option)
    assert data_quality_check_task.with_options(cache_policy=NO_CACHE).cache_policy == NO_CACHE


# Bad data is never retried; what is down may be.


def test_a_verdict_ends_all_retries(api: Api) -> None:
    begun = []

    @flow(retries=3)
    def judge() -> None:
        begun.append(1)
        if len(begun) == 1:
            raise ConnectionError("the source is down")
        data_quality_check_task.with_options(retries=3, retry_condition_fn=lambda *_: True)(ROWS, rules=[UNIQUE])

    state: Any = judge(return_state=True)
    assert state.is_failed()
    assert len(begun) == 2
    assert {each["run_count"] for each in api.task_runs(run_of(state))} == {1}


def test_data_that_is_not_there_yet_is_asked_for_again(tmp_path: Path, api: Api) -> None:
    path = tmp_path / "late.parquet"
    asked = []

    def arrives(_task: object, _run: object, _state: object) -> bool:
        asked.append(1)
        ROWS.write_parquet(path)
        return True

    @flow
    def judge() -> str:
        return data_quality_check_task.with_options(retries=2, retry_condition_fn=arrives)(
            str(path), rules=[NOT_NULL]
        ).status.value

    state: Any = judge(return_state=True)
    assert state.result() == "passed"
    assert len(asked) == 1
    assert [each["run_count"] for each in api.task_runs(run_of(state))] == [2]


def test_an_async_check_does_not_block_the_loop() -> None:
    ticks = 0

    @flow
    async def judge() -> None:
        nonlocal ticks

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        slow = pl.DataFrame({"id": range(300_000)}).lazy().map_batches(lambda frame: (time.sleep(0.5), frame)[1])
        await adata_quality_check_task(slow, rules=[NOT_NULL], create_artifact=False)
        ticking.cancel()

    asyncio.run(judge())
    assert ticks > 20


def test_a_sync_check_in_an_async_flow_and_one_without_a_flow(api: Api) -> None:
    @flow
    async def judge() -> None:
        data_quality_check_task(ROWS, rules=[UNIQUE], key="mixed")

    state: Any = asyncio.run(judge(return_state=True))
    assert "DataQualityError" in state.message
    assert "mixed" in api.artifacts(run_of(state))
    with pytest.raises(DataQualityError):
        data_quality_check_task(ROWS, rules=[UNIQUE])
    assert data_quality_check_task(ROWS, rules=[NOT_NULL]).is_success


def test_a_check_that_takes_too_long_has_no_verdict_and_fails() -> None:
    slow = ROWS.lazy().map_batches(lambda frame: (time.sleep(3), frame)[1])
    with pytest.raises(DataQualityError, match="no verdict within 1 seconds"):
        data_quality_check_task(slow, rules=[NOT_NULL], block=DataQualityBlock(timeout_seconds=1))


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_verdict_that_cannot_be_shown_is_no_success_and_stays_a_verdict(
    asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object, **__: object) -> None:
        raise ConnectionError("the server is down")

    async def adown(*_: object, **__: object) -> None:
        down()

    monkeypatch.setattr("etl.integrations.prefect.outcome.to_prefect_artifact", down)
    monkeypatch.setattr("etl.integrations.prefect.outcome.ato_prefect_artifact", adown)

    def judge(rule: dict[str, Any]) -> Any:
        if asynchronous:
            return asyncio.run(adata_quality_check_task(ROWS, rules=[rule]))
        return data_quality_check_task(ROWS, rules=[rule])

    with pytest.raises(DataQualityError, match="failed: 0 of 1"):
        judge(UNIQUE)
    with pytest.raises(ConnectionError):
        judge(NOT_NULL)


def test_a_block_judges_where_no_server_answers() -> None:
    code = (
        "from etl.integrations.prefect import DataQualityBlock\n"
        "print(DataQualityBlock().check([{'id': 1}], [{'column': 'id', 'type': 'not_null'}]).status.value)\n"
    )
    environ = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "passed\n"), done.stderr
    assert time.monotonic() - begun < 50


def test_the_import_costs_little() -> None:
    """At most 0.3 CPU seconds above `import prefect`, and none of our libraries before a name is used."""
    code = "import sys, time, prefect; begun = time.process_time(); import etl.integrations.prefect; print(time.process_time() - begun, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *modules = done.stdout.split()
    assert float(seconds) < 0.3
    assert not {"polars", "truthound", "sqlglot", "etl.quality"} & set(modules)
