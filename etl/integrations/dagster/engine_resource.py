"""A quality engine as a Dagster resource, and resources with a user's own engine.

Belongs here: choosing the engine. Not here: the effect of a verdict on a run (`resource`, `quality_step`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

import polars as pl
from dagster import ConfigurableResource, EnvVar
from pydantic import BaseModel, ConfigDict, Field, field_validator

from etl.integrations.dagster.sampling import Data
from etl.quality.checking import check
from etl.quality.engine import DataQualityEngine, Strictness, engine_names, get_engine
from etl.quality.results import CheckResult, LearnResult, ProfileResult
from etl.quality.rules import AnyRule
from etl.suggest import did_you_mean

LONGEST = 3600

R = TypeVar("R", bound="ConfigurableResource[Any]")


class EngineResourceConfig(BaseModel):
    """The engine's name and its timeout."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine_name: str = "truthound"
    default_timeout: int = Field(default=300, ge=1, le=LONGEST, description="Seconds until a check is given up.")

    @field_validator("engine_name")
    @classmethod
    def _exists(cls, name: str) -> str:
        return known_engine(name)

    def with_engine(self, name: str) -> Self:
        """A copy with another engine."""
        return self._with(engine_name=name)

    def with_timeout(self, seconds: int) -> Self:
        """A copy with another timeout."""
        return self._with(default_timeout=seconds)

    def _with(self, **changes: object) -> Self:
        return type(self).model_validate({**self.model_dump(), **changes})


class EngineResource(ConfigurableResource[Any]):
    """An engine that returns its results unchanged. Bad data raises no error; the caller decides what to do."""

    model_config = ConfigDict(extra="forbid")

    engine_name: str = Field(default="truthound", description="Name under which the engine is registered.")
    default_timeout: int = Field(default=300, ge=1, le=LONGEST, description="Seconds until a check is given up.")

    bound_engine: ClassVar[DataQualityEngine | None] = None

    @field_validator("engine_name", mode="before")
    @classmethod
    def _exists(cls, name: str) -> str:
        return name if cls.bound_engine is not None else known_engine(name)

    @classmethod
    def from_config(cls, config: EngineResourceConfig) -> Self:
        """Make the resource that `config` describes."""
        return cls(**config.model_dump())

    @classmethod
    def with_engine(cls, engine: DataQualityEngine, **fields: Any) -> Self:  # noqa: ANN401  the resource's own fields
        """Make the resource with your own engine."""
        return bound(cls, engine)(engine_name=engine.name, **fields)

    @property
    def engine(self) -> DataQualityEngine:
        """The engine."""
        return self.bound_engine or get_engine(self.engine_name)

    def check(
        self,
        data: Data,
        rules: Sequence[AnyRule | Mapping[str, Any]],
        *,
        timeout: float | None = None,
        tables: Mapping[str, pl.LazyFrame] | None = None,
    ) -> CheckResult:
        """Judge rules; there must be at least one rule."""
        seconds = self.default_timeout if timeout is None else timeout
        return check(data, rules, engine=self.engine, timeout=seconds, tables=tables)

    def profile(self, data: Data, columns: Sequence[str] | None = None) -> ProfileResult:
        """Describe the columns."""
        return self.engine.profile(data, columns)

    def learn(self, data: Data, strictness: Strictness = "moderate") -> LearnResult:
        """Derive rules that the data passes."""
        return self.engine.learn(data, strictness)


def known_engine(name: str) -> str:
    """Return the name if an engine has this name. A name from an environment variable is read when the run begins."""
    if isinstance(name, str) and not isinstance(name, EnvVar) and name not in engine_names():
        raise ValueError(f"there is no quality engine `{name}`{did_you_mean(name, engine_names())}")
    return name


def bound(resource: type[R], engine: DataQualityEngine) -> type[R]:
    """Return a class of the same resource that has the engine as a class attribute.

    Dagster makes a new object of the class from plain configuration for every run, so an object cannot be a field.
    """
    body = {
        "bound_engine": engine,
        "__module__": resource.__module__,
        "__doc__": resource.__doc__,
        "__annotations__": {"bound_engine": ClassVar[DataQualityEngine | None]},
    }
    return type(resource.__name__, (resource,), body)
