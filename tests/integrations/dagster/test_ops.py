"""The ops in real jobs."""

from typing import Any

import polars as pl
import pytest
from dagster import Failure, OpDefinition, job, op
from pydantic import ValidationError

from etl.errors import QualityError
from etl.integrations.dagster import (
    CheckOpConfig,
    DataQualityError,
    LearnConfig,
    create_check_op,
    data_quality_check_op,
    data_quality_learn_op,
    data_quality_profile_op,
    data_quality_validate_op,
)
from etl.quality.rules import RuleError
from tests.integrations.dagster.runs import BAD, GOOD, POLARS, RULES, plain


def job_of(quality_op: OpDefinition, frame: pl.DataFrame, *, with_rules: bool = False) -> Any:
    @op(name="load")
    def load() -> Any:
        return frame

    @op(name="rules")
    def rules() -> Any:
        return RULES

    @job(resource_defs={"data_quality": POLARS}, name="quality_job")
    def made() -> Any:
        quality_op(load(), rules()) if with_rules else quality_op(load())

    return made


def outputs_of(result: Any, name: Any) -> Any:
    return {
        event.event_specific_data.output_name: plain(event.event_specific_data.metadata)
        for event in result.events_for_node(name)
        if event.is_successful_output
    }


def test_a_check_hands_on_the_verdict_whatever_it_is() -> None:
    for frame, status in ((GOOD, "passed"), (BAD, "failed")):
        result = job_of(data_quality_check_op, frame, with_rules=True).execute_in_process()
        assert result.output_for_node("data_quality_check_op")["status"] == status
        metadata = outputs_of(result, "data_quality_check_op")["result"]
        assert metadata["quality_status"] == status
        assert metadata["passed_checks"] + metadata["failed_checks"] == 3


def test_a_validation_hands_on_data_and_verdict_or_fails() -> None:
    result = job_of(data_quality_validate_op, GOOD, with_rules=True).execute_in_process()
    assert result.output_for_node("data_quality_validate_op", "validated_data").equals(GOOD)
    assert result.output_for_node("data_quality_validate_op", "check_result")["passed_count"] == 3
    with pytest.raises(Failure) as failed:
        job_of(data_quality_validate_op, BAD, with_rules=True).execute_in_process()
    assert failed.value.allow_retries is False
    assert isinstance(failed.value.__cause__, DataQualityError)
    assert failed.value.__cause__.result.failed_count == 1
    result = job_of(data_quality_validate_op, BAD, with_rules=True).execute_in_process(raise_on_error=False)
    assert outputs_of(result, "data_quality_validate_op") == {}


def test_a_profile_is_handed_on() -> None:
    result = job_of(data_quality_profile_op, GOOD).execute_in_process()
    assert result.output_for_node("data_quality_profile_op")["columns"]["id"]["null_count"] == 0
    metadata = outputs_of(result, "data_quality_profile_op")["result"]
    assert (metadata["row_count"], metadata["column_count"]) == (3, 2)


def test_what_is_learned_is_handed_on_and_the_run_may_say_how() -> None:
    made = job_of(data_quality_learn_op, GOOD)
    result = made.execute_in_process(
        run_config={"ops": {"data_quality_learn_op": {"config": {"strictness": "strict", "cache_key": "orders"}}}}
    )
    schema = result.output_for_node("data_quality_learn_op")
    assert schema["strictness"] == "strict"
    metadata = outputs_of(result, "data_quality_learn_op")["result"]
    assert (metadata["rules_count"], metadata["columns_count"]) == (len(schema["rules"]), 2)
    assert (
        job_of(data_quality_learn_op, GOOD).execute_in_process().output_for_node("data_quality_learn_op")["strictness"]
        == "moderate"
    )
    wrong = made.execute_in_process(
        run_config={"ops": {"data_quality_learn_op": {"config": {"strictness": "strickt"}}}}, raise_on_error=False
    )
    assert not wrong.success


def test_the_configuration_of_learning() -> None:
    assert (LearnConfig().strictness, LearnConfig().cache_key) == ("moderate", None)
    with pytest.raises(ValidationError, match="strict"):
        LearnConfig(strictness="strickt")


def test_tags_and_requirements_are_those_of_the_specification() -> None:
    assert data_quality_check_op.tags == {"kind": "quality_check"}
    assert data_quality_profile_op.tags == {"kind": "profiling"}
    assert data_quality_learn_op.tags == {"kind": "schema_learning"}
    for each in (data_quality_check_op, data_quality_validate_op, data_quality_profile_op, data_quality_learn_op):
        assert each.required_resource_keys == {"data_quality"}
        assert each.retry_policy is None
    outs = data_quality_validate_op.output_dict
    assert (outs["validated_data"].is_required, outs["check_result"].is_required) == (True, False)


def test_an_op_with_rules_of_its_own() -> None:
    check_orders = create_check_op("check_orders", RULES, description="Orders", tags={"team": "x"})
    assert check_orders.name == "check_orders"
    assert check_orders.description == "Orders"
    assert check_orders.tags == {"kind": "quality_check", "team": "x"}
    result = job_of(check_orders, GOOD).execute_in_process()
    assert result.output_for_node("check_orders")["status"] == "passed"
    assert not job_of(check_orders, BAD).execute_in_process(raise_on_error=False).success
    lenient = create_check_op("lenient", RULES, fail_on_error=False, sample_size=2)
    value = job_of(lenient, BAD).execute_in_process().output_for_node("lenient")
    assert (value["status"], value["sampled_from"]) == ("failed", 3)


def test_an_op_from_a_configuration_object() -> None:
    config = CheckOpConfig(rules=RULES)
    assert (config.fail_on_error, config.timeout, config.sample_size) == (True, None, None)
    changed = config.with_fail_on_error(False).with_timeout(60).with_sample_size(2).with_rules(RULES[:2])
    assert changed.to_dict() == {"rules": RULES[:2], "fail_on_error": False, "timeout": 60, "sample_size": 2}
    assert config == CheckOpConfig(rules=RULES)
    assert job_of(create_check_op("check", config.with_fail_on_error(False)), BAD).execute_in_process().success
    strict = create_check_op("check", config.with_fail_on_error(False), fail_on_error=True)
    assert not job_of(strict, BAD).execute_in_process(raise_on_error=False).success
    for wrong in ({"rules": []}, {"timeout": 0}, {"timeout": 3601}, {"sample_size": 0}, {"fail": True}):
        with pytest.raises(ValidationError):
            CheckOpConfig(**{"rules": RULES, **wrong})


def test_misspelt_rules_are_refused_when_the_op_is_defined() -> None:
    with pytest.raises(RuleError, match=r"op check_orders: .*not_null"):
        create_check_op("check_orders", [{"column": "id", "type": "not_nul"}])
    with pytest.raises(QualityError, match="nothing would be checked"):
        create_check_op("check_orders", [])
