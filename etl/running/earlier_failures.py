"""Carries failures over from release 0.2, in which each tier and each pipeline had a job of its own.

Belongs here: which failures of steps take the place of such a job's failure. Not here: failures of runs of this release
(`run_outcomes`).

A failure ends when its subject succeeds, so a failure of a job that is gone would never end, or would end unmended.
"""

from dagster import DagsterInstance, DagsterRun

from etl.promises.pipeline_facts import Failure
from etl.running.naming import TIERS
from etl.running.run_outcomes import steps_of
from etl.running.subjects import Subjects, job_subject


def successors(
    instance: DagsterInstance, failure: Failure, run: DagsterRun | None, subjects: Subjects, *, is_lost: bool
) -> dict[str, str]:
    """Return the steps that take the place of a job's failure, with their pipelines; empty if there are none.

    These are the steps of the run if it was a run of some assets, and else the last steps of the job's pipelines if the
    job is lost, that is, not in its location any more.
    """
    tenant = subjects.config.id
    steps: list[str] = []
    if run is not None and run.asset_selection and failure.subject == job_subject(run.job_name):
        steps = list(steps_of(instance, run))
    elif is_lost:
        steps = [
            step
            for pipeline, step in subjects.last_steps.items()
            if failure.subject in (job_subject(f"{tenant}_{name}") for name in (pipeline, *TIERS.values()))
        ]
    return {step: subjects.pipeline_of_step.get(step, step) for step in steps}
