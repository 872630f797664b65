"""`DataQualityResource` and `EngineResource` by themselves and inside runs."""
# ruff: noqa: ARG002  Dagster is what is tested

import inspect
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import DagsterInvalidConfigError, EnvVar, asset, materialize
from pydantic import ValidationError

from etl.errors import QualityError, SourceError
from etl.integrations.dagster import (
    CheckStatus,
    DataQualityError,
    DataQualityResource,
    EngineResource,
    EngineResourceConfig,
    ProfileOutput,
    QualityCheckOutput,
    serialize_result,
)
from etl.quality.engine import Capabilities, EngineReport, Outcome
from etl.quality.engine_methods import EngineMethods
from etl.quality.engines.polars import PolarsEngine
from etl.quality.rules import RULE_TYPES, RuleError
from tests.integrations.dagster.runs import BAD, EMPTY, GOOD, NULL_AND_DUPLICATE, POLARS, RULES


class Custom(PolarsEngine):
    """An engine of one's own, by object."""

    name = "custom"


class Slow(EngineMethods):
    """Takes its time; notes how many calls run at once."""

    name = "slow"
    capabilities = Capabilities(rules=frozenset(RULE_TYPES))

    def __init__(self, wait: Callable[[], Any]) -> None:
        self.wait, self.running, self.most = wait, 0, 0

    def judge(self, data: Any, rules: Any, context: Any) -> Any:
        self.running += 1
        self.most = max(self.most, self.running)
        self.wait()
        self.running -= 1
        return EngineReport([Outcome(position, 0, 1) for position in range(len(rules))], 1)


@pytest.fixture
def database(tmp_path: Path) -> Any:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE orders (id INTEGER, qty INTEGER); INSERT INTO orders VALUES (1, 5), (2, 0), (3, -1);"
        )
    connection.close()
    return f"sqlite:///{path}"


def test_defaults_are_those_of_the_specification() -> None:
    resource = DataQualityResource()
    assert resource.connection_string is None
    assert resource.default_timeout == 300
    assert resource.fail_on_error is True
    assert resource.parallel is True
    assert resource.cache_schemas is True
    assert resource.engine == "truthound"
    parameters = inspect.signature(DataQualityResource.check).parameters
    assert [*parameters][:6] == ["self", "data", "rules", "fail_on_error", "timeout", "sample_size"]
    profile = inspect.signature(DataQualityResource.profile).parameters
    assert [*profile] == [
        "self", "data", "columns", "include_statistics", "include_patterns", "include_distributions", "sample_size",
    ]  # fmt: skip
    assert [profile[name].default for name in [*profile][2:]] == [None, True, True, True, None]
    assert inspect.signature(DataQualityResource.learn).parameters["strictness"].default == "moderate"


@pytest.mark.parametrize("seconds", [1, 3600])
def test_the_timeout_may_be_at_its_bounds(seconds: float) -> None:
    assert DataQualityResource(default_timeout=seconds).default_timeout == seconds
    assert POLARS.check(GOOD, RULES, timeout=seconds).is_success


@pytest.mark.parametrize("seconds", [0, 3601, -1])
def test_the_timeout_may_not_be_beyond_its_bounds(seconds: float) -> None:
    with pytest.raises(ValidationError):
        DataQualityResource(default_timeout=seconds)
    with pytest.raises(ValidationError):
        EngineResource(default_timeout=seconds)
    with pytest.raises(QualityError, match="timeout"):
        POLARS.check(GOOD, RULES, timeout=seconds)


def test_a_misspelt_field_and_a_misspelt_engine_are_refused() -> None:
    with pytest.raises(ValidationError):
        DataQualityResource(fail_on_eror=False)
    with pytest.raises(ValidationError, match="truthound"):
        DataQualityResource(engine="truthond")
    with pytest.raises(ValidationError, match="polars"):
        EngineResource(engine_name="polar")


def test_settings_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    resource = DataQualityResource(connection_string=EnvVar("SHOP_URL"), engine=EnvVar("QUALITY_ENGINE"))
    monkeypatch.setenv("SHOP_URL", database)
    monkeypatch.setenv("QUALITY_ENGINE", "polars")
    seen = []

    @asset
    def orders(data_quality: DataQualityResource) -> None:
        seen.append(data_quality.check("orders", RULES, fail_on_error=False))

    assert materialize([orders], resources={"data_quality": resource}).success
    assert (seen[0].row_count, seen[0].failed_count, seen[0].engine) == (3, 1, "polars")
    monkeypatch.setenv("QUALITY_ENGINE", "polar")
    assert not materialize([orders], resources={"data_quality": resource}, raise_on_error=False).success
    monkeypatch.delenv("SHOP_URL")
    with pytest.raises(DagsterInvalidConfigError, match="SHOP_URL"):
        materialize([orders], resources={"data_quality": resource})


