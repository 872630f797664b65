"""Attacks names that a person writes: a key of a list means that key, a column that is not there is told.

Each of these was green: the wrong key ran, a personal column with a mistyped name was shown.
"""

import sqlite3
from contextlib import closing

import pytest

from tests.attack.target import Target

NO_TIME = dict.fromkeys(("start", "end", "timezone"))
LIST = {"partitions": {"by": "region", "keys": ["emea", "apac"], **NO_TIME}, "date_column": None, "has_transfer": False}


@pytest.mark.slow
def test_one_key_of_a_list_is_one_key(target: Target) -> None:
    with closing(sqlite3.connect(target.project.source)) as source, source:
        source.execute("ALTER TABLE orders ADD COLUMN region TEXT")
        source.execute("UPDATE orders SET region = CASE order_id % 2 WHEN 0 THEN 'emea' ELSE 'apac' END")
        source.execute("UPDATE orders SET amount = NULL WHERE region = 'apac'")
    rules = [{"column": "amount", "type": "not_null"}]
    target.project.write_pipeline({**LIST, "quality": {"engine": "polars", "rules": rules}})
    said = target.etl("run", "acme", "--partition", "emea")
    assert said.code == 0, said.text
    assert [path.parent.name for path in target.project.published() if "extract" in path.parts] == ["key=emea"]
    assert target.etl("run", "acme", "--from", "emea", "--to", "apac").code == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"pii_columns": ["amuont"]}, "`pii_columns` names `amuont`, which is no column; did you mean `amount`?"),
        ({"has_transfer": False, "pii_columns": ["Amount"]}, "did you mean `amount`?"),
        ({"quality": {"safe_columns": ["cent"]}}, "`quality.safe_columns` names `cent`"),
        ({"trino_output": {"key_columns": ["oder_id"]}}, "`trino_output` names `oder_id`"),
    ],
)
def test_a_column_that_is_not_there_is_told_and_nothing_is_published(
    target: Target, changes: dict[str, object], names: str
) -> None:
    target.project.write_pipeline(changes)
    said = target.etl("run", "acme", "--from", "2026-01-01")
    assert said.code == 1
    assert names in " ".join(said.text.split())
    stage = "extract" if "has_transfer" in changes else "transfer"
    assert [path for path in target.project.published() if stage in path.parts] == []
    connected = target.etl("check", "acme", "--connect")
    assert connected.code == (2 if stage == "extract" else 0), connected.text


@pytest.mark.slow
def test_the_demo_source_stands_in_for_no_database_in_silence(target: Target) -> None:
    run = ("run", "acme", "--from", "2026-01-01")
    said = target.etl(*run)
    assert said.code == 0
    assert "acme reads its demo source and not its database: ACME_DB_HOST, " in said.text
    half = target.etl(*run, environ={"ACME_DB_HOST": "localhost", "ACME_DB_NAME": "shop", "ACME_DB_USER": "etl"})
    assert half.code == 1, half.text
    assert "not set in the environment: ACME_DB_PASSWORD" in half.text
