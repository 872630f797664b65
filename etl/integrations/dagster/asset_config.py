"""The configuration of a checked asset.

Belongs here: `QualityAssetConfig` and the entries of `build_quality_assets`. Not here: the assets themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from etl.errors import QualityError
from etl.integrations.dagster.engine_resource import LONGEST
from etl.quality.rules import AnyRule, Rule, RuleError, parse_rules
from etl.suggest import did_you_mean

OutputType = Literal["validated", "result"]
RuleList = Sequence[AnyRule | Mapping[str, Any]]

Changed = TypeVar("Changed", bound=BaseModel)


class QualityAssetConfig(BaseModel):
    """Rules, and the effect of their verdict on the asset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = Field(min_length=1)
    fail_on_error: bool = True
    """Whether a failed rule of severity error, or a rule that cannot be judged, prevents the materialization."""
    timeout: int | None = Field(default=None, ge=1, le=LONGEST)
    """Seconds; None: the timeout of the resource."""
    sample_size: int | None = Field(default=None, ge=1)
    """Number of rows to check; None: all rows."""
    output_type: OutputType = "validated"
    """`validated`: the asset is the data; `result`: the asset is the verdict as plain data."""
    check_name: str = Field(default="quality", pattern=r"^[A-Za-z0-9_]+$")

    @field_validator("rules", mode="before")
    @classmethod
    def _read(cls, rules: Any) -> Any:  # noqa: ANN401  whatever was given
        return parse_rules(rules)

    def with_rules(self, rules: RuleList) -> Self:
        """A copy with other rules."""
        return self.changed(rules=rules)

    def with_fail_on_error(self, fail_on_error: bool) -> Self:
        """A copy with another `fail_on_error`."""
        return self.changed(fail_on_error=fail_on_error)

    def with_timeout(self, seconds: int | None) -> Self:
        """A copy with another timeout."""
        return self.changed(timeout=seconds)

    def with_sample_size(self, rows: int | None) -> Self:
        """A copy that checks so many rows."""
        return self.changed(sample_size=rows)

    def changed(self, **changes: object) -> Self:
        """A changed copy, validated like a new one."""
        return changed_copy(self, **changes)


def changed_copy(model: Changed, **changes: object) -> Changed:
    """A changed copy, validated like a new one."""
    own = {name: getattr(model, name) for name in type(model).model_fields}
    return type(model)(**{**own, **changes})


def config_for(subject: str, rules: "RuleList | QualityAssetConfig", **given: object) -> QualityAssetConfig:
    """Return the configuration of one asset. None leaves a value unchanged. Errors name the asset and the rule."""
    changes = {name: value for name, value in given.items() if value is not None}
    if isinstance(rules, QualityAssetConfig):
        return rules.changed(**changes)
    parsed = rules_of(subject, rules)
    output_type = changes.get("output_type", "validated")
    if output_type not in ("validated", "result"):
        raise QualityError(f"{subject}: there is no output_type `{output_type}`", "write `validated` or `result`")
    return QualityAssetConfig.model_validate({"rules": parsed, **changes})


def rules_of(subject: str, rules: RuleList) -> tuple[AnyRule, ...]:
    """Read the rules of a named subject. No rules are an error, because nothing would be checked."""
    try:
        parsed = parse_rules(rules)
    except RuleError as unreadable:
        raise RuleError([f"{subject}: {each}" for each in unreadable.problems]) from None
    if not parsed:
        raise QualityError(f"{subject} has no rules, so nothing would be checked", "give at least one rule")
    return parsed


ENTRY_KEYS = ("name", "upstream", "rules", "description", "group", "fail_on_error", "output_type", "tags")


def entry_problems(position: int, entry: Mapping[str, Any]) -> list[str]:
    """Return the problems with the keys of one entry of `build_quality_assets`."""
    where = f"entry {position} ({entry.get('name', 'without a name')})"
    missing = [f"{where}: `{key}` is missing" for key in ("name", "upstream", "rules") if key not in entry]
    unknown = [
        f"{where}: there is no key `{key}`{did_you_mean(key, ENTRY_KEYS)}" for key in entry if key not in ENTRY_KEYS
    ]
    return missing + unknown