def test_good_data_passes_and_the_numbers_are_right() -> None:
    result = POLARS.check(GOOD.lazy(), RULES)
    assert isinstance(result, QualityCheckOutput)
    assert result.is_success
    assert not result.is_sampled
    assert (result.status, result.passed_count, result.failed_count, result.total_count) == (
        CheckStatus.PASSED,
        3,
        0,
        3,
    )
    assert (result.pass_rate, result.row_count, result.failures) == (1.0, 3, ())
    assert POLARS.check(EMPTY, RULES).is_success


def test_bad_data_raises_with_the_result_unless_told_otherwise() -> None:
    with pytest.raises(DataQualityError) as raised:
        POLARS.check(NULL_AND_DUPLICATE, RULES)
    assert raised.value.result.failed_count == 2
    assert "unique__id" in str(raised.value)
    assert POLARS.check(BAD, RULES, fail_on_error=False).failed_count == 1
    lenient = DataQualityResource(engine="polars", fail_on_error=False)
    assert lenient.check(BAD, RULES).status is CheckStatus.FAILED
    with pytest.raises(DataQualityError):
        lenient.check(BAD, RULES, fail_on_error=True)


def test_failures_say_how_many_of_how_many() -> None:
    (failure,) = POLARS.check(BAD, RULES, fail_on_error=False).failures
    assert (failure.rule_name, failure.column, failure.severity) == ("in_range__qty", "qty", "error")
    assert (failure.failed_count, failure.total_count, failure.failure_rate) == (2, 3, 2 / 3)


def test_a_warning_does_not_raise_and_is_no_success() -> None:
    result = POLARS.check(BAD, [{**RULES[2], "severity": "warning"}])
    assert (result.status, result.is_success, result.warning_count) == (CheckStatus.WARNING, False, 1)


def test_a_rule_that_cannot_be_judged_raises_and_is_no_failure() -> None:
    rules = [{"column": "qyt", "type": "not_null"}]
    with pytest.raises(DataQualityError, match="qyt"):
        POLARS.check(GOOD, rules)
    result = POLARS.check(GOOD, rules, fail_on_error=False)
    assert (result.status, result.error_count, result.failed_count) == (CheckStatus.ERROR, 1, 0)


def test_an_unreadable_rule_raises_even_if_failures_do_not() -> None:
    with pytest.raises(RuleError, match="not_null"):
        POLARS.check(GOOD, [{"column": "id", "type": "not_nul"}], fail_on_error=False)


def test_a_check_that_takes_too_long_is_an_error() -> None:
    never = threading.Event()
    resource = DataQualityResource.with_engine(Slow(never.wait), default_timeout=1)
    with pytest.raises(DataQualityError, match="within 1 seconds"):
        resource.check(GOOD, RULES)
    never.set()


def test_an_engine_of_ones_own_survives_the_run() -> None:
    seen = []

    @asset
    def orders(data_quality: DataQualityResource) -> None:
        seen.append(data_quality.check(GOOD, RULES))

    resource = DataQualityResource.with_engine(Custom(), default_timeout=60)
    assert resource.default_timeout == 60
    assert materialize([orders], resources={"data_quality": resource}).success
    assert seen[0].engine == "custom"
    assert DataQualityResource().bound_engine is None


def test_results_are_plain_data_that_can_be_read_back() -> None:
    result = POLARS.check(BAD, RULES, fail_on_error=False)
    raw = serialize_result(result)
    assert raw["status"] == "failed"
    assert raw["pass_rate"] == result.pass_rate
    assert QualityCheckOutput.from_dict(raw) == result
    profile = POLARS.profile(GOOD)
    assert ProfileOutput.from_dict(serialize_result(profile)) == profile


def test_a_sample_is_the_same_each_time_and_the_result_says_so() -> None:
    frame = pl.DataFrame({"id": range(10_000), "qty": [-1 if n % 2 else 1 for n in range(10_000)]})
    lazily = POLARS.check(frame.lazy(), RULES, sample_size=100, fail_on_error=False)
    results = [POLARS.check(frame, RULES, sample_size=100, fail_on_error=False) for _ in range(2)] + [lazily]
    counts = {each.failures[0].failed_count for each in results}
    assert len(counts) == 1
    assert 25 < counts.pop() < 75
    assert {(each.row_count, each.sampled_from, each.is_sampled) for each in results} == {(100, 10_000, True)}
    assert "sample of 100 of 10000 rows" in results[0].summary
    assert results[0].to_metadata()["sampled_from_rows"].value == 10_000


def test_a_sample_as_large_as_the_data_is_none() -> None:
    assert not POLARS.check(GOOD, RULES, sample_size=3).is_sampled
    with pytest.raises(QualityError, match="sample_size"):
        POLARS.check(GOOD, RULES, sample_size=0)


