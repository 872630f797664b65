"""Attacks a run that compares source and warehouse, and one that continues after a kill: neither is green in silence."""

import sqlite3
from contextlib import closing

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS


def in_source(target: Target, statement: str) -> None:
    with closing(sqlite3.connect(target.project.source)) as source, source:
        source.execute(statement)


@pytest.mark.slow
def test_a_job_that_finds_a_difference_ends_as_verify_does(target: Target) -> None:
    target.project.write_tenant({"jobs": {"compare": {"verify": True}}})
    assert target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[2]).code == 0
    agrees = target.etl("run", "acme", "--job", "compare")
    assert agrees.code == target.etl("verify", "acme").code == 0, agrees.text
    in_source(target, "UPDATE orders SET amount = 9 WHERE order_id = 105")
    differs = target.etl("run", "acme", "--job", "compare")
    assert differs.code == target.etl("verify", "acme").code == 1, differs.text
    assert "the run succeeded, and source and warehouse differ" in differs.text


@pytest.mark.slow
def test_a_range_that_goes_on_after_a_kill_names_the_days_that_it_does_not_read(target: Target) -> None:
    whole = ("run", "acme", "--from", DAYS[0], "--to", DAYS[2])
    assert target.etl(*whole, environ={"ETL_FAULT": "extract.published@2=kill"}, fresh=True).code != 0
    said = target.etl(*whole)
    assert said.code == 0, said.text
    assert f"acme/orders [{DAYS[0]}]: not made again" in said.text, said.text
    assert f"[{DAYS[2]}]: not made again" not in said.text


@pytest.mark.slow
def test_a_rule_over_no_row_is_not_examined(target: Target) -> None:
    with closing(sqlite3.connect(target.project.source)) as source, source:
        source.execute("DELETE FROM orders")
    target.project.write_pipeline({"allow_empty": True, "max_shrink": 1.0, "volume": "off"})
    run = target.etl("run", "acme", "--from", "2026-01-01")
    assert run.code == 0, run.text
    rules = [{"column": "order_id", "type": "not_null"}, {"type": "row_count", "max": 5}]
    target.project.write_pipeline({"allow_empty": True, "quality": {"engine": "polars", "rules": rules}})
    said = " ".join(target.etl("plan", "acme").text.split())
    assert "not examined: there is no row to judge" in said, said
    assert "not_null__order_id: passes" not in said
