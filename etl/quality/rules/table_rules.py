"""Rules about the table as a whole: its shape, its size, its sums, its order.

Belongs here: the models and their documentation. Not here: how they are judged (`etl.quality.expressions`).
A rule of this file never sends a row to quarantine.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from etl.partitions.zones import ZoneName
from etl.quality.rules.dtypes import check_dtype_name
from etl.quality.rules.fields import (
    NULL_IGNORED,
    OVER_NOTHING,
    ColumnRule,
    Count,
    JsonInfinity,
    Level,
    Number,
    NumberBound,
    RuleDoc,
    RuleFields,
    as_written,
    refuse_flag,
    safe_name,
)
from etl.quality.rules.row_rules import check_limits


class Dtype(ColumnRule):
    """Column has a data type."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="The column's type, without reading a row. Names as in Polars (`Int64`, `Datetime('us', 'UTC')`, "
        "`Decimal(38, 2)`, `List(String)`) or a family: integer, unsigned, float, decimal, number, string, boolean, "
        "date, datetime, time, duration, categorical, list, struct.",
        null="plays no part",
        nan="plays no part",
        empty="is judged like any other frame",
        example="{column: qty, type: dtype, dtype: integer}",
    )
    level: ClassVar[Level] = "table"
    takes_mostly: ClassVar[bool] = False
    takes_where: ClassVar[bool] = False
    type: Literal["dtype"] = "dtype"
    dtype: str = Field(min_length=1, description="The type, or a family of types.")

    @field_validator("dtype")
    @classmethod
    def _known(cls, value: str) -> str:
        return check_dtype_name(value)


class ColumnExists(ColumnRule):
    """Column exists."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="The schema, without reading a row. A missing column is a failure here, "
        "and an error for every other rule.",
        null="plays no part",
        nan="plays no part",
        empty="is judged like any other frame",
        example="{column: lot_id, type: column_exists}",
    )
    level: ClassVar[Level] = "table"
    takes_mostly: ClassVar[bool] = False
    takes_where: ClassVar[bool] = False
    type: Literal["column_exists"] = "column_exists"

    @property
    def columns_needed(self) -> tuple[str, ...]:
        """No columns: this rule is about a column that may be missing."""
        return ()


class RowCount(RuleFields):
    """Number of rows."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="The number of rows, or of rows for which `where` is TRUE. This is the rule that judges emptiness.",
        null="plays no part",
        nan="plays no part",
        empty="is 0 rows, and judged so",
        example="{type: row_count, min: 1}",
    )
    level: ClassVar[Level] = "table"
    takes_mostly: ClassVar[bool] = False
    type: Literal["row_count"] = "row_count"
    min: Count | None = Field(default=None, description="Fewest rows.")
    max: Count | None = Field(default=None, description="Most rows.")
    exact: Count | None = Field(default=None, description="Exactly so many; instead of `min` and `max`.")

    @model_validator(mode="after")
    def _has_limits(self) -> Self:
        check_limits("row_count", self.min, self.max, self.exact)
        return self


class Recency(ColumnRule):
    """There is a recent row."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Whether any moment lies between now minus `max_age_hours` and now; moments after now do not "
        "count, so that one wrong row cannot hide stale data. A date is recent from the day of the oldest moment "
        "on; `timezone` is the zone of dates and of moments without a zone.",
        null=NULL_IGNORED,
        empty="fails: nothing is recent",
        example="{column: created_at, type: recency, max_age_hours: 26, timezone: Asia/Seoul}",
    )
    level: ClassVar[Level] = "table"
    takes_mostly: ClassVar[bool] = False
    type: Literal["recency"] = "recency"
    max_age_hours: Annotated[float, BeforeValidator(refuse_flag)] = Field(
        gt=0, allow_inf_nan=False, description="How old the newest moment may be."
    )
    timezone: ZoneName = Field(default="UTC", description="The zone of dates and of moments without one.")


class Monotonic(ColumnRule):
    """Values rise or fall from row to row."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null values in the order of the rows; a value is bad if it breaks the order relative to the "
        "judged value before it. The sequence is judged, so no row goes to quarantine.",
        null=NULL_IGNORED + ", and skipped when looking for the value before",
        nan="is bad, and skipped when looking for the value before",
        empty=OVER_NOTHING,
        example="{column: sequence, type: monotonic, direction: increasing, strict: true}",
    )
    level: ClassVar[Level] = "table"
    type: Literal["monotonic"] = "monotonic"
    direction: Literal["increasing", "decreasing"] = Field(default="increasing", description="Which way values go.")
    strict: bool = Field(default=False, description="Whether equal neighbours are bad too.")


