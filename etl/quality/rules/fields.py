"""What all rules have in common: severity, tolerance, condition, name, and the kinds of literal they accept.

Belongs here: `RuleFields`, the literal types, the description of a rule. Not here: any single rule.
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    WrapSerializer,
    model_validator,
)

from etl.quality.moments import is_finer

Severity = Literal["error", "warning", "info"]
Level = Literal["row", "table"]
Scalar = bool | int | float | Decimal | datetime | date | time | timedelta | str
Number = int | float | Decimal
_DURATION = TypeAdapter(timedelta)
_BESIDE = {"name", "description", "severity"}
"""Fields that do not change which rows are good."""


@dataclass(frozen=True, slots=True)
class RuleDoc:
    """The description of a rule; the documentation and the command line show it."""

    judges: str
    null: str
    empty: str
    nan: str = "has no meaning here"
    example: str = ""


OVER_NOTHING = "passes over 0 rows and says so"
NULL_IGNORED = "is neither good nor bad"


def refuse_flag(value: object) -> object:
    """Keep `true` from being read as the number 1."""
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number or a point in time")  # noqa: TRY004  pydantic wants ValueError
    return value


def read_bound(value: object) -> object:
    """Read a bound written as text: a number, a date, a date with time, a time of day, or a duration."""
    refuse_flag(value)
    if isinstance(value, float) and math.isnan(value):
        raise ValueError("NaN is not a bound")
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError("a decimal bound must be finite")
    if not isinstance(value, str):
        return value
    try:
        number = Decimal(value)
    except InvalidOperation:
        return _read_moment(value)
    if number.is_nan():
        raise ValueError(f"`{value}` is not a bound")
    # Only a float can be infinite; `json_infinity` wrote infinity as text.
    return float(number) if number.is_infinite() else number


def json_infinity(value: Any, write: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401
    """Write infinity as text, `inf` or `-inf`: JSON has no number for it."""
    return str(value) if isinstance(value, float) and math.isinf(value) else write(value)


def as_written(bound: Any) -> Any:  # noqa: ANN401
    """Return a float as the decimal number that the user wrote: 0.1 is a tenth. Other values stay as they are."""
    return Decimal(repr(bound)) if isinstance(bound, float) else bound


def _read_moment(text: str) -> object:
    if is_finer(text):
        raise ValueError(f"`{text}` is finer than a microsecond, which no rule can compare")
    for kind in (date, time, datetime):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            continue
    duration = read_duration(text)
    if duration is None:
        raise ValueError(
            f"`{text}` is not a number, a date (2026-01-31), a date with time, a time of day, or a duration (PT1H30M)"
        )
    return duration


def read_duration(text: str) -> timedelta | None:
    """Read a duration written as in ISO 8601, such as P1D or -PT0.5S."""
    if not text.lstrip("+-").startswith("P") or is_finer(text):
        return None
    try:
        return _DURATION.validate_python(text)
    except ValidationError:
        return None


def check_sql(text: object) -> object:
    """Refuse SQL that is not a plain expression over the columns."""
    if isinstance(text, str):
        from etl.quality.sql_predicate import parse_predicate  # noqa: PLC0415  sqlglot is slow to import

        parse_predicate(text)
    return text


def sql_columns(text: str | None) -> tuple[str, ...]:
    """Return the columns that a condition reads, in order of appearance."""
    if text is None:
        return ()
    from etl.quality.sql_predicate import parse_predicate  # noqa: PLC0415  sqlglot is slow to import

    return parse_predicate(text).columns


@lru_cache(maxsize=4096)
def safe_name(text: str) -> str:
    """Turn any text into a check name of letters, digits and underscores; a digest keeps different texts different."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", text)
    if plain == text:
        return text
    return f"{plain.strip('_') or 'x'}_{hashlib.sha256(text.encode()).hexdigest()[:6]}"


JsonInfinity = WrapSerializer(json_infinity, when_used="json")
Bound = Annotated[int | float | Decimal | datetime | date | time | timedelta, BeforeValidator(read_bound), JsonInfinity]
NumberBound = Annotated[Number, BeforeValidator(read_bound), JsonInfinity]
Count = Annotated[int, BeforeValidator(refuse_flag), Field(ge=0)]
Sql = Annotated[str, BeforeValidator(check_sql), Field(min_length=1)]
ColumnName = Annotated[str, Field(min_length=1)]
Mostly = Annotated[float, BeforeValidator(refuse_flag), Field(gt=0, le=1)]


class RuleFields(BaseModel):
    """Fields that every rule takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: ClassVar[Level] = "row"
    """`row`: every row has its own verdict; `table`: only the table as a whole has a verdict."""
    takes_mostly: ClassVar[bool] = True
    takes_where: ClassVar[bool] = True
    doc: ClassVar[RuleDoc]

    severity: Severity = Field(
        default="error", description="What a failure means: `error` stops, `warning` warns, `info` only reports."
    )
    mostly: Mostly | None = Field(
        default=None, description="Share of the judged rows that has to be good, e.g. 0.99; judged on exact counts."
    )
    where: Sql | None = Field(default=None, description="SQL condition; only rows for which it is TRUE are judged.")
    name: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Name of the check; made from type and columns when left out."
    )
    description: str | None = Field(default=None, description="Why the rule exists, for people.")

    @model_validator(mode="after")
    def _no_field_without_effect(self) -> Self:
        kind: str = getattr(self, "type", "")
        if self.mostly is not None and not self.takes_mostly:
            raise ValueError(f"`mostly` has no meaning for {kind}, which judges the table as a whole")
        if self.where is not None and not self.takes_where:
            raise ValueError(f"`where` has no meaning for {kind}")
        return self

    @property
    def judged_columns(self) -> tuple[str, ...]:
        """Columns that the rule is about."""
        column: str | None = getattr(self, "column", None)
        columns: tuple[str, ...] = getattr(self, "columns", ())
        return (column,) if column is not None else columns

    @property
    def columns_needed(self) -> tuple[str, ...]:
        """Columns that have to exist before the rule can be judged, those of `where` included."""
        return tuple(dict.fromkeys((*self.judged_columns, *sql_columns(self.where))))

    @property
    def check_name(self) -> str:
        """Name of the check in safe characters, such as `unique__lot_id_process_step`."""
        if self.name is not None:
            return safe_name(self.name)
        kind: str = getattr(self, "type", "")
        columns = "_".join(self.judged_columns)
        return f"{kind}__{safe_name(columns)}" if columns else kind

    @property
    def digest(self) -> str:
        """A hash of what is asked. Rules that differ only in name, description or severity have the same one."""
        asked = {key: value for key, value in self.to_dict().items() if key not in _BESIDE}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain data that `parse_rules` reads back to a rule of the same meaning.

        The rule that is read back is equal, but decimals, moments, durations and infinity in a set become text.
        """
        return self.model_dump(mode="json", exclude_defaults=True) | {"type": getattr(self, "type", "")}


class ColumnRule(RuleFields):
    """A rule about one column."""

    column: ColumnName = Field(description="The column.")


class KeyRule(RuleFields):
    """A rule about one column or several columns together."""

    column: ColumnName | None = Field(default=None, description="The column; or `columns` for several.")
    columns: tuple[ColumnName, ...] = Field(default=(), description="The columns, judged together.")

    @model_validator(mode="after")
    def _one_way_of_naming(self) -> Self:
        if (self.column is None) == (not self.columns):
            raise ValueError("name either `column` or `columns`")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("`columns` names a column twice")
        return self
