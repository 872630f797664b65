"""A run that ends at the moment in which it is marked as canceling has the status of its end."""

from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus

from etl.running.canceling import mark_canceling


def started(instance: DagsterInstance) -> DagsterRun:
    run = DagsterRun(job_name="job", status=DagsterRunStatus.STARTED)
    instance.add_run(run)
    return run


def status(instance: DagsterInstance, run: DagsterRun) -> DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_a_run_at_work_is_marked(tmp_path: Path) -> None:
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        run = started(instance)
        assert mark_canceling(instance, run.run_id)
        assert status(instance, run) == DagsterRunStatus.CANCELING


@pytest.mark.parametrize(
    ("end", "kept"),
    [
        (DagsterEventType.RUN_SUCCESS, DagsterRunStatus.SUCCESS),
        (DagsterEventType.RUN_CANCELED, DagsterRunStatus.CANCELED),
    ],
)
def test_a_run_that_ends_meanwhile_keeps_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: DagsterEventType, kept: DagsterRunStatus
) -> None:
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        run = started(instance)
        mark = instance.report_run_canceling

        def late(*arguments: Any, **named: Any) -> None:
            """The process of the run writes its end between the look at the run and the mark."""
            instance.report_dagster_event(DagsterEvent(end.value, job_name="job"), run_id=run.run_id)
            mark(*arguments, **named)

        monkeypatch.setattr(instance, "report_run_canceling", late)
        assert not mark_canceling(instance, run.run_id)
        assert status(instance, run) == kept


def test_there_is_nothing_to_stop_in_a_run_that_is_gone(tmp_path: Path) -> None:
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        run = started(instance)
        instance.delete_run(run.run_id)
        assert not mark_canceling(instance, run.run_id)
