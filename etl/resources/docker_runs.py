"""Starts each run in a Docker container of its own.

Belongs here: the run launcher for Docker. Not here: runs that are processes of a code server (`run_worker`), runs in
Kubernetes (`kubernetes_runs`), what a container gets (`etl.deployment.run_places`), which partition a run makes
(`etl.running.run_start`).

Only the daemon needs access to Docker. A run is stopped by its own process, which looks at the run's state every ten
seconds (`etl.running.instance`), so the web server needs no access.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from dagster import DagsterRun, Field

from etl.deployment.run_places import RunPlace, run_place
from etl.errors import EtlError
from etl.extras import install
from etl.running.canceling import mark_canceling
from etl.running.compat import ConfigurableClassData, ExecuteRunArgs, LaunchRunContext
from etl.running.run_start import location_name_of, location_of_run, name_partition

try:
    from dagster_docker import DockerRunLauncher
    from dagster_docker.container_context import DockerContainerContext
except ImportError as error:
    raise EtlError("runs in containers need dagster-docker, which is not installed", install("docker")) from error


class ContainerRunLauncher(DockerRunLauncher):
    """Dagster's launcher for Docker, with the settings that the platform has written for each code location."""

    def __init__(self, places: str, inst_data: ConfigurableClassData | None = None) -> None:
        """`places` is the file of the containers' settings."""
        super().__init__(inst_data)
        self._places = Path(places)

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """Return the settings that dagster.yaml may give."""
        return {"places": Field(str, description="The file that says what the container of a run gets.")}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Make the launcher from what dagster.yaml says."""
        return cls(inst_data=inst_data, **config_value)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's container. A run of daily assets that names no day gets the newest complete day."""
        run = context.dagster_run
        place = self._place_of(run)
        name_partition(self._instance, run, location_of_run(run, context.workspace))
        origin = context.job_code_origin
        if origin is None:
            raise EtlError(f"run {run.run_id} does not say where its code is", "launch it again: `etl run`")
        command = ExecuteRunArgs(origin, run.run_id, self._instance.get_ref()).get_command_args()
        self._launch_container_with_command(run, place.full_image(), command)  # type: ignore[no-untyped-call]

    def get_container_context(self, dagster_run: DagsterRun) -> DockerContainerContext:
        """Return what the container gets. Neither the code server nor tags of the run are asked."""
        place = self._place_of(dagster_run)
        variables = [f"{name}={value}" for name, value in place.values().items()]
        context = {"docker": {**place.context, "env_vars": [*place.context.get("env_vars", []), *variables]}}
        found: DockerContainerContext = DockerContainerContext.create_from_config(context)  # type: ignore[no-untyped-call]
        return found

    def terminate(self, run_id: str) -> bool:
        """Mark the run as canceling. Its process sees the mark and stops."""
        return mark_canceling(self._instance, run_id)

    @property
    def supports_resume_run(self) -> bool:
        """False: a run whose container has died has failed, and is not run again by itself."""
        return False

    def _place_of(self, run: DagsterRun) -> RunPlace:
        return run_place(self._places, location_name_of(run))
