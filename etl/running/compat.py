"""Imports the names of Dagster that this product uses and that Dagster does not promise to keep.

Belongs here: imports of `dagster._...` and of dagster-dbt's inner modules, so that a new version of Dagster can be
checked in one place. Not here: the use of these names.

Modules that `import dagster` does not load are loaded when their names are used: the daemon's modules take 0.4
CPU-seconds, the modules of dagster-dbt take 1.2.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dagster._core.code_pointer import CodePointer, FileCodePointer, ModuleCodePointer
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.assets.job.asset_job import build_asset_job, get_asset_graph_for_job
from dagster._core.definitions.dependency import NodeHandle
from dagster._core.definitions.instigation_logger import CapturedLogHandler
from dagster._core.definitions.reconstruct import ReconstructableJob
from dagster._core.definitions.selector import JobSubsetSelector
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.event_api import EventLogCursor, PartitionKeyFilter
from dagster._core.events import DagsterEventBatchMetadata, EngineEventData, JobFailureData
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.stats import StepEventStatus
from dagster._core.execution.step_dependency_config import StepDependencyConfig
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.origin import get_python_environment_entry_point
from dagster._core.remote_origin import (
    CodeLocationOrigin,
    InProcessCodeLocationOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.selector.subset_selector import AssetSelectionData
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    GRPC_INFO_TAG,
    PARTITION_NAME_TAG,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.utils import make_new_run_id
from dagster._grpc.types import ExecuteExternalJobArgs, ExecuteRunArgs, ExecutionPlanSnapshotArgs
from dagster._serdes import ConfigurableClass, ConfigurableClassData, deserialize_value, serialize_value
from dagster._utils import get_run_crash_explanation
from dagster._utils.error import serializable_error_info_from_exc_info
from dagster._utils.interrupts import capture_interrupts

if TYPE_CHECKING:
    from dagster._core.remote_representation.code_location import (
        CodeLocation,
        GrpcServerCodeLocation,
        InProcessCodeLocation,
    )
    from dagster._core.remote_representation.external import RemoteExecutionPlan, RemoteJob, RemoteRepository
    from dagster._core.remote_representation.external_data import RemoteJobSubsetResult
    from dagster._core.remote_representation.grpc_server_registry import GrpcServerRegistry
    from dagster._core.run_coordinator.base import SubmitRunContext
    from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator, RunQueueConfig
    from dagster._core.storage.compute_log_manager import ComputeIOType
    from dagster._core.storage.event_log.in_memory import InMemoryEventLogStorage
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
    from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
    from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
    from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
    from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
    from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
    from dagster._core.workspace.context import (
        BaseWorkspaceRequestContext,
        WorkspaceProcessContext,
        WorkspaceRequestContext,
    )
    from dagster._core.workspace.load_target import WorkspaceFileTarget, WorkspaceLoadTarget
    from dagster._daemon.controller import get_daemon_statuses
    from dagster._daemon.daemon import SensorDaemon
    from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
    from dagster._grpc import server as grpc_server
    from dagster._grpc.constants import GrpcServerCommand
    from dagster._grpc.impl import (
        core_execute_run,
        get_external_execution_plan_snapshot,
        get_external_pipeline_subset_result,
    )
    from dagster_dbt.asset_utils import build_dbt_specs, get_asset_check_key_for_test
    from dagster_dbt.utils import select_unique_ids

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "GRPC_INFO_TAG",
    "INDEX_SHARD_NAME",
    "PARTITION_NAME_TAG",
    "SQLITE_BUSY_TIMEOUT_SECONDS",
    "AssetCheckExecutionRecord",
    "AssetCheckExecutionRecordStatus",
    "AssetGraph",
    "AssetSelectionData",
    "BaseAssetGraph",
    "BaseWorkspaceRequestContext",
    "CapturedLogHandler",
    "CheckRunHealthResult",
    "CodeLocation",
    "CodeLocationOrigin",
    "CodePointer",
    "ComputeIOType",
    "ConfigurableClass",
    "ConfigurableClassData",
    "DagsterEventBatchMetadata",
    "DagsterSqliteStorage",
    "DagsterUserCodeUnreachableError",
    "EngineEventData",
    "EventLogCursor",
    "ExecuteExternalJobArgs",
    "ExecuteRunArgs",
    "ExecutionPlan",
    "ExecutionPlanSnapshotArgs",
    "FileCodePointer",
    "GrpcServerCodeLocation",
    "GrpcServerCommand",
    "GrpcServerRegistry",
    "InMemoryEventLogStorage",
    "InProcessCodeLocation",
    "InProcessCodeLocationOrigin",
    "InstanceRef",
    "JobFailureData",
    "JobSubsetSelector",
    "KnownExecutionState",
    "LaunchRunContext",
    "LoadableTargetOrigin",
    "LocalComputeLogManager",
    "ManagedGrpcPythonEnvCodeLocationOrigin",
    "ModuleCodePointer",
    "NodeHandle",
    "PartitionKeyFilter",
    "PlanOrchestrationContext",
    "QueuedRunCoordinator",
    "QueuedRunCoordinatorDaemon",
    "ReconstructableJob",
    "RemoteExecutionPlan",
    "RemoteJob",
    "RemoteJobOrigin",
    "RemoteJobSubsetResult",
    "RemoteRepository",
    "RemoteRepositoryOrigin",
    "RetryMode",
    "RunLauncher",
    "RunQueueConfig",
    "SensorDaemon",
    "SqlEventLogStorage",
    "SqlEventLogStorageTable",
    "SqliteEventLogStorage",
    "SqliteRunStorage",
    "SqliteScheduleStorage",
    "StepDependencyConfig",
    "StepEventStatus",
    "SubmitRunContext",
    "WorkerStatus",
    "WorkspaceFileTarget",
    "WorkspaceLoadTarget",
    "WorkspaceProcessContext",
    "WorkspaceRequestContext",
    "build_asset_job",
    "build_dbt_specs",
    "capture_interrupts",
    "core_execute_run",
    "create_db_conn_string",
    "deserialize_value",
    "get_asset_check_key_for_test",
    "get_asset_graph_for_job",
    "get_daemon_statuses",
    "get_external_execution_plan_snapshot",
    "get_external_pipeline_subset_result",
    "get_python_environment_entry_point",
    "get_run_crash_explanation",
    "grpc_server",
    "make_new_run_id",
    "select_unique_ids",
    "serializable_error_info_from_exc_info",
    "serialize_value",
]

_LATER = {
    "BaseWorkspaceRequestContext": "dagster._core.workspace.context",
    "CodeLocation": "dagster._core.remote_representation.code_location",
    "ComputeIOType": "dagster._core.storage.compute_log_manager",
    "DagsterSqliteStorage": "dagster._core.storage.sqlite_storage",
    "GrpcServerCodeLocation": "dagster._core.remote_representation.code_location",
    "GrpcServerCommand": "dagster._grpc.constants",
    "GrpcServerRegistry": "dagster._core.remote_representation.grpc_server_registry",
    "INDEX_SHARD_NAME": "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "InMemoryEventLogStorage": "dagster._core.storage.event_log.in_memory",
    "InProcessCodeLocation": "dagster._core.remote_representation.code_location",
    "QueuedRunCoordinator": "dagster._core.run_coordinator.queued_run_coordinator",
    "QueuedRunCoordinatorDaemon": "dagster._daemon.run_coordinator.queued_run_coordinator_daemon",
    "LocalComputeLogManager": "dagster._core.storage.local_compute_log_manager",
    "RemoteExecutionPlan": "dagster._core.remote_representation.external",
    "RemoteJob": "dagster._core.remote_representation.external",
    "RemoteJobSubsetResult": "dagster._core.remote_representation.external_data",
    "RemoteRepository": "dagster._core.remote_representation.external",
    "RunQueueConfig": "dagster._core.run_coordinator.queued_run_coordinator",
    "SQLITE_BUSY_TIMEOUT_SECONDS": "dagster._core.storage.sqlite",
    "SensorDaemon": "dagster._daemon.daemon",
    "SqlEventLogStorage": "dagster._core.storage.event_log.sql_event_log",
    "SqlEventLogStorageTable": "dagster._core.storage.event_log.schema",
    "SqliteEventLogStorage": "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "SqliteRunStorage": "dagster._core.storage.runs.sqlite.sqlite_run_storage",
    "SqliteScheduleStorage": "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage",
    "SubmitRunContext": "dagster._core.run_coordinator.base",
    "WorkspaceFileTarget": "dagster._core.workspace.load_target",
    "WorkspaceLoadTarget": "dagster._core.workspace.load_target",
    "WorkspaceProcessContext": "dagster._core.workspace.context",
    "WorkspaceRequestContext": "dagster._core.workspace.context",
    "build_dbt_specs": "dagster_dbt.asset_utils",
    "core_execute_run": "dagster._grpc.impl",
    "create_db_conn_string": "dagster._core.storage.sqlite",
    "get_asset_check_key_for_test": "dagster_dbt.asset_utils",
    "get_external_execution_plan_snapshot": "dagster._grpc.impl",
    "get_external_pipeline_subset_result": "dagster._grpc.impl",
    "get_daemon_statuses": "dagster._daemon.controller",
    "select_unique_ids": "dagster_dbt.utils",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  whatever Dagster has under that name
    """Load a name that `import dagster` does not load itself."""
    if name == "grpc_server":
        return import_module("dagster._grpc.server")
    if name not in _LATER:
        raise AttributeError(f"{__name__} has no {name}")
    return getattr(import_module(_LATER[name]), name)
