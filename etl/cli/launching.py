"""Runs what a person wants of a tenant, one run after the other, and shows each until it has ended.

Belongs here: the order of planning, starting and following, and what a signal does meanwhile. Not here: which assets
are meant (`chosen`), launching (`runs`), showing how far a run is (`follow`).
"""

from collections.abc import Mapping, Sequence

import typer
from dagster import AssetCheckEvaluation, AssetCheckSeverity, DagsterEventType, DagsterInstance, DagsterRunStatus
from rich.console import Console

from etl.cli.follow import Followed, follow, view
from etl.cli.messages import PlannedRun, Wanted
from etl.cli.runs import Runs, StartedRun, failures
from etl.cli.signals import Interrupted, Signals, stop_run
from etl.cli.start import EXIT_FAILED, EXIT_UNKNOWN
from etl.running.naming import RECONCILED_CHECK


def run_wanted(
    tenant: str,
    wanted: Wanted,
    tags: Mapping[str, str],
    instance: DagsterInstance,
    runs: Runs,
    signals: Signals,
    console: Console,
) -> int:
    """Run it. Return how many runs did not succeed. After a signal the command ends with the signal's exit code."""
    plan = runs.plan(tenant, wanted, tags)
    console.print(plan.note, style="yellow", markup=False, end="", soft_wrap=True)
    if len(plan.runs) > 1:
        console.print(f"{len(plan.runs)} runs, since the pipelines do not have the same partitions")
    failed = 0
    compared: list[AssetCheckEvaluation] = []
    for number, each in enumerate(plan.runs, start=1):
        started: StartedRun | None = None
        try:
            with signals.held():
                (started,) = runs.start([(tenant, each)])
                console.print(f"run {started.run_id} ({each.words})", highlight=False, soft_wrap=True)
            failed += not _succeeded(instance, started, each, console)
            compared += _not_agreeing(instance, started.run_id)
        except Interrupted as why:
            if started is not None:
                stop_run(instance, started, why, console)
            elif number == 1:
                raise
            for later in plan.runs[number if started else number - 1 :]:
                console.print(f"{why}: not started: {later.words}", highlight=False, soft_wrap=True)
            raise typer.Exit(why.exit_code) from why
    if failed and len(plan.runs) > 1:
        console.print(f"{failed} of {len(plan.runs)} runs did not succeed", style="red", highlight=False)
    _end_as_verify(compared, is_failed=failed > 0, console=console)
    return failed


def _not_agreeing(instance: DagsterInstance, run_id: str) -> list[AssetCheckEvaluation]:
    """Return the comparisons of source and warehouse of a run that did not agree. The run succeeds all the same."""
    events = instance.all_logs(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [each.dagster_event.asset_check_evaluation_data for each in events if each.dagster_event]
    return [each for each in found if each.check_name == RECONCILED_CHECK and not each.passed]


def _end_as_verify(compared: Sequence[AssetCheckEvaluation], *, is_failed: bool, console: Console) -> None:
    """End the command as `etl verify` ends, if a run compared source and warehouse and they did not agree."""
    if is_failed or not compared:
        return
    differs = any(each.severity == AssetCheckSeverity.ERROR for each in compared)
    words = "source and warehouse differ" if differs else "not everything could be compared"
    console.print(f"the run succeeded, and {words}", style="red" if differs else "yellow", highlight=False)
    raise typer.Exit(EXIT_FAILED if differs else EXIT_UNKNOWN)


def _succeeded(instance: DagsterInstance, started: StartedRun, run: PlannedRun, console: Console) -> bool:
    """Show the run until it has ended, and show what failed in it. Return whether it succeeded.

    A run that failed does not keep the runs of other partitions from being started: they are other pipelines' too.
    """
    with view(console) as shown:
        (ended,) = follow(instance, [Followed(started, run.size, word=run.unit)], shown)
    if ended.status == DagsterRunStatus.SUCCESS:
        return True
    for problem in failures(instance, started.run_id):
        console.print(problem, style="red", markup=False, highlight=False)
    return False