def test_rules_about_the_table_see_every_row_of_a_sampled_check() -> None:
    frame = pl.DataFrame({"id": range(1000), "qty": 1})
    rules = [{"type": "row_count", "min": 1000, "max": 1000}, *RULES, {"type": "row_count", "max": 999}]
    result = POLARS.check(frame, rules, sample_size=10, fail_on_error=False)
    assert result.is_sampled
    assert [each.rule_name for each in result.failures] == ["row_count_2"]


def test_a_path_of_parquet_can_be_checked(tmp_path: Path) -> None:
    BAD.write_parquet(tmp_path / "orders.parquet")
    assert POLARS.check(tmp_path / "orders.parquet", RULES, fail_on_error=False).failed_count == 1
    assert POLARS.check(str(tmp_path / "orders.parquet"), RULES, sample_size=2, fail_on_error=False).is_sampled


def test_something_that_is_no_table_is_refused() -> None:
    with pytest.raises(QualityError, match="list cannot be checked"):
        POLARS.check([1, 2], RULES)


@pytest.mark.parametrize(
    ("text", "rows", "failed"),
    [
        ("orders", 3, 1),
        ("SELECT * FROM orders WHERE qty >= 0;", 2, 0),
        ("-- the good ones\nwith good as (select * from orders where qty > 0) select * from good", 1, 0),
    ],
)
def test_a_table_of_a_database_can_be_checked(database: str, text: str, rows: int, failed: int) -> None:
    resource = DataQualityResource(connection_string=database, engine="polars")
    result = resource.check(text, RULES, fail_on_error=False)
    assert (result.row_count, result.failed_count) == (rows, failed)
    assert resource.profile(text).row_count == rows
    assert resource.check(GOOD, RULES).row_count == 3  # frames are still frames
    assert set(resource.learn(text)["columns"]) == {"id", "qty"}


def test_a_table_that_is_not_there_is_an_error_that_names_it(database: str) -> None:
    resource = DataQualityResource(connection_string=database, engine="polars")
    with pytest.raises(SourceError, match="ordres"):
        resource.check("ordres", RULES, fail_on_error=False)
    with pytest.raises(QualityError, match="no table"):
        resource.check("  ", RULES)


def test_a_secret_of_the_connection_is_in_no_message() -> None:
    resource = DataQualityResource(connection_string="postgresql://me:hunter2@127.0.0.1:1/none", engine="polars")
    with pytest.raises(SourceError) as raised:
        resource.check("orders", RULES)
    assert "hunter2" not in str(raised.value)


def test_a_profile_describes_what_is_asked_for() -> None:
    full = POLARS.profile(GOOD)
    assert full.columns["qty"]["max"] == 5
    assert full.columns["qty"]["null_count"] == 0
    less = POLARS.profile(GOOD, columns=["qty"], include_statistics=False, sample_size=2)
    assert set(less.columns) == {"qty"}
    assert set(less.columns["qty"]) == {"dtype", "null_count", "unique_count"}
    assert (less.row_count, less.sampled_from) == (2, 3)
    with pytest.raises(QualityError, match="qty"):
        POLARS.profile(GOOD, columns=["qyt"])


def test_what_was_learned_is_passed_by_what_it_was_learned_from() -> None:
    schema = POLARS.learn(GOOD)
    assert schema["rules"]
    assert schema["columns"] == {"id": "Int64", "qty": "Int64"}
    assert POLARS.validate_with_schema(GOOD, schema).is_success
    with pytest.raises(DataQualityError):
        POLARS.validate_with_schema(NULL_AND_DUPLICATE, schema)


@pytest.mark.parametrize("schema", [{}, {"rules": []}, {"columns": {"id": "Int64"}}])
def test_a_schema_without_rules_is_no_pass(schema: Any) -> None:
    with pytest.raises(QualityError, match="nothing would be checked"):
        POLARS.validate_with_schema(GOOD, schema)


def test_a_strictness_that_does_not_exist_is_refused() -> None:
    with pytest.raises(QualityError, match="lenient"):
        POLARS.learn(GOOD, strictness="lenientt")


def test_learned_schemas_are_remembered_by_their_key_if_wanted() -> None:
    resource = DataQualityResource(engine="polars")
    first = resource.learn(GOOD, cache_key="orders")
    first["rules"].clear()  # the caller's copy
    resource.learn(GOOD, cache_key="orders")["rules"].clear()
    again = resource.learn(BAD, cache_key="orders")
    assert again["rules"]
    assert resource.validate_with_schema(GOOD, again).is_success
    assert resource.learn(GOOD, cache_key="orders", strictness="strict")["strictness"] == "strict"
    forgetful = DataQualityResource(engine="polars", cache_schemas=False)
    forgetful.learn(GOOD, cache_key="orders")
    assert forgetful.learn(BAD, cache_key="orders")["rules"] != again["rules"]
    assert DataQualityResource(engine="polars").learn(BAD, cache_key="orders")["rules"] != again["rules"]


