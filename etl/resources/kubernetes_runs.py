"""Starts each run as a job of Kubernetes, in a pod of its own.

Belongs here: the run launcher for Kubernetes. Not here: runs that are processes of a code server (`run_worker`), runs
in Docker (`docker_runs`), what a pod gets (`etl.deployment.run_places`), which partition a run makes
(`etl.running.run_start`).

Only the daemon may create jobs. A run is stopped by its own process, which looks at the run's state every ten seconds
(`etl.running.instance`), so the web server needs no access to the cluster.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from dagster import DagsterRun, Field

from etl.deployment.run_places import RunPlace, run_place
from etl.errors import EtlError
from etl.extras import install
from etl.running.canceling import mark_canceling
from etl.running.compat import (
    CheckRunHealthResult,
    ConfigurableClass,
    ConfigurableClassData,
    LaunchRunContext,
    RunLauncher,
    WorkerStatus,
)
from etl.running.run_start import location_name_of, location_of_run, name_partition

try:
    from dagster_k8s import K8sRunLauncher
    from dagster_k8s.container_context import K8sContainerContext
except ImportError as error:
    raise EtlError("runs in Kubernetes need dagster-k8s, which is not installed", install("kubernetes")) from error


class JobRunLauncher(RunLauncher, ConfigurableClass):
    """Starts each run as a job of Kubernetes, with the settings that the platform has written for its code location.

    The cluster is asked only when a run is started or looked at, so that a web server or a code server, which may not
    ask it, can load this launcher.
    """

    def __init__(
        self, places: str, kubeconfig: str | None = None, inst_data: ConfigurableClassData | None = None
    ) -> None:
        """`places` is the file of the pods' settings; `kubeconfig` is for a daemon outside of the cluster."""
        self._inst_data = inst_data
        self._places, self._kubeconfig = Path(places), kubeconfig
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What dagster.yaml says."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """Return the settings that dagster.yaml may give."""
        return {
            "places": Field(str, description="The file that says what the pod of a run gets."),
            "kubeconfig": Field(str, is_required=False, description="A kubeconfig. Default: the pod's own account."),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Make the launcher from what dagster.yaml says."""
        return cls(inst_data=inst_data, **config_value)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Create the run's job. A run of daily assets that names no day gets the newest complete day."""
        run = context.dagster_run
        name_partition(self._instance, run, location_of_run(run, context.workspace))
        self._cluster.launch_run(context)

    def terminate(self, run_id: str) -> bool:
        """Mark the run as canceling. Its process sees the mark and stops."""
        return mark_canceling(self._instance, run_id)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True, because run monitoring calls only launchers that support the check."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the run's job works.

        A job that the cluster does not know is gone. If the cluster does not answer, the run counts as running, because
        run monitoring treats every other answer, also `UNKNOWN`, as a dead process.
        """
        found: CheckRunHealthResult = self._cluster.check_run_worker_health(run)
        if found.status is not WorkerStatus.UNKNOWN:
            return found
        if "could not be found" in (found.msg or ""):
            return CheckRunHealthResult(WorkerStatus.FAILED, "its Kubernetes job is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING, "the cluster does not say whether its job works")

    def get_run_worker_debug_info(self, run: DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """Return what the cluster says about the run's pods, without their logs: these are the tenant's."""
        del include_container_logs
        return self._cluster.get_run_worker_debug_info(run, include_container_logs=False)

    @cached_property
    def _cluster(self) -> "_Cluster":
        cluster = _Cluster(self._places, self._kubeconfig)
        cluster.register_instance(self._instance)
        return cluster


class _Cluster(K8sRunLauncher):
    """Dagster's launcher, which gets the settings of a pod from the platform's file."""

    def __init__(self, places: Path, kubeconfig: str | None) -> None:
        self._places = places
        super().__init__(
            service_account_name="",
            instance_config_map="",  # the platform's file mounts the instance's settings
            dagster_home="",
            load_incluster_config=kubeconfig is None,
            kubeconfig_file=kubeconfig,
        )

    def get_container_context_for_run(self, dagster_run: DagsterRun) -> K8sContainerContext:
        """Return what the pod gets. Neither the code server nor tags of the run are asked."""
        place: RunPlace = run_place(self._places, location_name_of(dagster_run))
        image = {"run_k8s_config": {"container_config": {"image": place.image}}}
        return K8sContainerContext.create_from_config({"k8s": place.context}).merge(
            K8sContainerContext.create_from_config({"k8s": image})
        )
