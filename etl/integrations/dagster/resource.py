"""Checking, profiling and learning inside hand-written assets and ops.

Belongs here: `DataQualityResource`. Not here: judging (`etl.quality`), the effect of a verdict (`quality_step`).
"""

import copy
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self, cast, get_args

import polars as pl
from dagster import ConfigurableResource, DagsterLogManager, InitResourceContext
from pydantic import ConfigDict, Field, PrivateAttr, field_validator

from etl.errors import QualityError
from etl.integrations.dagster.database import table_file
from etl.integrations.dagster.engine_resource import LONGEST, bound, known_engine
from etl.integrations.dagster.outputs import ProfileOutput, QualityCheckOutput
from etl.integrations.dagster.sampling import check_rows, draw, left
from etl.quality.checking import refuse_no_rules
from etl.quality.engine import DataQualityEngine, Strictness, get_engine
from etl.quality.results import DataQualityError
from etl.quality.rules import AnyRule
from etl.suggest import did_you_mean

Rules = Sequence[AnyRule | Mapping[str, Any]]
Source = pl.DataFrame | pl.LazyFrame | Path | str


class DataQualityResource(ConfigurableResource[Any]):
    """Data quality as a resource. Several threads may use it; a database is opened only when a check reads it.

    `data` is a Polars frame, a lazy frame or a path of Parquet; with a `connection_string`, a text is a table of that
    database (`orders`, `sales.orders`) or a query (`SELECT ...`).
    """

    model_config = ConfigDict(extra="forbid")

    connection_string: str | None = Field(
        default=None, repr=False, description="URL of the database whose tables are checked."
    )
    default_timeout: int = Field(default=300, ge=1, le=LONGEST, description="Seconds until a check is given up.")
    fail_on_error: bool = Field(default=True, description="Raise when a rule of severity error fails or is not judged.")
    parallel: bool = Field(default=True, description="Checks of several threads run side by side; false: one by one.")
    cache_schemas: bool = Field(default=True, description="Remember learned schemas by their cache_key, in memory.")
    engine: str = Field(default="truthound", description="Name under which the quality engine is registered.")

    bound_engine: ClassVar[DataQualityEngine | None] = None

    _log: logging.Logger | DagsterLogManager = PrivateAttr(default_factory=lambda: logging.getLogger(__name__))
    _schemas: dict[tuple[str, str], dict[str, Any]] = PrivateAttr(default_factory=dict)
    _lock: threading.RLock = PrivateAttr(default_factory=threading.RLock)

    @field_validator("engine", mode="before")
    @classmethod
    def _exists(cls, name: str) -> str:
        return name if cls.bound_engine is not None else known_engine(name)

    @classmethod
    def with_engine(cls, engine: DataQualityEngine, **fields: Any) -> Self:  # noqa: ANN401  the resource's own fields
        """Make the resource with your own engine: `with_engine(MyEngine(), parallel=False)`."""
        return bound(cls, engine)(engine=engine.name, **fields)

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """Take the log of the run, so that checks write to it."""
        if context.log is not None:
            self._log = context.log

    def check(
        self,
        data: Source,
        rules: Rules,
        *,
        fail_on_error: bool | None = None,
        timeout: int | None = None,
        sample_size: int | None = None,
        tables: Mapping[str, pl.LazyFrame] | None = None,
    ) -> QualityCheckOutput:
        """Judge rules over data.

        With `sample_size` only so many rows are checked, the same rows each time, and the result says so. Rules about
        the table as a whole see every row. `tables` are the tables that `foreign_key` rules name. Raises
        `DataQualityError`, which has the result, if a rule of severity error fails or a rule cannot be judged; with
        `fail_on_error=False` nothing is raised, and only the result shows it.
        """
        refuse_no_rules(rules)
        seconds = self._seconds(timeout)
        with self._turn():
            ends = time.monotonic() + seconds
            with self._opened(data, seconds) as source:
                rest = seconds if source is data else left(ends, seconds)  # reading a table takes time too
                result, rows = check_rows(
                    source, rules, size=sample_size, engine=self._engine, timeout=rest, tables=tables
                )
        output = QualityCheckOutput.from_result(result, sampled_from=rows)
        self._log.info(
            "Quality check: %s, %d passed, %d failed, %d warned, %d not judged",
            output.status.value,
            output.passed_count,
            output.failed_count,
            output.warning_count,
            output.error_count,
        )
        raises = self.fail_on_error if fail_on_error is None else fail_on_error
        if output.is_blocking and raises:
            raise DataQualityError(output.summary, result=output)
        return output

    def profile(
        self,
        data: Source,
        *,
        columns: Sequence[str] | None = None,
        include_statistics: bool = True,
        include_patterns: bool = True,
        include_distributions: bool = True,
        sample_size: int | None = None,
    ) -> ProfileOutput:
        """Describe the columns: always types, nulls and distinct values; other parts only on request."""
        with self._turn(), self._opened(data) as source:
            frame, rows = draw(source, sample_size)
            found = self._engine.profile(frame, columns)
        return ProfileOutput.from_result(
            found,
            include_statistics=include_statistics,
            include_patterns=include_patterns,
            include_distributions=include_distributions,
            sampled_from=rows,
        )

    def learn(self, data: Source, *, strictness: str = "moderate", cache_key: str | None = None) -> dict[str, Any]:
        """Derive a schema and rules that the data passes: `columns` with their types, `rules` as `check` takes them.

        With a `cache_key` the first result is returned again for the same key, until the process ends.
        """
        known = get_args(Strictness)
        if strictness not in known:
            raise QualityError(
                f"there is no strictness `{strictness}`{did_you_mean(strictness, known)}", f"one of {known}"
            )
        key = (cache_key, strictness) if cache_key is not None and self.cache_schemas else None
        with self._lock:
            if key is not None and key in self._schemas:
                return copy.deepcopy(self._schemas[key])
        with self._turn(), self._opened(data) as source:
            frame, _ = draw(source, None)
            found = self._engine.learn(frame, cast("Strictness", strictness))
            schema = found.to_dict() | {
                "columns": {name: str(kind) for name, kind in frame.lazy().collect_schema().items()}
            }
        with self._lock:
            if key is not None:
                schema = self._schemas.setdefault(key, schema)
            return copy.deepcopy(schema)

    def validate_with_schema(self, data: Source, schema: Mapping[str, Any]) -> QualityCheckOutput:
        """Judge the rules of a learned schema. A schema without rules would pass everything, so it is refused."""
        if not schema.get("rules"):
            raise QualityError("the schema has no `rules`, so nothing would be checked", "give what `learn` returned")
        return self.check(data, schema["rules"])

    @property
    def _engine(self) -> DataQualityEngine:
        return self.bound_engine or get_engine(self.engine)

    def _seconds(self, timeout: int | None) -> float:
        if timeout is None:
            return self.default_timeout
        if isinstance(timeout, bool) or not 1 <= timeout <= LONGEST:
            raise QualityError(f"a timeout of {timeout} is not possible", f"give 1 to {LONGEST} seconds, or None")
        return timeout

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self.parallel:
            yield
            return
        with self._lock:
            yield

    @contextmanager
    def _opened(self, data: Source, seconds: float | None = None) -> Iterator[pl.DataFrame | pl.LazyFrame | Path | str]:
        if isinstance(data, str) and self.connection_string is not None:
            with table_file(self.connection_string, data, seconds or self.default_timeout) as path:
                yield path
        elif isinstance(data, pl.DataFrame | pl.LazyFrame | Path | str):
            yield data
        else:
            kind = f"{type(data).__module__}.{type(data).__name__}"
            raise QualityError(
                f"a {kind} cannot be checked", "give a Polars DataFrame or LazyFrame, or the path of a Parquet file"
            )
