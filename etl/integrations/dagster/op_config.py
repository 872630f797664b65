"""The configuration of ops.

Belongs here: `CheckOpConfig`, from which an op is made, and `LearnConfig`, which a run may set. Not here: the ops.
"""

from typing import Any, Self, get_args

from dagster import Config
from pydantic import BaseModel, ConfigDict, Field, field_validator

from etl.integrations.dagster.asset_config import RuleList, changed_copy
from etl.integrations.dagster.engine_resource import LONGEST
from etl.quality.engine import Strictness
from etl.quality.rules import Rule, parse_rules
from etl.suggest import did_you_mean


class CheckOpConfig(BaseModel):
    """The rules of an op, and the effect of their verdict on its run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = Field(min_length=1)
    fail_on_error: bool = True
    timeout: int | None = Field(default=None, ge=1, le=LONGEST)
    """Seconds; None: the timeout of the resource."""
    sample_size: int | None = Field(default=None, ge=1)
    """Number of rows to check; None: all rows."""

    @field_validator("rules", mode="before")
    @classmethod
    def _read(cls, rules: Any) -> Any:  # noqa: ANN401  whatever was given
        return parse_rules(rules)

    def with_rules(self, rules: RuleList) -> Self:
        """A copy with other rules."""
        return self._with(rules=rules)

    def with_fail_on_error(self, fail_on_error: bool) -> Self:
        """A copy with another `fail_on_error`."""
        return self._with(fail_on_error=fail_on_error)

    def with_timeout(self, seconds: int | None) -> Self:
        """A copy with another timeout."""
        return self._with(timeout=seconds)

    def with_sample_size(self, rows: int | None) -> Self:
        """A copy that checks so many rows."""
        return self._with(sample_size=rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return self.model_dump(mode="json") | {"rules": [rule.to_dict() for rule in self.rules]}

    def _with(self, **changes: object) -> Self:
        return changed_copy(self, **changes)


class LearnConfig(Config):
    """The options of learning that a run may set."""

    model_config = ConfigDict(extra="forbid")

    strictness: str = Field(default="moderate", description="How tight the rules are: strict, moderate or lenient.")
    cache_key: str | None = Field(default=None, description="Learn once under this name, until the process ends.")

    @field_validator("strictness")
    @classmethod
    def _known(cls, strictness: str) -> str:
        known = get_args(Strictness)
        if strictness not in known:
            raise ValueError(f"there is no strictness `{strictness}`{did_you_mean(strictness, known)}")
        return strictness
