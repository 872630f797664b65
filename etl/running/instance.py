"""The Dagster instance of a project: as Dagster's own, but events are written more quickly if it keeps SQLite files.

Belongs here: the classes that dagster.yaml names, and which storage they use. Not here: the event log itself
(`event_log`).

`instance_class` in dagster.yaml names `LocalInstance`. If the file names no storage, Dagster keeps SQLite files in its
home, and this instance keeps the same files. If the file names a storage, such as PostgreSQL, that storage is used.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from dagster import DagsterEventType, DagsterInstance, EventLogEntry
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from etl.running.compat import (
    ConfigurableClassData,
    DagsterEventBatchMetadata,
    DagsterSqliteStorage,
    InstanceRef,
    SqliteRunStorage,
    SqliteScheduleStorage,
    create_db_conn_string,
)
from etl.running.event_log import KeptEventLog
from etl.running.json_log import log_as_json

PLANNED = frozenset({DagsterEventType.ASSET_MATERIALIZATION_PLANNED, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED})
"""What a run is about to do. Dagster writes these events before the run is launched."""
MOST_AT_ONCE = 1000
CONTAINER_LAUNCHERS = frozenset({"ContainerRunLauncher", "JobRunLauncher"})
"""The run launchers of `etl.resources` that start a run as a container of its own."""


class _OneEngine:
    """Uses one engine for all connections to a file, so that a statement is compiled once and not every time."""

    _conn_string: str

    @cached_property
    def _engine(self) -> Engine:
        return create_engine(self._conn_string, poolclass=NullPool)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Open the file for one block of statements in one transaction."""
        with self._engine.connect() as connection, connection.begin():
            yield connection


class LocalRuns(_OneEngine, SqliteRunStorage):
    """Dagster's runs in a SQLite file."""


class LocalSchedules(_OneEngine, SqliteScheduleStorage):
    """Dagster's schedules and sensors in a SQLite file."""


class LocalStorage(DagsterSqliteStorage):
    """Dagster's storage in SQLite files, with the event log that keeps its connections."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """`base_dir` is Dagster's home."""
        super().__init__(base_dir, inst_data)  # makes the files that are missing
        self._run_storage = LocalRuns(create_db_conn_string(str(Path(base_dir, "history")), "runs"))
        self._event_log_storage = KeptEventLog(str(Path(base_dir, "history", "runs")))
        self._schedule_storage = LocalSchedules(create_db_conn_string(str(Path(base_dir, "schedules")), "schedules"))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Make the storage from what an instance says about it."""
        return cls.from_local(config_value["base_dir"], inst_data)


class LocalInstance(DagsterInstance):
    """Dagster's instance, whose storage is a `LocalStorage` unless dagster.yaml names another one."""

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401  Dagster's own parameters
        """Open the instance. Each process of Dagster does so first: from here on it may log JSON."""
        log_as_json()
        super().__init__(*given, **named)

    def handle_new_event(
        self, event: EventLogEntry, *, batch_metadata: DagsterEventBatchMetadata | None = None
    ) -> None:
        """Store an event; what a new run plans is stored all at once, before anybody is told of the run."""
        kind = event.dagster_event.event_type if event.dagster_event else None
        at_once = kind in PLANNED or super()._get_event_batch_size() > 0
        super().handle_new_event(event, batch_metadata=batch_metadata if at_once else None)

    @property
    def should_start_background_run_thread(self) -> bool:
        """Whether the process of a run looks every ten seconds if somebody has marked the run as canceling.

        It does where a run is a container of its own: nobody else can send a signal to its process.
        """
        launcher = self.get_ref().run_launcher_data
        return launcher is not None and launcher.class_name in CONTAINER_LAUNCHERS

    def _get_event_batch_size(self) -> int:
        """How many events may be stored at once; Dagster's own default is one."""
        asked = super()._get_event_batch_size()
        return asked or (MOST_AT_ONCE if isinstance(self.event_log_storage, KeptEventLog) else 0)

    @classmethod
    def config_schema(cls) -> Mapping[str, Any]:
        """Dagster asks for settings of an instance's own: there are none."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """What is used for each part that dagster.yaml does not name."""
        defaults = InstanceRef.config_defaults(base_dir)
        storage = defaults["storage"]
        if storage is None:
            return defaults
        own = ConfigurableClassData(LocalStorage.__module__, LocalStorage.__name__, storage.config_yaml)
        return {**defaults, "storage": own}
