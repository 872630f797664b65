"""The page shows the files that the tests run, and nothing else."""

import re
from pathlib import Path

import polars as pl
import pytest

from tests.hosts.airflow import shop

REPOSITORY = Path(__file__).parents[3]
PAGE = (REPOSITORY / "docs" / "airflow.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^<!-- (\S+) -->\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = REPOSITORY / "examples" / "airflow"


def test_every_example_is_on_the_page_as_it_is_and_no_other_code() -> None:
    data = BLOCKS.pop("data")
    files = {f"examples/airflow/{each.name}": each.read_text(encoding="utf-8") for each in EXAMPLES.glob("*.py")}
    assert files == BLOCKS
    assert PAGE.count("```python") == len(files) + 1
    BLOCKS["data"] = data


def test_the_data_of_the_first_check_is_that_of_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS["data"], "the page", "exec"), {})
    assert pl.read_parquet("data/new_users.parquet").equals(shop.TWICE)


def test_the_public_names_are_on_the_page() -> None:
    import etl.integrations.airflow as room

    # The factory of the decorator and the trigger are used under other names: `@task.quality_check`, the sensor.
    inner = {"quality_check_task", "DataArrivalTrigger", "DataQualitySettings"}
    assert [name for name in room.__all__ if name not in PAGE and name not in inner] == []
