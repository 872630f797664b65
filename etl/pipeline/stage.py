"""The input and the result of every stage.

Belongs here: `StageRun` (one stage of one pipeline for one partition) and `StageResult`. Not here: what a stage does.
"""

import errno
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from etl.config.ownership import refused_base_path
from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError, LakeError
from etl.lake.lake import BucketKeys, Lake, LakePlace, ObjectRef, Published, open_lake
from etl.lineage.columns import ColumnLineage
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.pipeline.audit import Audit
from etl.pipeline.guards import VolumeVerdict
from etl.pipeline.personal import PersonalVerdict
from etl.secrets.renewal import Renewable
from etl.secrets.scrub import learn
from etl.settings import Settings
from etl.source.reading import Part, Window

logger = logging.getLogger(__name__)


class StageRun(BaseModel):
    """One stage's task: the tenant, the pipeline, the partition, and the run that asks for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    config: TenantConfig
    pipeline: PipelineConfig
    partition: str | None
    run_id: str
    settings: Settings

    @cached_property
    def lake(self) -> Lake:
        """The lake that holds this pipeline."""
        return self.lake_of(self.pipeline.name)

    def lake_of(self, pipeline: str) -> Lake:
        """The lake that holds a pipeline of this tenant: the tenant's bucket, or the local folder."""
        return self._bucket_lake if self.config.pipelines[pipeline].save_to_s3 else self._local_lake

    @cached_property
    def _bucket_lake(self) -> Lake:
        return open_lake(self.settings, lake_place(self.config))

    @cached_property
    def _local_lake(self) -> Lake:
        return open_lake(self.settings)

    @property
    def tenant_lake(self) -> Lake:
        """The lake that keeps what is known of the whole tenant: its bucket, or the local lake if it has none."""
        return self._bucket_lake

    @property
    def lakes(self) -> tuple[Lake, ...]:
        """Every lake that can hold objects of this tenant."""
        return (self._bucket_lake, self._local_lake) if self.config.storage.bucket else (self._local_lake,)

    def close(self) -> None:
        """Release every object that was opened for reading."""
        for lake in (self.__dict__.get("_bucket_lake"), self.__dict__.get("_local_lake")):
            if lake is not None:
                lake.close()

    @property
    def tenant_dir(self) -> Path:
        """The folder of the tenant's YAML, transforms and demo source."""
        return self.settings.tenants_dir / self.config.id

    def ref(self, stage: str, pipeline: str | None = None, partition: str | None = None) -> ObjectRef:
        """The lake object of `stage` for this task's partition, or for another pipeline's."""
        return ObjectRef(
            tenant=self.config.id,
            stage=stage,
            pipeline=pipeline or self.pipeline.name,
            partition=partition if pipeline else self.partition,
        )

    def window(self) -> Window | None:
        """The half-open window of this partition; None for one that is no time."""
        partitions, scheme, column = self.pipeline.partitions, self.pipeline.scheme, self.pipeline.date_column
        if self.partition is None or partitions is None or column is None or not isinstance(scheme, TimeScheme):
            return None
        start, end = scheme.window(self.partition)
        zone = partitions.naive_timezone or partitions.timezone
        return Window(column=column, start=start, end=end, naive_timezone=zone)

    def part(self) -> Part | None:
        """The value of this partition's rows; None for one that is a time, and for a whole table."""
        scheme = self.pipeline.scheme
        if self.partition is None or not isinstance(scheme, StaticKeys):
            return None
        return Part(column=scheme.by, value=self.partition, values=scheme.values)

    @property
    def label(self) -> str:
        """The name of this task in messages."""
        return f"{self.config.id}/{self.pipeline.name}" + (f" [{self.partition}]" if self.partition else "")


@contextmanager
def disk_errors(run: StageRun, stage: str) -> Iterator[None]:
    """Add the task's name to an error of the operating system about a file."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = (
            f"free space for {run.settings.data_dir}, or let ETL_DATA_DIR name a larger disk" if full else "repair that"
        )
        raise LakeError(
            f"{run.label} {stage}: {error.strerror or error}" + (f": {error.filename}" if error.filename else ""),
            f"{remedy}, and run it again; readers see the old object or the whole new one",
        ) from error


class PublishedSample(BaseModel):
    """The columns and the first rows of a file, to be shown to people. They are read before the file is published."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[tuple[str, str], ...]
    preview: tuple[dict[str, object], ...] = ()
    note: str = ""


