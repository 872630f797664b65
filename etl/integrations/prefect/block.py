"""`DataQualityBlock`: an engine and default rules, saved in Prefect and used by many flows.

Belongs here: the block. Not here: tasks (`tasks`), what a verdict does (`outcome`), judging (`etl.quality`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from prefect.blocks.core import Block
from pydantic import Field, field_validator

from etl.errors import QualityError
from etl.integrations.prefect.artifacts import CHECK_KEY
from etl.integrations.prefect.outcome import aconclude, conclude, run_log, subject_of
from etl.quality.checking import check
from etl.quality.data import Readable
from etl.quality.engine import DataQualityEngine, Strictness, get_engine
from etl.quality.results import CheckResult, LearnResult, ProfileResult
from etl.quality.rules import AnyRule, parse_rules

Rules = Sequence[AnyRule | Mapping[str, Any]]


class DataQualityBlock(Block):
    """Settings of data quality checks: the engine, the time limit, what a failure does, and default rules.

    Example:
        ```python
        from etl.integrations.prefect import DataQualityBlock

        block = DataQualityBlock(default_rules=[{"column": "id", "type": "not_null"}])
        block.save("production-quality")
        ```
    """

    _block_type_name = "DataQuality"
    _block_type_slug = "data-quality"
    _description = "Settings of data quality checks: the engine, the time limit, what a failure does, default rules."

    engine_name: str = Field(default="truthound", description="Name under which the quality engine is registered.")
    auto_schema: str | None = Field(default=None, description="Name of a baseline whose rules are judged too.")
    baselines: str | None = Field(default=None, description="The folder in which the baselines are kept.")
    fail_on_error: bool = Field(default=True, description="Fail the run if the data does not pass.")
    timeout_seconds: float = Field(default=300.0, ge=1.0, le=3600.0, description="Seconds until a check is given up.")
    default_rules: list[dict[str, Any]] = Field(
        default_factory=list, description="The rules of a check that names none."
    )

    @field_validator("auto_schema", mode="before")
    @classmethod
    def _is_a_name(cls, wanted: object) -> object:
        refuse_auto_schema(wanted)
        return wanted or None

    @field_validator("default_rules")
    @classmethod
    def _readable(cls, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
        parse_rules(rules)
        return rules

    def get_engine(self) -> DataQualityEngine:
        """Return the engine. One that is not installed is an error that says what to install."""
        return get_engine(self.engine_name)

    def check(
        self,
        data: Readable,
        rules: Rules | None = None,
        *,
        fail_on_error: bool | None = None,
        auto_schema: str | None = None,
        tables: Mapping[str, pl.LazyFrame] | None = None,
        now: datetime | None = None,
        subject: str | None = None,
        key: str = CHECK_KEY,
    ) -> CheckResult:
        """Judge `rules`, or the block's own rules, over data; `data_quality_check_task` also makes artifacts.

        `auto_schema` names a baseline in the block's folder `baselines`, whose rules are judged too.
        Raises `DataQualityError`, which has the result, if a rule of severity error fails or a rule cannot be judged.
        With `fail_on_error=False` nothing is raised, and only the result and the log show it.
        """
        result = self.judged(data, rules, auto_schema=auto_schema, tables=tables, now=now)
        conclude(result, subject=subject_of(data, subject), key=key, fails=self.fails(fail_on_error), artifact=False)
        return result

    async def acheck(
        self,
        data: Readable,
        rules: Rules | None = None,
        *,
        fail_on_error: bool | None = None,
        auto_schema: str | None = None,
        tables: Mapping[str, pl.LazyFrame] | None = None,
        now: datetime | None = None,
        subject: str | None = None,
        key: str = CHECK_KEY,
    ) -> CheckResult:
        """The same as `check`, for async code: the event loop is not blocked."""
        result = await asyncio.to_thread(self.judged, data, rules, auto_schema=auto_schema, tables=tables, now=now)
        fails = self.fails(fail_on_error)
        await aconclude(result, subject=subject_of(data, subject), key=key, fails=fails, artifact=False)
        return result

    def profile(self, data: Readable, *, columns: Sequence[str] | None = None) -> ProfileResult:
        """Describe the columns of the data, exactly."""
        found = self.get_engine().profile(data, columns)
        run_log().info("Data profile: %d rows, %d columns", found.row_count, len(found.columns))
        return found

    async def aprofile(self, data: Readable, *, columns: Sequence[str] | None = None) -> ProfileResult:
        """The same as `profile`, for async code."""
        return await asyncio.to_thread(self.profile, data, columns=columns)

    def learn(self, data: Readable, *, strictness: Strictness = "moderate") -> LearnResult:
        """Derive rules that the data passes; they are for the next data, since this data cannot fail them."""
        found = self.get_engine().learn(data, strictness)
        run_log().info("Learned %d rules from %d rows", len(found.rules), found.row_count)
        return found

    async def alearn(self, data: Readable, *, strictness: Strictness = "moderate") -> LearnResult:
        """The same as `learn`, for async code."""
        return await asyncio.to_thread(self.learn, data, strictness=strictness)

    def judged(
        self,
        data: Readable,
        rules: Rules | None,
        *,
        auto_schema: str | None = None,
        tables: Mapping[str, pl.LazyFrame] | None = None,
        now: datetime | None = None,
    ) -> CheckResult:
        """Return the result of the check, whatever it is."""
        refuse_auto_schema(auto_schema)
        return check(
            data,
            self.default_rules if rules is None else rules,
            engine=self.engine_name,
            timeout=self.timeout_seconds,
            tables=tables,
            now=now,
            auto_schema=auto_schema or self.auto_schema,
            baselines=self.baselines,
        )

    def fails(self, fail_on_error: bool | None) -> bool:
        """Whether bad data fails the run: what the call says, or else what the block says."""
        return self.fail_on_error if fail_on_error is None else fail_on_error


def refuse_auto_schema(wanted: object) -> None:
    """Refuse rules learned from the very data that they judge: such a check can never fail."""
    if wanted is True:
        raise QualityError(
            "auto_schema=True names no baseline, and rules learned from the data that they judge can never fail",
            "learn a baseline with etl.quality.learn_baseline from data that you trust, and give its name",
        )