class MeanBetween(ColumnRule):
    """Mean of a column."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="The mean of the non-null numbers; both bounds belong to the range. "
        "Exact for integers and decimals, float64 for floats.",
        null=NULL_IGNORED,
        nan="makes the mean NaN, which fails",
        empty=OVER_NOTHING,
        example="{column: yield_rate, type: mean_between, min: 0.9, max: 1}",
    )
    level: ClassVar[Level] = "table"
    takes_mostly: ClassVar[bool] = False
    type: Literal["mean_between"] = "mean_between"
    min: NumberBound | None = Field(default=None, description="The lowest good outcome; `min`, `max` or both.")
    max: NumberBound | None = Field(default=None, description="The highest good outcome.")

    @model_validator(mode="after")
    def _has_bounds(self) -> Self:
        check_bounds("mean_between", self.min, self.max)
        return self


class SumBetween(ColumnRule):
    """Sum of a column."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="The sum of the non-null numbers; both bounds belong to the range. "
        "Exact for integers and decimals, float64 for floats.",
        null=NULL_IGNORED,
        nan="makes the sum NaN, which fails",
        empty=OVER_NOTHING,
        example="{column: qty, type: sum_between, min: 1}",
    )
    level: ClassVar[Level] = "table"
    takes_mostly: ClassVar[bool] = False
    type: Literal["sum_between"] = "sum_between"
    min: NumberBound | None = Field(default=None, description="The lowest good outcome; `min`, `max` or both.")
    max: NumberBound | None = Field(default=None, description="The highest good outcome.")

    @model_validator(mode="after")
    def _has_bounds(self) -> Self:
        check_bounds("sum_between", self.min, self.max)
        return self


class Truthound(RuleFields):
    """Any other validator of the library Truthound, by its name."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="What the validator of that name judges. Only the engine `truthound` can run it; the engine compares "
        "the arguments with the validator's signature.",
        null="as the validator defines",
        nan="as the validator defines",
        empty="as the validator defines",
        example="{truthound: outlier, columns: [qty]}",
    )
    level: ClassVar[Level] = "table"
    takes_mostly: ClassVar[bool] = False
    takes_where: ClassVar[bool] = False
    type: Literal["truthound"] = "truthound"
    validator: str = Field(min_length=1, description="Its name in the library.")
    args: dict[str, Annotated[JsonValue, JsonInfinity]] = Field(default_factory=dict, description="Its arguments.")

    @property
    def judged_columns(self) -> tuple[str, ...]:
        """Columns named by the arguments `column` and `columns`."""
        one, several = self.args.get("column"), self.args.get("columns")
        named = [one, *(several if isinstance(several, list | tuple) else ())]
        return tuple(each for each in named if isinstance(each, str))

    @property
    def check_name(self) -> str:
        """Name of the check; it contains the validator's name."""
        if self.name is not None:
            return safe_name(self.name)
        return safe_name(
            "__".join(("truthound", self.validator, *(("_".join(self.judged_columns),) if self.judged_columns else ())))
        )

    def __hash__(self) -> int:
        """Hash what is hashable; equal rules have equal hashes."""
        return hash((self.type, self.validator, self.severity, self.name))


def check_bounds(kind: str, low: Number | None, high: Number | None) -> None:
    """Refuse bounds that say nothing or contradict each other."""
    if low is None and high is None:
        raise ValueError(f"{kind} needs `min`, `max` or both")
    if low is not None and high is not None and as_written(low) > as_written(high):
        raise ValueError(f"min {low} is greater than max {high}: no value can pass")


def spell_out_truthound(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `{truthound: name, ...arguments}` into the full form."""
    common = {*RuleFields.model_fields}
    return {
        "type": "truthound",
        "validator": raw["truthound"],
        "args": {key: value for key, value in raw.items() if key not in common and key != "truthound"},
        **{key: value for key, value in raw.items() if key in common},
    }
