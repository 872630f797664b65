"""Creates a run of a job, or of some of its assets.

Belongs here: the record of a run that is about to be started. Not here: starting its process (`run_start`), executing
it (`own_run`), choosing its assets and partitions (`etl.cli.run_plan`).
"""

from collections.abc import Mapping, Sequence

from dagster import AssetKey, DagsterInstance, DagsterRun

from etl.running.compat import CodeLocation, JobSubsetSelector, RemoteRepository

# The run's log is in the instance, where the UI reads it; on the screen it would bury the progress.
QUIET: Mapping[str, object] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def create_run(
    instance: DagsterInstance,
    location: CodeLocation,
    job_name: str,
    run_id: str,
    tags: Mapping[str, str],
    assets: Sequence[AssetKey] = (),
) -> DagsterRun:
    """Create the run of a job, or of some of its assets. No process is started."""
    repository = repository_in(location)
    selector = JobSubsetSelector(
        location_name=location.name,
        repository_name=repository.name,
        job_name=job_name,
        op_selection=None,
        asset_selection=list(assets) or None,
    )
    job = location.get_job(selector)
    plan = location.get_execution_plan(job, QUIET, None, None, instance)
    return instance.create_run(
        job_name=job_name,
        run_id=run_id,
        run_config=QUIET,
        status=None,
        tags={**job.tags, **tags},
        root_run_id=None,
        parent_run_id=None,
        step_keys_to_execute=plan.execution_plan_snapshot.step_keys_to_execute,
        execution_plan_snapshot=plan.execution_plan_snapshot,
        job_snapshot=job.job_snapshot,
        parent_job_snapshot=job.parent_job_snapshot,
        asset_selection=frozenset(assets) or None,
        asset_check_selection=None,
        resolved_op_selection=None,
        op_selection=None,
        remote_job_origin=job.get_remote_origin(),
        job_code_origin=job.get_python_origin(),
        asset_graph=repository.asset_graph,
    )


def repository_in(location: CodeLocation) -> RemoteRepository:
    """Return the repository of a location. A location of this product has one."""
    return next(iter(location.get_repositories().values()))
