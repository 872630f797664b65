"""What a person is told of runs that are followed: warnings, but not a flood of them; several runs in one view."""

import time

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, EventLogEntry
from rich.console import Console

from etl.cli.follow import WARNINGS_OF_A_KIND, Followed, follow, view
from etl.cli.runs import StartedRun


def warned(instance: DagsterInstance, run: DagsterRun, text: str, level: int = 30) -> None:
    instance.handle_new_event(
        EventLogEntry(
            error_info=None, level=level, user_message=text, run_id=run.run_id, timestamp=time.time(), step_key="s"
        )
    )


def test_warnings_of_one_kind_are_counted_after_the_first_ones() -> None:
    console = Console(record=True, width=200, force_terminal=False)
    with DagsterInstance.ephemeral() as instance:
        run = DagsterRun(job_name="acme_all", status=DagsterRunStatus.SUCCESS)
        instance.add_run(run)
        for day in range(10, 20):
            warned(instance, run, f"acme/orders [2026-01-{day}] load: loaded again")
        warned(instance, run, "something else")
        warned(instance, run, "no warning", level=20)
        with view(console) as shown:
            (ended,) = follow(instance, [Followed(StartedRun(run.run_id), 10)], shown)
    assert ended.run_id == run.run_id
    said = console.export_text()
    assert said.count("load: loaded again") == WARNINGS_OF_A_KIND + 1
    assert f"warning: acme/orders […] load: loaded again: {10 - WARNINGS_OF_A_KIND} more" in said
    assert "warning: something else" in said
    assert "no warning" not in said


def test_several_runs_have_a_line_each() -> None:
    console = Console(record=True, width=200, force_terminal=False)
    with DagsterInstance.ephemeral() as instance:
        runs = [
            DagsterRun(job_name=f"{tenant}_all", status=status)
            for tenant, status in (("acme", DagsterRunStatus.SUCCESS), ("other", DagsterRunStatus.CANCELED))
        ]
        for each in runs:
            instance.add_run(each)
        with view(console) as shown:
            ended = follow(instance, [Followed(StartedRun(each.run_id), 9, each.job_name) for each in runs], shown)
    assert [each.run_id for each in ended] == [each.run_id for each in runs]
    said = console.export_text()
    assert "acme_all: done, 0 of 9 partitions" in said
    assert "other_all: canceled, 0 of 9 partitions" in said
