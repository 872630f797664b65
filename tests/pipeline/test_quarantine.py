"""Rejected rows as a person deals with them, by the commands: seen, replayed by a real run, discarded, remembered."""

import polars as pl
import pytest
from dagster import DagsterInstance, DagsterRunStatus

from etl.cli import quarantine
from etl.config import load_tenant
from etl.errors import EtlError
from etl.pipeline.quarantine import history, rejected_rows
from etl.settings import load_settings
from tests.pipeline.stages import lake_rows, run_stages, table
from tests.tiny_project import DAYS, ROWS_PER_DAY, TinyProject

RULE = {"column": "cents", "type": "in_range", "max": 1500}
DAY, OTHER = DAYS[0], DAYS[1]


def judge_by(project: TinyProject, limit: int) -> None:
    rules = [{**RULE, "max": limit}]
    project.write_pipeline({"pii_columns": ["name"], "quality": {"on_failure": "quarantine", "rules": rules}})


@pytest.fixture
def rejected(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    """Two days, five rows of each rejected."""
    monkeypatch.setenv("COLUMNS", "250")
    judge_by(project, 1500)
    for day in (DAY, OTHER):
        run_stages(project, partition=day, run_id="the-first-run")
    return project


def counts(project: TinyProject, day: str) -> tuple[int, int, int]:
    """Rows read, published and in quarantine, as the files say."""
    rows = lake_rows(project)
    place = f"orders/dt={day}/data.parquet"
    kept = rows.get(f"acme/transfer_quarantine/{place}", pl.DataFrame())
    return rows[f"acme/extract/{place}"].height, rows[f"acme/transfer/{place}"].height, kept.height


def decisions(project: TinyProject) -> list[tuple[str, str | None, int, int]]:
    found = history(load_settings(project.environ), "acme")
    return [(each.action, each.partition, each.rows_before, each.rows_after) for each in found]


def test_what_is_rejected_is_listed_with_its_reasons(rejected: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine.list_rejected(None)
    said = capsys.readouterr().out
    assert said.count("in_range__cents 5") == 2
    assert DAY in said
    assert OTHER in said
    assert "the-firs" in said
    settings = load_settings(rejected.environ)
    found = list(rejected_rows(load_tenant("acme", settings), settings))
    assert [(each.partition, each.rows, each.rows_read) for each in found] == [(DAY, 5, 20), (OTHER, 5, 20)]


def test_nothing_rejected_is_said(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    run_stages(project)
    quarantine.list_rejected("acme")
    assert "No rejected rows" in capsys.readouterr().out
    with pytest.raises(EtlError, match="acme/orders has no rejected rows"):
        quarantine.show("acme", "orders", None, 10)


def test_the_rows_are_shown_with_reasons_and_without_personal_columns(
    rejected: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    quarantine.show("acme", "orders", DAY, 3)
    said = capsys.readouterr().out
    assert "3 of 5 rejected rows" in said
    assert said.count("in_range__cents") == 3
    assert "***" in said
    assert "이름" not in said
    assert "_run_id" not in said


def test_discarded_rows_are_gone_and_their_number_and_reason_are_kept(
    rejected: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    quarantine.discard("acme", "orders", "tests of the shop", DAY, yes=True)
    assert counts(rejected, DAY) == (20, 15, 0)
    assert counts(rejected, OTHER) == (20, 15, 5)
    assert decisions(rejected) == [("discarded", DAY, 5, 0)]
    check_invariant(rejected)
    capsys.readouterr()
    quarantine.history("acme")
    said = capsys.readouterr().out
    assert "tests of the shop" in said
    assert "discarded" in said
    with pytest.raises(EtlError, match=f"of {DAY} has no rejected rows"):
        quarantine.discard("acme", "orders", "again", DAY, yes=True)
    assert len(decisions(rejected)) == 1


def test_an_unknown_pipeline_is_named(rejected: TinyProject) -> None:
    with pytest.raises(EtlError, match="has no pipeline `ordres`"):
        quarantine.discard("acme", "ordres", "why", None, yes=True)
    assert decisions(rejected) == []


def test_a_replay_after_the_rule_was_mended_is_a_real_run_that_takes_the_rows_back(
    rejected: TinyProject, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in rejected.process_environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(rejected.root)
    judge_by(rejected, 1800)  # 16.25 and 17.25 are good now; 18.25 and 19.25 are not
    quarantine.replay("acme", "orders", DAY, from_source=False)
    assert "5 rejected before, 2 now" in capsys.readouterr().out
    assert counts(rejected, DAY) == (20, 18, 2)
    assert counts(rejected, OTHER) == (20, 15, 5)
    assert table(rejected).height == 18 + 15
    assert decisions(rejected) == [("replayed", DAY, 5, 2)]
    quarantine.discard("acme", "orders", "too dear", DAY, yes=True)
    check_invariant(rejected)
    with DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
        assert run.status == DagsterRunStatus.SUCCESS
        assert run.tags["dagster/partition"] == DAY
    found = history(load_settings(rejected.environ), "acme")
    assert found[0].run_id == run.run_id
    assert rejected.leftovers() == []


def check_invariant(project: TinyProject) -> None:
    """Rows read are published, or in quarantine, or discarded by the history."""
    for day in (DAY, OTHER):
        read, published, kept = counts(project, day)
        gone = sum(
            before - after for action, of, before, after in decisions(project) if (action, of) == ("discarded", day)
        )
        assert read == ROWS_PER_DAY == published + kept + gone, day
