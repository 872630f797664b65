"""Wraps Dagster's in-process executor, so that the run's process is first protected and recorded.

Belongs here: wrapping an executor. Not here: the record (`worker_process`), the protection (`run_process`).
"""

from collections.abc import Iterator

from dagster import (
    DagsterEvent,
    Executor,
    ExecutorDefinition,
    InitExecutorContext,
    in_process_executor as dagsters_in_process,
)

from etl.dbt.warm import warm_dbt_of_run
from etl.errors import EtlError
from etl.running.compat import ExecutionPlan, PlanOrchestrationContext, RetryMode, StepDependencyConfig
from etl.running.run_process import protect
from etl.running.worker_process import recorded_worker


class RecordingExecutor(Executor):
    """Executes as `inner` does. Before the first step, the run's process and its machine are recorded."""

    def __init__(self, inner: Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> RetryMode:
        """What Dagster asks an executor for."""
        return self._inner.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        """What Dagster asks an executor for."""
        return self._inner.step_dependency_config

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        """Remove foreign variables from the process, record the process, then execute."""
        protect(plan_context.dagster_run, plan_context.job.get_definition())
        run = plan_context.dagster_run
        with recorded_worker(plan_context.instance, run), warm_dbt_of_run(run.run_id):
            yield from self._inner.execute(plan_context, execution_plan)


def recording(definition: ExecutorDefinition) -> ExecutorDefinition:
    """Return an executor with the same name and configuration that records its process."""
    make = definition.executor_creation_fn
    if make is None:
        raise EtlError(f"the executor `{definition.name}` makes no executor", "give it a creation function")

    def create(context: InitExecutorContext) -> Executor:
        return RecordingExecutor(make(context))

    return ExecutorDefinition(
        name=definition.name,
        config_schema=definition.config_schema,  # type: ignore[arg-type]  # Dagster takes a finished schema as it is
        requirements=definition.get_requirements,
        executor_creation_fn=create,
        description=definition.description,
    )


# The same object for every job and for runs without a job, because Dagster merges locations only if it is the same.
in_process_executor = recording(dagsters_in_process)