class StageResult(BaseModel):
    """The result of a stage, for a log line, for metadata and for the check: read = published + quarantined."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    stage: str
    partition: str | None
    rows_read: int
    rows: int
    rows_quarantined: int = 0
    bytes: int
    seconds: float
    uri: str
    version: str
    run_id: str
    sample: PublishedSample
    audit: Audit | None = None
    volume: VolumeVerdict | None = None
    personal: PersonalVerdict | None = None
    quarantine: Published | None = None
    comments: dict[str, str] = {}
    """What the source's catalogue says of the columns of an extract."""
    lineage: ColumnLineage | None = None
    """From which columns the columns come; None for a result that an interrupted run has published."""
    detail: dict[str, str | int | float | bool] = {}

    @property
    def rows_per_second(self) -> float:
        """The number of rows read, divided by the seconds."""
        return self.rows_read / self.seconds if self.seconds > 0 else 0.0


def sample_of(frame: pl.LazyFrame, pipeline: PipelineConfig) -> PublishedSample:
    """Return the columns and the first rows as text; personal columns are masked.

    The rows are only shown to people. If they cannot be shown, the result has a note, and the stage does not fail.
    """
    columns = tuple((name, str(dtype)) for name, dtype in frame.collect_schema().items())
    try:
        return PublishedSample(columns=columns, preview=preview_rows(frame, pipeline))
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  a preview must not fail a stage
        return PublishedSample(columns=columns, note=f"the first rows cannot be shown: {type(error).__name__}")


def preview_rows(frame: pl.LazyFrame, pipeline: PipelineConfig, *, rows: int = 5) -> tuple[dict[str, object], ...]:
    """Return the first rows as text, personal columns masked. Raises if Python has no such value: see `sample_of`."""
    head = frame.head(rows).collect(engine="streaming")
    hidden = set(pipeline.pii_columns)
    return tuple(
        {name: "***" if name in hidden and value is not None else _text(value) for name, value in row.items()}
        for row in head.iter_rows(named=True)  # etl: allow row-loop (the first rows only)
    )


def _text(value: object) -> object:
    text = value if value is None or isinstance(value, bool | int | float) else str(value)
    return text[:80] if isinstance(text, str) else text


def lake_place(config: TenantConfig) -> LakePlace:
    """Return the place of a tenant's objects from its YAML, with resolved variables. Its keys are not resolved yet."""
    given = {name: getattr(config.storage, name) for name in ("bucket", "base_path", "endpoint_url", "region")}
    values = config.namespace()
    address = {name: template.resolve(values) for name, template in given.items() if template is not None}
    place = LakePlace(**address, keys=bucket_keys(config))
    if problem := refused_base_path(place.base_path):
        line = config.line_of("storage", "base_path")
        raise ConfigError(
            f"tenant {config.id}: `base_path` at {config.origin.path}:{line}: {problem}",
            "write a path below the bucket, such as raw/acme",
        )
    return place


@contextmanager
def lake_of(config: TenantConfig, settings: Settings, *, local: bool = False) -> Iterator[Lake]:
    """Open the tenant's lake; with `local`, the local one that pipelines with `save_to_s3: false` use."""
    with closing(open_lake(settings, None if local else lake_place(config))) as lake:
        yield lake


def bucket_keys(config: TenantConfig) -> Renewable[BucketKeys] | None:
    """Return the tenant's own keys for its bucket, which are resolved when they are used; None: the platform's."""
    templates = config.storage.keys
    if templates is None:
        return None
    values = config.namespace()

    def made() -> BucketKeys:
        access, secret = (each.resolve(values) for each in templates)
        learn(access, secret)
        return BucketKeys(access, secret)

    return values.renewable(made, templates) or Renewable(made, lambda: None)
