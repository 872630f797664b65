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
