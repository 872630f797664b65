"""The examples as deployments: a process work pool with a worker, an automation, and `serve`."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from etl.integrations.contract import read_verdict
from etl.integrations.prefect import DataQualityBlock, SLABlock
from etl.integrations.rendering import as_line
from tests.hosts.prefect.conftest import ENVIRON
from tests.hosts.prefect.reading import Api, timeless
from tests.hosts.prefect.servers import BIN, EXAMPLES, command, started, wait_for

Bare = Callable[[dict[str, Any]], dict[str, dict[str, Any]]]
RULES = [
    {"column": "order_id", "type": "not_null"},
    {"column": "order_id", "type": "unique"},
    {"column": "amount", "type": "in_range", "min": 0},
]
GOOD = pl.DataFrame({"order_id": [1, 2, 3], "amount": [10.0, 3.5, 7.25]})
BAD = pl.DataFrame({"order_id": [1, 2, 2], "amount": [10.0, -3.5, 7.25]})
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("orders")
    GOOD.write_parquet(folder / "good.parquet")
    BAD.write_parquet(folder / "bad.parquet")
    BAD.drop("amount").write_parquet(folder / "narrow.parquet")
    return {name: str(folder / f"{name}.parquet") for name in ("good", "bad", "narrow")} | {
        "missing": str(folder / "no.parquet")
    }


@pytest.fixture(scope="module")
def worker(api: Api) -> Iterator[None]:
    """What prefect.yaml says, deployed as its first line says, and a worker of its pool."""
    DataQualityBlock(default_rules=RULES).save("production-quality", overwrite=True)
    SLABlock(min_pass_rate=0.9).save("orders", overwrite=True)
    command("prefect", "work-pool", "create", "local-pool", "--type", "process")
    command("prefect", "--no-prompt", "deploy", "--all")
    command("python", "automation.py", "tell/people", "--key", "orders-daily")
    words = [BIN / "prefect", "worker", "start", "--pool", "local-pool", "--type", "process", "--name", "tests"]
    serve = [sys.executable, EXAMPLES / "serve.py"]
    with started(words, ENVIRON, "worker"), started(serve, ENVIRON, "serve"):
        yield


def start(api: Api, deployment: str, **parameters: Any) -> str:
    found = wait_for(lambda: deployment_of(api, deployment), deployment)
    return str(
        api.post(f"deployments/{found}/create_flow_run", {"parameters": parameters, "state": {"type": "SCHEDULED"}})[
            "id"
        ]
    )


def deployment_of(api: Api, deployment: str) -> str | None:
    name = deployment.partition("/")[2]
    found = api.post("deployments/filter", {"deployments": {"name": {"any_": [name]}}})
    return str(found[0]["id"]) if found else None


def ended(api: Api, run_id: str) -> dict[str, Any]:
    def state() -> dict[str, Any] | None:
        run = api.flow_run(run_id)
        return run if run["state"] and run["state"]["type"] in ENDED else None

    found: dict[str, Any] = wait_for(state, f"flow run {run_id}")  # type: ignore[assignment]
    return found


def test_deployments_run_on_a_worker_and_an_automation_fires(
    worker: None, api: Api, bare: Bare, files: dict[str, str]
) -> None:
    begun = {
        "good": start(api, "daily-quality-flow/daily-quality-check", path=files["good"]),
        "bad": start(api, "daily-quality-flow/daily-quality-check", path=files["bad"]),
        "narrow": start(api, "ad-hoc-validation/ad-hoc-validation", data=files["narrow"]),
        "missing": start(api, "ad-hoc-validation/ad-hoc-validation", data=files["missing"]),
        "promise": start(api, "hourly-monitoring-flow/hourly-monitoring", path=files["bad"]),
        "served": start(api, "daily-quality-flow/served-daily-check", path=files["bad"]),
    }
    cases = {name: {"data": files[name], "rules": RULES, "engine": "truthound"} for name in ("good", "bad", "narrow")}
    wanted = bare(cases) | {"served": bare({"bad": cases["bad"]})["bad"]}
    runs = {name: ended(api, run_id) for name, run_id in begun.items()}
    assert {name: run["state"]["type"] for name, run in runs.items()} == {
        "good": "COMPLETED", "bad": "FAILED", "narrow": "FAILED", "missing": "FAILED", "promise": "FAILED", "served": "FAILED",
    }  # fmt: skip
    keys = {"good": "orders-daily", "bad": "orders-daily", "served": "orders-daily", "narrow": "orders-ad-hoc"}
    for name, key in keys.items():
        status = wanted[name]["status"]
        (event,) = api.events(f"etl.quality.{status}", run_id=begun[name], resource=f"etl.quality.{key}")
        subject = Path(files.get(name, files["bad"])).name
        assert timeless(event["payload"]) == timeless(wanted[name]) | {"subject": subject}
        line = as_line(read_verdict({**wanted[name], "subject": subject}))
        assert api.artifacts(begun[name])[key]["description"] == line
        if name != "good":
            assert line in runs[name]["state"]["message"]
    assert "there is no file" in runs["missing"]["state"]["message"]
    assert "pass rate 33.33% is below 90.00%" in runs["promise"]["state"]["message"]

    # The automation ran the deployment `people` for each bad verdict with that key, with its numbers, and not for the good one.
    told = wait_for(lambda: told_of(api, least=2), "runs of the automation", 40)
    assert sorted(told) == [  # type: ignore[type-var]
        ("bad.parquet", "failed", 2),
        ("bad.parquet", "failed", 2),
    ]


def told_of(api: Api, least: int) -> list[tuple[str, str, int]]:
    runs = [each["parameters"] for each in api.post("flow_runs/filter", {"flows": {"name": {"any_": ["tell"]}}})]
    return [(each["what"], each["status"], each["failed"]) for each in runs] if len(runs) >= least else []


def test_the_files_for_containers_name_what_is_there() -> None:
    assert "'tenant-etl[prefect]'" in (EXAMPLES / "Dockerfile").read_text()
    (container,) = yaml.safe_load((EXAMPLES / "worker.yaml").read_text())["spec"]["template"]["spec"]["containers"]
    assert {each["name"] for each in container["env"]} == {"PREFECT_API_URL", "PREFECT_API_KEY"}
    deployed = yaml.safe_load((EXAMPLES / "prefect.yaml").read_text())["deployments"]
    assert {each["work_pool"]["name"] for each in deployed} == {"local-pool"}