@pytest.mark.parametrize("parallel", [True, False])
def test_checks_of_several_threads_run_side_by_side_or_one_by_one(parallel: bool) -> None:
    together = threading.Barrier(4)
    engine = Slow(lambda: together.wait(60) if parallel else time.sleep(0.05))
    resource = DataQualityResource.with_engine(engine, parallel=parallel)
    threads = [threading.Thread(target=resource.check, args=(GOOD, RULES)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.most == (4 if parallel else 1)
    assert not together.broken


def test_many_threads_get_their_own_verdicts() -> None:
    verdicts = {}

    def check(n: Any) -> Any:
        frame = BAD if n % 2 else GOOD
        verdicts[n] = POLARS.check(frame, RULES, fail_on_error=False).is_success

    threads = [threading.Thread(target=check, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == {n: n % 2 == 0 for n in range(16)}


def test_a_foreign_key_is_judged_by_the_tables_given() -> None:
    rules = [{"column": "id", "type": "foreign_key", "to": "customers"}]
    customers = {"customers": pl.LazyFrame({"id": [1, 2]})}
    assert POLARS.check(GOOD, rules, tables=customers, fail_on_error=False).failures[0].failed_count == 1


def test_an_engine_as_a_resource_hands_back_results_as_they_are() -> None:
    engine = EngineResource(engine_name="polars")
    assert engine.check(BAD, RULES).failed_count == 1
    assert engine.profile(GOOD).row_count == 3
    assert engine.learn(GOOD).rules
    assert EngineResource.with_engine(Custom()).engine.name == "custom"
    assert EngineResource().engine_name == "truthound"
    seen = []

    @asset
    def orders(engine: EngineResource) -> None:
        seen.append(engine.check(GOOD, RULES).engine)

    assert materialize([orders], resources={"engine": EngineResource.with_engine(Custom())}).success
    assert seen == ["custom"]


def test_the_configuration_of_an_engine_and_its_builders() -> None:
    config = EngineResourceConfig()
    assert (config.engine_name, config.default_timeout) == ("truthound", 300)
    changed = config.with_engine("polars").with_timeout(60)
    assert (changed.engine_name, changed.default_timeout) == ("polars", 60)
    assert EngineResource.from_config(changed).engine.name == "polars"
    for wrong in ({"engine_name": "polar"}, {"default_timeout": 0}, {"default_timeout": 3601}, {"engine": "polars"}):
        with pytest.raises(ValidationError):
            EngineResourceConfig(**wrong)


@pytest.mark.parametrize("resource", [POLARS, EngineResource(engine_name="polars")], ids=["resource", "engine"])
def test_no_rules_are_refused_and_do_not_pass(resource: DataQualityResource | EngineResource) -> None:
    with pytest.raises(QualityError, match="there are no rules, so nothing would be checked"):
        resource.check(GOOD, [])


def test_the_password_of_the_connection_is_not_in_what_the_resource_says_of_itself() -> None:
    assert "s3cret" not in repr(DataQualityResource(connection_string="postgresql://user:s3cret@localhost/db"))


def test_reading_a_table_is_within_the_timeout(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n LIMIT 20000000) SELECT id FROM n"
    resource = DataQualityResource(connection_string=f"sqlite:///{tmp_path / 'empty.db'}", engine="polars")
    sqlite3.connect(tmp_path / "empty.db").close()
    with pytest.raises(QualityError, match="no verdict within 1 seconds"):
        resource.check(endless, [{"column": "id", "type": "positive"}], timeout=1, fail_on_error=False)


def test_drawing_a_sample_is_within_the_timeout() -> None:
    slow = GOOD.lazy().map_batches(lambda frame: (time.sleep(1.1), frame)[1])
    with pytest.raises(QualityError, match="no verdict within 1 seconds: reading took them all"):
        POLARS.check(slow, RULES, timeout=1, sample_size=2, fail_on_error=False)


def test_results_can_be_made_of_what_the_specification_names() -> None:
    now = datetime.now(UTC)
    counts = {"passed_count": 1, "failed_count": 1, "warning_count": 0, "failures": ()}
    made = QualityCheckOutput(status=CheckStatus.FAILED, **counts, execution_time_ms=1.0, timestamp=now)
    assert (made.is_success, made.total_count, made.pass_rate) == (False, 2, 0.5)
    profile = ProfileOutput(columns={"a": {"dtype": "Int64"}}, row_count=3, execution_time_ms=1.0, timestamp=now)
    assert profile.to_metadata()["column_count"].value == 1
