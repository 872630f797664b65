"""Putting runs into Dagster's queue, as its UI does; the daemon starts them.

Belongs here: creating a run from what its code server once said of the job. Not here: the daemon (`processes`).
"""

import socket
import time
from contextlib import ExitStack
from typing import Any, Self

from dagster import DagsterInstance
from dagster._core.definitions.selector import JobSubsetSelector
from dagster._core.utils import make_new_run_id
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

from tests.soak.world import JOBS, TENANTS, World

SECONDS_FOR_SERVERS = 180


class Queue:
    """An instance of Dagster in this process, with the jobs as the code servers described them at the beginning."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stack = ExitStack()
        self._jobs: dict[tuple[str, str], dict[str, Any]] = {}

    def __enter__(self) -> Self:
        self._instance = self._stack.enter_context(DagsterInstance.from_config(str(self._world.home)))
        target = WorkspaceFileTarget([str(self._world.project / "servers.yaml")])
        deadline = time.monotonic() + SECONDS_FOR_SERVERS
        while not self._jobs:
            if time.monotonic() > deadline:
                raise TimeoutError("the code servers did not come up")
            time.sleep(0.2)
            if not all(map(_listens, self._world.ports.values())):
                continue
            with WorkspaceProcessContext(self._instance, target) as process:
                context = process.create_request_context()
                if all(each.code_location for each in context.get_code_location_entries().values()):
                    for tenant in TENANTS:
                        for job in JOBS:
                            self._jobs[tenant, job] = _described(self._instance, context, tenant, job)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def put(self, tenant: str, job: str, first: str, last: str) -> None:
        """A run of a range of days."""
        known = self._jobs[tenant, job]
        days = {"dagster/partition": first}
        if first != last:
            days = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        run = self._instance.create_run(**{**known, "run_id": make_new_run_id(), "tags": {**known["tags"], **days}})
        self._instance.submit_run(run.run_id, None)  # type: ignore[arg-type]  # the queue looks for no workspace


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _described(instance: DagsterInstance, context: WorkspaceRequestContext, tenant: str, name: str) -> dict[str, Any]:
    code = context.get_code_location(tenant)
    repository = next(iter(code.get_repositories().values()))
    job = code.get_job(
        JobSubsetSelector(
            location_name=tenant, repository_name=repository.name, job_name=f"{tenant}_{name}", op_selection=None
        )
    )
    plan = code.get_execution_plan(job, {}, None, None, instance).execution_plan_snapshot
    return {
        "job_name": job.name,
        "run_config": {},
        "status": None,
        "tags": dict(job.tags),
        "root_run_id": None,
        "parent_run_id": None,
        "step_keys_to_execute": plan.step_keys_to_execute,
        "execution_plan_snapshot": plan,
        "job_snapshot": job.job_snapshot,
        "parent_job_snapshot": job.parent_job_snapshot,
        "asset_selection": None,
        "asset_check_selection": None,
        "resolved_op_selection": None,
        "op_selection": None,
        "remote_job_origin": job.get_remote_origin(),
        "job_code_origin": job.get_python_origin(),
        "asset_graph": repository.asset_graph,
    }
