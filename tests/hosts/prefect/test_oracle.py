"""Dirty frames through the task: what the server shows is what the oracle says, which is SQL in another environment."""

import asyncio
import pickle
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from prefect import flow

from etl.integrations.prefect import adata_quality_check_task, data_quality_check_task
from tests.hosts.prefect.reading import Api
from tests.hosts.prefect.servers import REPOSITORY

CASES = 300
MAIN_ENVIRONMENT = REPOSITORY / ".venv" / "bin" / "python"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("oracle")
    command = [str(MAIN_ENVIRONMENT), "-m", "tests.hosts.oracle_cases", str(made), str(CASES)]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    return made


def handed_over(folder: Path, place: int, frame: pl.DataFrame) -> Any:
    """As a frame, as a lazy frame, as a file."""
    if place % 3 == 2:
        frame.write_parquet(folder / f"{place}.parquet")
        return str(folder / f"{place}.parquet")
    return frame.lazy() if place % 3 else frame


def test_no_verdict_differs_from_the_oracle(folder: Path, api: Api) -> None:
    with (folder / "cases.pickle").open("rb") as stream:
        written = pickle.load(stream)
    tables = {path.stem: pl.scan_parquet(path) for path in folder.glob("t_*.parquet")}
    returned: dict[int, Any] = {}

    def arguments(place: int, case: dict[str, Any]) -> dict[str, Any]:
        frame = pl.read_ipc(folder / case["frame"])
        options = {"tables": tables, "now": written["now"], "fail_on_error": False, "create_artifact": False}
        return {"data": handed_over(folder, place, frame), "rules": case["rules"], "key": f"oracle-{place}", **options}

    @flow
    def judge() -> None:
        for place, case in enumerate(written["cases"]):
            if place % 2 == 0:
                returned[place] = data_quality_check_task(**arguments(place, case))

    @flow
    async def ajudge() -> None:
        for place, case in enumerate(written["cases"]):
            if place % 2:
                returned[place] = await adata_quality_check_task(**arguments(place, case))

    judge()
    asyncio.run(ajudge())
    wrong, seen = [], Counter[str]()
    names = ("passed", "warning", "failed", "error")
    events = {
        each["resource"]["prefect.resource.id"]: each["payload"]
        for each in api.events(
            *(f"etl.quality.{name}" for name in names), prefix="etl.quality.oracle-", least=len(written["cases"])
        )
    }
    for place, case in enumerate(written["cases"]):
        shown = [
            (each["status"], each["failed_count"], each["total_count"])
            for each in events[f"etl.quality.oracle-{place}"]["results"]
        ]
        judged = [(each.status, each.failed_count, each.total_count) for each in returned[place].results]
        for rule, wanted, ours, theirs in zip(case["rules"], case["expected"], judged, shown, strict=True):
            seen[wanted[0]] += 1
            if not wanted == ours == theirs:
                wrong.append(f"{case['frame']} {rule}: {ours}, shown as {theirs}, not {wanted}")
    assert not wrong, "\n".join(wrong)
    assert seen.total() == CASES
    assert min(seen["passed"], seen["failed"], seen["error"]) > 15
