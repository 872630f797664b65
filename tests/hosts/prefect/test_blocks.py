"""Blocks: saved in a server, registered by the command line, found by name, used sync and async."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from prefect import flow

from etl.errors import QualityError
from etl.integrations.prefect import (
    DataQualityBlock,
    DataQualityError,
    SLABlock,
    SLAConfig,
    SLAMonitor,
    SLAViolation,
    adata_quality_learn_task,
    adata_quality_profile_task,
    data_quality_check_task,
    data_quality_learn_task,
    data_quality_profile_task,
    quality_checked_flow,
)
from etl.quality import check, get_engine, learn_baseline
from etl.sla.metrics import SLAMetrics
from tests.hosts.prefect.reading import Api, table
from tests.hosts.prefect.servers import command

ROWS = pl.DataFrame({"id": [1, 2, 2], "name": ["a", None, "c"]})
RULES = [{"column": "id", "type": "unique"}, {"column": "id", "type": "not_null"}]


def test_the_command_line_registers_the_blocks(api: Api) -> None:
    told = command("prefect", "block", "register", "-m", "etl.integrations.prefect")
    assert "Successfully registered 2 blocks" in told
    known = {each["slug"]: each["name"] for each in api.post("block_types/filter", {})}
    assert (known["data-quality"], known["data-quality-sla"]) == ("DataQuality", "Data quality SLA")


def test_a_saved_block_is_loaded_by_name_where_nobody_imported_it() -> None:
    DataQualityBlock(engine_name="polars", timeout_seconds=60, default_rules=RULES).save("saved", overwrite=True)
    SLABlock(min_pass_rate=0.9).save("saved", overwrite=True)
    code = (
        "from prefect.blocks.core import Block\n"
        "found = Block.load('data-quality/saved')\n"
        "print(type(found).__name__, found.engine_name, found.timeout_seconds, len(found.default_rules))\n"
        "print(type(Block.load('data-quality-sla/saved')).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["DataQualityBlock", "polars", "60.0", "2", "SLABlock"], done.stderr


def test_a_block_is_saved_and_loaded_in_async_code() -> None:
    async def round_trip() -> Any:
        await DataQualityBlock(default_rules=RULES).asave("asaved", overwrite=True)
        loaded = await DataQualityBlock.aload("asaved")
        return loaded, await loaded.acheck(ROWS, fail_on_error=False)

    loaded, result = asyncio.run(round_trip())
    assert loaded.default_rules == RULES
    assert result.results == check(ROWS, RULES).results


def test_a_block_judges_inside_and_outside_of_runs() -> None:
    block = DataQualityBlock(default_rules=RULES)
    outside = block.check(ROWS, fail_on_error=False)
    assert outside.results == check(ROWS, RULES).results
    with pytest.raises(DataQualityError, match="unique__id: 2 of 3 rows failed"):
        block.check(ROWS)
    with pytest.raises(DataQualityError):
        asyncio.run(block.acheck(ROWS))
    assert block.check(ROWS, [{"column": "id", "type": "not_null"}]).is_success
    with pytest.raises(QualityError, match="there are no rules"):
        block.check(ROWS, [])

    @flow
    def inside() -> str:
        return block.check(ROWS, fail_on_error=False).status.value

    assert inside() == "failed"


def test_profile_and_learn_are_those_of_the_engine() -> None:
    block = DataQualityBlock()
    profile, again = block.profile(ROWS, columns=["id"]), asyncio.run(block.aprofile(ROWS))
    assert (set(profile.columns), set(again.columns), profile.row_count) == ({"id"}, {"id", "name"}, 3)
    learned = block.learn(ROWS, strictness="strict")
    assert block.check(ROWS, learned.rules).is_success
    assert asyncio.run(block.alearn(ROWS, strictness="strict")).rules == learned.rules
    assert block.get_engine().name == "truthound"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"auto_schema": True}, "can never fail"),
        ({"default_rules": [{"column": "id", "type": "not_nul"}]}, "not_nul"),
        ({"timeout_seconds": 0}, "greater than or equal to 1"),
    ],
)
def test_wrong_settings_are_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises((QualityError, ValueError), match=problem):
        DataQualityBlock(**fields)
    with pytest.raises(QualityError, match="can never fail"):
        DataQualityBlock().check(ROWS, RULES, auto_schema=True)


def test_a_baseline_judges_what_comes_later(tmp_path: Path) -> None:
    trusted = pl.DataFrame({"id": range(50), "grade": ["a", "b"] * 25})
    learn_baseline("grades", trusted, store=tmp_path, strictness="strict")
    DataQualityBlock(auto_schema="grades", baselines=str(tmp_path)).save("by-baseline", overwrite=True)
    today = pl.DataFrame({"id": [1, 2], "grade": ["a", "x"]})

    @quality_checked_flow(block=DataQualityBlock.load("by-baseline"), fail_on_error=False)
    def load() -> pl.DataFrame:
        return today

    load()
    block = DataQualityBlock.load("by-baseline")
    alone = check(today, auto_schema="grades", baselines=tmp_path)
    assert block.check(today, fail_on_error=False).results == alone.results
    assert alone.failed_count
    with pytest.raises(DataQualityError):
        data_quality_check_task.fn(today, block=block)
    with pytest.raises(QualityError, match="no baseline `other`"):
        block.check(today, auto_schema="other")
    with pytest.raises(QualityError, match="nothing says where"):
        DataQualityBlock(auto_schema="grades").check(today)


def test_profiles_and_learned_rules_are_artifacts_of_their_run(api: Api) -> None:
    @flow
    def look() -> tuple[int, int]:
        profile = data_quality_profile_task(ROWS, key="sync-profile")
        learned = data_quality_learn_task(ROWS, strictness="strict", key="sync-learned")
        return profile.row_count, len(learned.rules)

    @flow
    async def alook() -> tuple[int, int]:
        profile = await adata_quality_profile_task(ROWS, key="async-profile")
        learned = await adata_quality_learn_task(ROWS, strictness="strict", key="async-learned")
        return profile.row_count, len(learned.rules)

    wanted = (3, len(get_engine("truthound").learn(ROWS, "strict").rules))
    for state in (look(return_state=True), asyncio.run(alook(return_state=True))):
        assert state.result() == wanted
        kinds = {key.partition("-")[2] for key in api.artifacts(state.state_details.flow_run_id)}
        assert {"profile", "learned"} <= kinds


# Promises


def test_a_promise_is_judged_across_runs(api: Api) -> None:
    sla = SLABlock(min_pass_rate=0.8, max_consecutive_failures=3)
    sla.save("orders", overwrite=True)

    @flow
    def measure(*, good: bool) -> list[str]:
        block = DataQualityBlock(fail_on_error=False)
        result = block.check(ROWS, RULES[1:] if good else RULES)
        return [each.violation_type.value for each in SLABlock.load("orders").check(result, name="Orders, daily")]

    @flow
    async def ameasure() -> list[str]:
        result = await DataQualityBlock(fail_on_error=False).acheck(ROWS, RULES)
        return [each.violation_type.value for each in await sla.acheck(result, name="Orders, daily")]

    assert measure(good=False) == ["pass_rate_below_minimum"]
    assert measure(good=True) == []
    assert measure(good=False) == ["pass_rate_below_minimum"]
    assert asyncio.run(ameasure()) == ["pass_rate_below_minimum"]
    state: Any = measure(good=False, return_state=True)
    assert state.result() == ["pass_rate_below_minimum", "consecutive_failures"]
    run = state.state_details.flow_run_id
    rows = table(api.artifacts(run)["sla-orders-daily"])
    assert [(each["Outcome"], each["Promise"]) for each in rows] == [
        ("failed", "pass rate 50.00% is below 80.00%"),
        ("failed", "3 failures in a row, the limit is 3"),
    ]
    (event,) = api.events("etl.sla.violated", run_id=run, resource="etl.sla.sla-orders-daily")
    assert [each["violation_type"] for each in event["payload"]["violations"]] == state.result()


def test_a_promise_is_the_one_of_the_core() -> None:
    thresholds = {"max_failure_rate": 0.1, "min_row_count": 5, "alert_level": "critical"}
    assert SLABlock(**thresholds).config == SLAConfig(**thresholds)
    assert SLABlock(enabled=False, min_row_count=5).check(SLAMetrics(row_count=1), name="off") == []
    assert isinstance(SLAMonitor(SLAConfig(min_row_count=5)).check(SLAMetrics(row_count=1))[0], SLAViolation)
