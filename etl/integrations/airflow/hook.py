"""The connection type `data_quality`: which engine judges, by which rules, how long, with which storage options.

Belongs here: `DataQualityHook` and the settings of its connection. Not here: what a task does with a verdict
(`check_operator`), connections to databases, which are the database's own (`sources`).
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from etl.errors import QualityError
from etl.integrations.airflow.rules import Rules, at_run_time
from etl.quality.checking import check, refuse_no_rules
from etl.quality.data import Readable, open_data
from etl.quality.engine import DataQualityEngine, Strictness, get_engine
from etl.quality.results import CheckResult, LearnResult, ProfileResult
from etl.quality.rules import Severity

if TYPE_CHECKING:
    import polars as pl
    from airflow.sdk import Connection

DEFAULT_ENGINE = "truthound"


class DataQualitySettings(BaseModel):
    """The extra of a connection. A task's own arguments come before these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str = DEFAULT_ENGINE
    rules: tuple[dict[str, Any], ...] = ()
    """Rules of the tasks that name none."""
    severity: Severity | None = None
    """Severity of the rules that name none."""
    timeout: float | None = Field(default=None, gt=0)
    """Seconds until a check is given up; its rules then have no verdict."""
    fail_on_error: bool = True
    storage_options: dict[str, Any] = Field(default={}, repr=False)
    """How files in an object store are reached, in the words of Polars: `aws_access_key_id`, `aws_endpoint_url`, ..."""

    @field_validator("engine", mode="before")
    @classmethod
    def _empty_is_default(cls, engine: object) -> object:
        """The form of a connection sends an empty text for a field that was left empty."""
        return engine or DEFAULT_ENGINE

    @field_validator("rules", "storage_options", mode="before")
    @classmethod
    def _text_is_json(cls, value: object) -> object:
        """Read a text as JSON: a form, and an address of a connection, hold only texts."""
        if isinstance(value, str):
            with suppress(json.JSONDecodeError):
                return json.loads(value)
        return value


def read_settings(connection: "Connection") -> DataQualitySettings:
    """Return the settings in the extra of a connection, or raise an error that shows none of its values."""
    try:
        return DataQualitySettings.model_validate(connection.extra_dejson)
    except ValidationError as broken:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in broken.errors(include_input=False)]
        raise QualityError(
            f"the extra of the connection `{connection.conn_id}` cannot be used: {'; '.join(problems)}",
            f"it may have {', '.join(DataQualitySettings.model_fields)}",
        ) from None


class DataQualityHook(BaseHook):
    """Judges, describes and learns with the settings of a connection of type `data_quality`.

    Without a connection the defaults hold: engine `truthound`, no rules, no time limit. The hook is usable inside any
    task: `DataQualityHook("dq").check(frame, rules)` returns a result and raises nothing about the data.
    """

    conn_name_attr = "data_quality_conn_id"
    default_conn_name = "data_quality_default"
    conn_type = "data_quality"
    hook_name = "Data Quality"

    def __init__(
        self, data_quality_conn_id: str | None = None, *, engine: str | DataQualityEngine | None = None
    ) -> None:
        """`engine` is a name or an object, and comes before the engine of the connection."""
        super().__init__()
        self.data_quality_conn_id = data_quality_conn_id
        self._given_engine = engine

    @cached_property
    def settings(self) -> DataQualitySettings:
        """The settings of the connection."""
        if self.data_quality_conn_id is None:
            return DataQualitySettings()
        return read_settings(self.get_connection(self.data_quality_conn_id))

    def get_conn(self) -> DataQualityEngine:
        """Return the engine, imported now."""
        return get_engine(self._given_engine or self.settings.engine)

    def open(self, data: Readable) -> "pl.DataFrame | pl.LazyFrame":
        """Return data, a path or an address as a frame of Polars."""
        return open_data(data, storage_options=self.settings.storage_options)

    def check(
        self,
        data: Readable,
        rules: Rules | None = None,
        *,
        timeout: float | None = None,
        tables: Mapping[str, Readable] | None = None,
        now: datetime | None = None,
    ) -> CheckResult:
        """Judge rules, or the connection's rules, over data. `tables` are those that `foreign_key` rules name."""
        parsed = at_run_time(rules or self.settings.rules, severity=self.settings.severity)
        refuse_no_rules(parsed)
        engine = self.get_conn()  # first: an engine that is not installed is no matter of the data
        return check(
            data,
            parsed,
            engine=engine,
            storage_options=self.settings.storage_options,
            timeout=timeout or self.settings.timeout,
            tables={name: self.open(each).lazy() for name, each in (tables or {}).items()},
            now=now,
        )

    def profile(self, data: Readable, columns: list[str] | None = None) -> ProfileResult:
        """Describe the columns of data."""
        return self.get_conn().profile(self.open(data), columns)

    def learn(self, data: Readable, strictness: Strictness = "moderate") -> LearnResult:
        """Derive rules that the data passes."""
        return self.get_conn().learn(self.open(data), strictness)

    def test_connection(self) -> tuple[bool, str]:
        """Say whether the engine of the connection is installed and its rules can be read."""
        try:
            engine, rules = self.get_conn(), at_run_time(self.settings.rules)
        except QualityError as refused:
            return False, str(refused)
        return True, f"the engine {engine.name} is there, and {len(rules)} rules can be read"
