"""docs/prefect.md and examples/prefect: every piece of code runs, in Prefect, and does what the page says."""

import asyncio
import importlib.util
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from etl.integrations import prefect as public
from etl.integrations.prefect import DataQualityError
from tests.hosts.prefect.reading import Api
from tests.hosts.prefect.servers import EXAMPLES, REPOSITORY

PAGE = REPOSITORY / "docs" / "prefect.md"
TEXT = PAGE.read_text(encoding="utf-8")
CODE = {
    part.partition("\n")[0]: re.findall(r"^```python\n(.*?)^```$", part, flags=re.MULTILINE | re.DOTALL)
    for part in TEXT.split("\n## ")[1:]
}
TESTED: set[str] = set()
USERS = pl.DataFrame({"user_id": [1, 2], "email": ["ann@example.com", "bo@example.org"], "age": [30, 40]})
ORDERS = pl.DataFrame({"order_id": [1, 2, 3], "amount": [10.0, 3.5, 7.25]})


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def section(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The code of a section, as a module."""
    (code,) = CODE[request.param]
    path = tmp_path / f"page_{[*CODE].index(request.param)}.py"
    path.write_text(code)
    yield module_at(path)
    sys.modules.pop(path.stem, None)


def of(name: str) -> pytest.MarkDecorator:
    TESTED.add(name)
    return pytest.mark.parametrize("section", [name], indirect=True, ids=[name])


def state_of(made: Any, *args: Any, **kwargs: Any) -> Any:
    state = made(*args, return_state=True, **kwargs)
    return asyncio.run(state) if inspect.iscoroutine(state) else state


def artifacts(api: Api, state: Any) -> dict[str, Any]:
    return api.artifacts(state.state_details.flow_run_id)


@of("From nothing to a failing check")
def test_from_nothing(section: Any, api: Api) -> None:
    state = state_of(section.first_check)
    assert state.is_failed()
    assert set(artifacts(api, state)) == {"orders", "orders-rules"}
    (code,) = CODE["From nothing to a failing check"]
    example = (EXAMPLES / "flows" / "first_check.py").read_text()
    assert code in example  # the page shows the file
    done = subprocess.run(
        [sys.executable, EXAMPLES / "flows" / "first_check.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "orders: failed: 1 of 3 rules passed over 4 rows, 2 failed" in done.stderr


@of("Checks in your flows")
def test_checks(section: Any, api: Api, tmp_path: Path) -> None:
    USERS.write_parquet(tmp_path / "users.parquet")
    USERS.with_columns(age=pl.lit(151)).write_parquet(tmp_path / "old.parquet")
    assert section.check_users(str(tmp_path / "users.parquet")) == 2
    assert section.check_users(str(tmp_path / "old.parquet")) == 0
    good = state_of(section.acheck_users, str(tmp_path / "users.parquet"))
    assert good.result() == 1.0
    assert {"users", "users-count"} <= set(artifacts(api, good))
    bad = state_of(section.acheck_users, str(tmp_path / "old.parquet"))
    with pytest.raises(DataQualityError) as raised:
        bad.result()
    assert raised.value.result.failed_count == 1


@of("Blocks")
def test_blocks(section: Any) -> None:
    assert section.status == "passed"


@of("Flows around a function")
def test_decorators(section: Any, api: Api) -> None:
    processed = state_of(section.process_users)
    assert processed.is_completed()
    assert "FAILED" in artifacts(api, processed)["users"]["data"]
    assert state_of(section.load_users).result().collect().height == 3
    assert "data-profile" in artifacts(api, state_of(section.describe_users))


@of("Flows from rules")
def test_factories(section: Any) -> None:
    assert section.result.is_success
    assert section.with_domain["domain"].to_list() == ["example.com", "example.org"]
    assert asyncio.run(section.user_validation_flow(section.users)).equals(section.users)


@of("Profile and learn")
def test_profile_and_learn(section: Any, tmp_path: Path) -> None:
    trusted = pl.DataFrame({"amount": [float(each) for each in range(100)]})
    trusted.write_parquet(tmp_path / "trusted.parquet")
    trusted.with_columns(amount=pl.lit(-1e9)).write_parquet(tmp_path / "today.parquet")
    arguments = [str(tmp_path / f"{name}.parquet") for name in ("trusted", "today")]
    assert section.learn_and_judge(*arguments) == (100, "failed")


@of("Assets")
def test_assets(section: Any, tmp_path: Path, api: Api) -> None:
    ORDERS.write_parquet(tmp_path / "orders.parquet")
    state = state_of(section.make_orders, str(tmp_path / "orders.parquet"))
    assert state.result() == 3
    (event,) = api.events("prefect.asset.materialization.succeeded", run_id=state.state_details.flow_run_id)
    assert event["payload"]["quality"]["status"] == "passed"


@of("Promises")
def test_promises(section: Any) -> None:
    assert section.measure_users() == ["pass rate 0.00% is below 90.00%"]
    assert section.measure_users() == ["pass rate 0.00% is below 90.00%", "2 failures in a row, the limit is 2"]


def test_every_section_with_code_is_tested() -> None:
    assert {name for name, code in CODE.items() if code} == TESTED


def test_every_public_name_is_on_the_page() -> None:
    missing = {name for name in public.__all__ if name not in TEXT and name.removeprefix("a") not in TEXT}
    assert missing == set()
    assert all(getattr(public, name) is not None for name in public.__all__)


# The examples that no deployment of the tests runs


def test_the_pipeline_with_gates(tmp_path: Path, api: Api) -> None:
    pipeline = module_at(EXAMPLES / "flows" / "quality_pipeline.py").etl_pipeline
    rows = {"id": [1, 2], "email": ["a@b.com", "c@d.org"], "amount": [1.234, 2.0], "status": ["active", "gone"]}
    source, destination = tmp_path / "raw.parquet", tmp_path / "processed.parquet"
    pl.DataFrame(rows).write_parquet(source)
    state = state_of(pipeline, source=str(source), destination=str(destination))
    assert state.result() == {"extracted_rows": 2, "raw_quality": "passed", "loaded_rows": 1}
    assert pl.read_parquet(destination)["amount"].to_list() == [1.23]
    destination.unlink()
    pl.DataFrame(rows | {"amount": [-1.0, 2.0]}).write_parquet(source)
    failed = state_of(pipeline, source=str(source), destination=str(destination))
    assert failed.is_failed()
    assert set(artifacts(api, failed)) == {"raw", "raw-rules"}
    assert not destination.exists()


def test_parallel_checks(tmp_path: Path) -> None:
    checks = module_at(EXAMPLES / "flows" / "parallel_checks.py").parallel_validation_flow
    USERS.write_parquet(tmp_path / "users.parquet")
    rules = {
        "users": [{"column": "user_id", "type": "not_null"}],
        "adults": [{"column": "age", "type": "in_range", "min": 35}],
    }
    datasets = [{"name": name, "path": str(tmp_path / "users.parquet"), "rules": each} for name, each in rules.items()]
    assert checks(datasets) == [{"name": "users", "status": "passed"}, {"name": "adults", "status": "failed"}]


def test_the_asset(tmp_path: Path) -> None:
    ORDERS.write_parquet(tmp_path / "orders.parquet")
    assert module_at(EXAMPLES / "flows" / "assets.py").make_orders(str(tmp_path / "orders.parquet")) == 3
