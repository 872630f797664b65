"""Rejected rows as a person deals with them, by the commands: seen, replayed by a real run, discarded, remembered."""

import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import pytest
import typer
from dagster import DagsterInstance, DagsterRunStatus

from etl.cli import quarantine
from etl.config import load_tenant
from etl.errors import EtlError, NothingExamined
from etl.pipeline.quarantine import discard, history, rejected_rows
from etl.portal.rejected import rejections_of
from etl.settings import load_settings
from tests.pipeline.stages import kept, lake_rows, run_stages, table
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
    return rows[f"acme/extract/{place}"].height, rows[f"acme/transfer/{place}"].height, kept(project, day=day).height


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


def listed(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """What `etl quarantine list` ends with, and says."""
    try:
        quarantine.list_rejected("acme")
        code = 0
    except typer.Exit as end:
        code = end.exit_code
    return code, capsys.readouterr().out


def test_rejected_rows_that_are_gone_are_not_no_rejected_rows(
    rejected: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    place = rejected.data / "lake" / "acme" / "transfer_quarantine" / "orders"
    shutil.rmtree(place / f"dt={DAY}")
    code, said = listed(capsys)
    assert code == 3
    assert f"acme/transfer/orders {DAY}: 5 rejected rows gone" in said
    assert said.count("in_range__cents 5") == 1, "what is there is listed"
    shutil.rmtree(place)
    code, said = listed(capsys)
    assert (code, said.count("5 rejected rows gone")) == (3, 2)
    assert "No rejected rows" not in said


def test_rejected_rows_that_are_gone_are_not_known_on_the_page(rejected: TinyProject) -> None:
    settings = load_settings(rejected.environ)
    config = load_tenant("acme", settings)
    before = rejections_of(config, settings, "orders", [DAY, OTHER], is_there=True)
    assert (before.level, before.rows) == ("notice", 10)
    shutil.rmtree(rejected.data / "lake" / "acme" / "transfer_quarantine")
    found = rejections_of(config, settings, "orders", [DAY, OTHER], is_there=True)
    assert (found.level, found.unknown) == ("unknown", "rejected rows of 2 partitions are gone")


def test_rejected_rows_whose_published_object_is_gone_or_damaged_are_told(
    rejected: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    place = rejected.data / "lake" / "acme" / "transfer" / "orders"
    (place / f"dt={OTHER}" / "data.parquet").write_bytes(b"")
    shutil.rmtree(place / f"dt={DAY}")
    code, said = listed(capsys)
    assert code == 3
    assert f"acme/transfer/orders {DAY}: it is not published, and kept beside it: 5 rejected rows" in said
    assert "is not a complete Parquet file" in said


def test_rejected_rows_of_a_pipeline_that_is_switched_off_are_listed(
    rejected: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    rejected.write_pipeline({"enabled": False})
    code, said = listed(capsys)
    assert (code, said.count("in_range__cents 5")) == (0, 2)
    shutil.rmtree(rejected.data / "lake" / "acme" / "transfer_quarantine")
    assert listed(capsys)[0] == 3


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


def test_a_partition_is_named_as_etl_run_takes_it(rejected: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    for text, days in (("2026-W01", [DAY, OTHER]), ("2026-01", [DAY, OTHER]), ("2026-01-02T06:00", [OTHER])):
        quarantine.show("acme", "orders", text, 1)
        said = capsys.readouterr().out
        assert [day for day in DAYS if f"acme/orders {day} " in said] == days
    quarantine.discard("acme", "orders", "why", "2026-01", yes=True)
    assert decisions(rejected) == [("discarded", DAY, 5, 0), ("discarded", OTHER, 5, 0)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2025-12-31", "acme/orders has no day 2025-12-31: its days go from 2026-01-01 to 2026-01-03"),
        ("2026-02", "acme/orders has no day 2026-02: its days go from"),
        ("emea", "acme/orders: `emea` is no day: write it as 2026-01-31"),
    ],
)
def test_a_partition_that_the_pipeline_does_not_have_is_a_mistake(rejected: TinyProject, text: str, said: str) -> None:
    for command in (quarantine.show, quarantine.replay, quarantine.discard):
        arguments = {quarantine.show: (text, 1), quarantine.replay: (text, False)}.get(command, ("why", text, True))
        with pytest.raises(EtlError, match=said) as refused:
            command("acme", "orders", *arguments)  # type: ignore[operator]
        assert not isinstance(refused.value, NothingExamined)
    assert decisions(rejected) == []


def test_a_list_of_keys_and_a_whole_table_have_no_days(rejected: TinyProject) -> None:
    no_time = {"start": None, "end": None, "timezone": None}
    rejected.write_pipeline({"date_column": None, "partitions": {"by": "name", "keys": ["a", "b"], **no_time}})
    with pytest.raises(EtlError, match="acme/orders: no name `2026-01-05`: there are a, b"):
        quarantine.show("acme", "orders", "2026-01-05", 1)
    with pytest.raises(NothingExamined, match="of b has no rejected rows"):
        quarantine.show("acme", "orders", "b", 1)
    quarantine.show("acme", "orders", DAY, 1)  # the rows are there, though the YAML was changed
    rejected.write_pipeline({"date_column": None, "partitions": None, "trino_output": {"mode": "replace"}})
    with pytest.raises(EtlError, match="acme/orders: a whole table has no partition 2026-01-05"):
        quarantine.show("acme", "orders", "2026-01-05", 1)


def test_a_time_that_is_only_a_part_of_a_partition_discards_nothing(rejected: TinyProject) -> None:
    with pytest.raises(EtlError, match="2026-01-02T06:00 is only a part of 2026-01-02") as refused:
        quarantine.discard("acme", "orders", "why", "2026-01-02T06:00", yes=True)
    assert "--partition 2026-01-02" in refused.value.hint
    assert decisions(rejected) == []


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
    assert decisions(rejected) == [("replay begun", DAY, 5, 5), ("replayed", DAY, 5, 2)]
    quarantine.history("acme")
    said = capsys.readouterr().out
    assert "replayed" in said
    assert "replay begun" not in said
    quarantine.discard("acme", "orders", "too dear", DAY, yes=True)
    check_invariant(rejected)
    with DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
        assert run.status == DagsterRunStatus.SUCCESS
        assert run.tags["dagster/partition"] == DAY
    found = history(load_settings(rejected.environ), "acme")
    assert found[0].run_id == run.run_id
    assert rejected.leftovers() == []


def command(project: TinyProject, *words: str) -> subprocess.Popen[str]:
    """`etl quarantine ...` as a person runs it, in a session of its own."""
    line = [sys.executable, "-c", "from etl.cli import main; main()", "quarantine", *words]
    environ = {**project.process_environ, "COLUMNS": "250"}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        line, env=environ, cwd=project.root, text=True, stdout=pipe, stderr=pipe, start_new_session=True
    )


@pytest.mark.slow
def test_a_replay_whose_run_fails_says_why_and_loses_nothing(rejected: TinyProject) -> None:
    rules = [{"column": "cents", "type": "in_range", "max": -1}]
    rejected.write_pipeline({"quality": {"on_failure": "quarantine", "max_quarantine_rate": 0.5, "rules": rules}})
    with command(rejected, "replay", "acme", "orders", "--partition", DAY) as replay:
        said, _ = replay.communicate(timeout=120)
    assert replay.returncode == 1
    for words in ("the replay failed, run", "100.00% of the rows would be rejected", "no row was lost"):
        assert words in " ".join(said.split())
    assert counts(rejected, DAY) == (20, 15, 5)
    assert decisions(rejected) == [("replay begun", DAY, 5, 5), ("replay failed", DAY, 5, 5)]
    check_invariant(rejected)


@pytest.mark.slow
def test_a_replay_whose_command_was_killed_is_in_the_history(
    rejected: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    judge_by(rejected, 1800)
    with command(rejected, "replay", "acme", "orders", "--partition", DAY) as replay:
        try:
            wait_for(lambda: bool(decisions(rejected)))
            replay.kill()  # the command only: its run is a process of its own
            wait_for(lambda: finished(rejected))
        finally:
            os.killpg(replay.pid, signal.SIGKILL)  # and the code server that it had started
        replay.communicate(timeout=60)
    quarantine.history("acme")
    said = capsys.readouterr().out
    assert "replay begun" in said
    (begun,) = history(load_settings(rejected.environ), "acme")
    assert begun.run_id[:8] in said
    assert counts(rejected, DAY) == (20, 18, 2)
    assert table(rejected).height == 18 + 15
    check_invariant(rejected)


def finished(project: TinyProject) -> bool:
    with DagsterInstance.from_config(project.environ["DAGSTER_HOME"]) as instance:
        return all(each.is_finished for each in instance.get_runs())


def wait_for(happened: Callable[[], bool]) -> None:
    ends = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < ends
        time.sleep(0.2)


@pytest.mark.slow
def test_what_an_extract_rejected_is_listed_shown_replayed_and_discarded(
    project: TinyProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    reject_in_extract(project, 15)
    for day in (DAY, OTHER):
        run_stages(project, partition=day, run_id="the-first-run")
    quarantine.list_rejected("acme")
    said = capsys.readouterr().out
    assert said.count("extract") == 2
    assert said.count("in_range__amount 5") == 2
    quarantine.show("acme", "orders", DAY, 10)
    assert "5 of 5 rejected rows" in capsys.readouterr().out
    reject_in_extract(project, 18)
    # An extract has nothing else to read than its source.
    with command(project, "replay", "acme", "orders", "--partition", DAY) as replay:
        said, _ = replay.communicate(timeout=120)
    assert "5 rejected before, 2 now" in said
    assert table(project).height == 18 + 15
    quarantine.discard("acme", "orders", "too dear", DAY, yes=True)
    settings = load_settings(project.environ)
    assert [each.partition for each in rejected_rows(load_tenant("acme", settings), settings)] == [OTHER]


def reject_in_extract(project: TinyProject, limit: int) -> None:
    rule = {"column": "amount", "type": "in_range", "max": limit, "stage": "extract"}
    project.write_pipeline({"quality": {"on_failure": "quarantine", "rules": [rule]}})


def test_values_are_shown_as_they_are(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    os.environ["COLUMNS"] = "250"
    with sqlite3.connect(project.source) as connection:
        connection.execute("UPDATE orders SET name = '[/b] [red]x', amount = 99 WHERE order_id = 101")
        connection.execute("UPDATE orders SET name = NULL, amount = 99 WHERE order_id = 102")
    connection.close()
    project.write_pipeline({"quality": {"on_failure": "quarantine", "rules": [RULE]}})
    run_stages(project, partition=DAY)
    quarantine.show("acme", "orders", DAY, 10)
    said = capsys.readouterr().out
    assert "[/b] [red]x" in said
    assert "null" in said
    quarantine.discard("acme", "orders", "ticket [/4]", DAY, yes=True)
    quarantine.history("acme")
    assert "ticket [/4]" in capsys.readouterr().out


def test_rows_that_came_since_they_were_listed_are_not_discarded(rejected: TinyProject) -> None:
    settings = load_settings(rejected.environ)
    config = load_tenant("acme", settings)
    listed = next(each for each in rejected_rows(config, settings) if each.partition == DAY)
    judge_by(rejected, 1300)
    run_stages(rejected, partition=DAY, run_id="another")
    with pytest.raises(EtlError, match="have changed since they were listed; nothing was discarded"):
        discard(config, settings, listed, "why")
    assert counts(rejected, DAY) == (20, 13, 7)
    assert decisions(rejected) == []


def discard_in_process(environ: Mapping[str, str]) -> None:
    os.environ.update(environ)
    quarantine.discard("acme", "orders", "why", DAY, yes=True)


def test_a_discard_that_was_killed_and_repeated_counts_once(rejected: TinyProject) -> None:
    environ = {**rejected.environ, "ETL_FAULT": "quarantine.decided=kill"}
    process = multiprocessing.get_context("forkserver").Process(target=discard_in_process, args=(environ,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert counts(rejected, DAY) == (20, 15, 5)
    quarantine.discard("acme", "orders", "why", DAY, yes=True)
    assert decisions(rejected) == [("discarded", DAY, 5, 0)]
    check_invariant(rejected)


def test_discards_at_the_same_time_count_once(rejected: TinyProject) -> None:
    context = multiprocessing.get_context("forkserver")
    both = [context.Process(target=discard_in_process, args=(rejected.environ,)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(60)
    assert min(each.exitcode or 0 for each in both) == 0
    assert decisions(rejected) == [("discarded", DAY, 5, 0)]
    check_invariant(rejected)


def test_a_tenant_that_does_not_load_hides_nobody_elses_rows(
    rejected: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    path = rejected.write_tenant(tenant="broken")
    path.write_text("tenant: {id: broken, grop: CD}", encoding="utf-8")
    with pytest.raises(EtlError, match="rejected rows of tenants that do not load"):
        quarantine.list_rejected(None)
    assert capsys.readouterr().out.count("in_range__cents 5") == 2


def check_invariant(project: TinyProject) -> None:
    """Rows read are published, or in quarantine, or discarded by the history."""
    for day in (DAY, OTHER):
        read, published, kept = counts(project, day)
        gone = sum(
            before - after for action, of, before, after in decisions(project) if (action, of) == ("discarded", day)
        )
        assert read == ROWS_PER_DAY == published + kept + gone, day
