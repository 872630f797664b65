"""Dagster's in-process executor, which first protects and records the process that executes the run.

Belongs here: wrapping an executor. Not here: what is recorded (`worker_process`), what is protected (`run_process`).
"""

from collections.abc import Iterator

from dagster import (
    DagsterEvent,
    Executor,
    ExecutorDefinition,
    InitExecutorContext,
    in_process_executor as dagsters_in_process,
)

from etl.errors import EtlError
from etl.running.compat import ExecutionPlan, PlanOrchestrationContext, RetryMode, StepDependencyConfig
from etl.running.run_process import protect
from etl.running.worker_process import recorded_worker


class RecordingExecutor(Executor):
    """Executes as `inner` does. The run says which process of which machine works for it before its first step."""

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
        """Take from the process what is not the run's, record the process, then execute."""
        protect(plan_context.dagster_run, plan_context.job.get_definition())
        with recorded_worker(plan_context.instance, plan_context.dagster_run):
            yield from self._inner.execute(plan_context, execution_plan)


def recording(definition: ExecutorDefinition) -> ExecutorDefinition:
    """An executor under the same name, with the same configuration, that records its process."""
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


# One object for every job, and for what runs outside a job. Dagster merges locations only if it is the very same.
in_process_executor = recording(dagsters_in_process)
