"""Rules that give every row its own verdict.

Belongs here: the models and their documentation. Not here: how they are judged (`etl.quality.expressions`).
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from etl.partitions.zones import ZoneName
from etl.quality.regex import check_pattern
from etl.quality.rules.fields import (
    NULL_IGNORED,
    OVER_NOTHING,
    Bound,
    ColumnName,
    ColumnRule,
    Count,
    JsonInfinity,
    KeyRule,
    RuleDoc,
    RuleFields,
    Scalar,
    Sql,
    as_written,
    sql_columns,
)

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
OPERATORS = {"=": "==", "eq": "==", "<>": "!=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def _usable_value(value: object) -> object:
    if value is None:
        raise ValueError("null is not a value of a set: nulls are judged by not_null only")
    if isinstance(value, float) and value != value:  # noqa: PLR0124  NaN is the only value unequal to itself
        raise ValueError("NaN is not a value of a set")
    return value


SetValue = Annotated[Scalar, BeforeValidator(_usable_value), JsonInfinity]


class NotNull(KeyRule):
    """No null; with several columns, none of them is null."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="All rows. A row is bad if the column (or any of the columns) is null.",
        null="is bad",
        nan="is a number, hence good",
        empty=OVER_NOTHING,
        example="{column: lot_id, type: not_null}",
    )
    type: Literal["not_null"] = "not_null"


class Unique(KeyRule):
    """No key occurs twice."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Rows whose key columns are all non-null. Every row whose key occurs more than once is bad, the first "
        "row too, because the data does not say which row is right.",
        null="a key with a null in it equals no other key, as in SQL; the row is not judged",
        nan="equals NaN; -0.0 equals 0.0",
        empty=OVER_NOTHING,
        example="{columns: [lot_id, process_step], type: unique}",
    )
    type: Literal["unique"] = "unique"


class Regex(ColumnRule):
    """Text matches a pattern."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null text. The pattern may match anywhere unless it says ^ and $. Syntax: Rust's regex crate; "
        "look-around and back-references do not exist there. $ is the very end, also after a line break.",
        null=NULL_IGNORED,
        empty=OVER_NOTHING,
        example="{column: product_code, type: regex, pattern: '^P-[0-9]{4}$'}",
    )
    type: Literal["regex"] = "regex"
    pattern: Annotated[str, AfterValidator(check_pattern)] = Field(min_length=1, description="The pattern.")


class InRange(ColumnRule):
    """Number or moment between two bounds."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null numbers, dates, moments, times of day or durations; both bounds belong to the range by "
        "default. The comparison is exact: integers and decimals are never turned into floats. On a float column, a "
        "fraction such as 0.1 means the nearest float of the column's type. A date as a bound for moments means "
        "midnight; a duration is written as in ISO 8601, PT1H30M.",
        null=NULL_IGNORED,
        nan="is bad",
        empty=OVER_NOTHING,
        example="{column: qty, type: in_range, min: 0, max: 150}",
    )
    type: Literal["in_range"] = "in_range"
    min: Bound | None = Field(default=None, description="The lowest good value; `min`, `max` or both.")
    max: Bound | None = Field(default=None, description="The highest good value.")
    min_inclusive: bool = Field(default=True, description="Whether `min` itself is good.")
    max_inclusive: bool = Field(default=True, description="Whether `max` itself is good.")

    @model_validator(mode="after")
    def _has_bounds_in_order(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("in_range needs `min`, `max` or both")
        if self.min is not None and self.max is not None:
            try:
                turned = as_written(self.min) > as_written(self.max)  # kinds that cannot be compared are refused
            except TypeError as mixed:
                raise ValueError("`min` and `max` are of different kinds") from mixed
            if turned:
                raise ValueError(f"min {self.min} is greater than max {self.max}: no value can pass")
        return self


class InSet(ColumnRule):
    """Value is in a list."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null values; equal means exactly equal, letter case and unicode form included.",
        null=NULL_IGNORED,
        nan="is bad",
        empty=OVER_NOTHING,
        example="{column: status, type: in_set, values: [active, inactive]}",
    )
    type: Literal["in_set"] = "in_set"
    values: tuple[SetValue, ...] = Field(min_length=1, description="The good values.")


class NotInSet(ColumnRule):
    """Value is not in a list."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null values; equal means exactly equal, letter case and unicode form included.",
        null=NULL_IGNORED,
        nan="is good",
        empty=OVER_NOTHING,
        example="{column: status, type: not_in_set, values: [unknown, '']}",
    )
    type: Literal["not_in_set"] = "not_in_set"
    values: tuple[SetValue, ...] = Field(min_length=1, description="The bad values.")


class NotFuture(ColumnRule):
    """Date or moment that is not after now."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null dates and moments, to the column's own precision. A date is bad after today; `timezone` says "
        "whose today, and which zone moments without a zone are in.",
        null=NULL_IGNORED,
        empty=OVER_NOTHING,
        example="{column: created_at, type: not_future, timezone: Asia/Seoul}",
    )
    type: Literal["not_future"] = "not_future"
    timezone: ZoneName = Field(default="UTC", description="Whose today, and the zone of moments without one.")


class NotPast(ColumnRule):
    """Date or moment that is not before now."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null dates and moments, to the column's own precision. A date is bad before today; `timezone` says "
        "whose today, and which zone moments without a zone are in.",
        null=NULL_IGNORED,
        empty=OVER_NOTHING,
        example="{column: due_date, type: not_past, timezone: Asia/Seoul}",
    )
    type: Literal["not_past"] = "not_past"
    timezone: ZoneName = Field(default="UTC", description="Whose today, and the zone of moments without one.")


class Length(ColumnRule):
    """Number of characters of text."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null text, counted in characters (unicode code points), not bytes; nothing is normalised first.",
        null=NULL_IGNORED,
        empty=OVER_NOTHING + "; an empty text has length 0",
        example="{column: lot_id, type: length, min: 3, max: 20}",
    )
    type: Literal["length"] = "length"
    min: Count | None = Field(default=None, description="Fewest characters.")
    max: Count | None = Field(default=None, description="Most characters.")
    exact: Count | None = Field(default=None, description="Exactly so many; instead of `min` and `max`.")

    @model_validator(mode="after")
    def _has_limits(self) -> Self:
        check_limits("length", self.min, self.max, self.exact)
        return self


class Positive(ColumnRule):
    """Number greater than zero."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null numbers and durations greater than zero.",
        null=NULL_IGNORED,
        nan="is bad",
        empty=OVER_NOTHING,
        example="{column: qty, type: positive}",
    )
    type: Literal["positive"] = "positive"


class NonNegative(ColumnRule):
    """Number that is zero or greater."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null numbers and durations of zero or more.",
        null=NULL_IGNORED,
        nan="is bad",
        empty=OVER_NOTHING,
        example="{column: qty, type: non_negative}",
    )
    type: Literal["non_negative"] = "non_negative"


class ForeignKey(KeyRule):
    """Key exists in another table."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Rows whose key columns are all non-null. A row is bad if no row of the other table has that key. "
        "The other table is one of `tables`, given to the check by name; in a pipeline it is another pipeline of the "
        "tenant, and the rows are all that it publishes.",
        null="a key with a null in it refers to nothing, as in SQL; the row is not judged",
        empty=OVER_NOTHING + "; an empty other table makes every key bad",
        example="{column: product_code, type: foreign_key, to: products, to_column: code}",
    )
    type: Literal["foreign_key"] = "foreign_key"
    to: str = Field(min_length=1, description="Name of the other table.")
    to_column: ColumnName | None = Field(default=None, description="Its column; the same name when left out.")
    to_columns: tuple[ColumnName, ...] = Field(
        default=(), description="Its columns, in the order of `columns`; the same names when left out."
    )

    @model_validator(mode="after")
    def _as_many_there_as_here(self) -> Self:
        if self.to_column is not None and self.to_columns:
            raise ValueError("name either `to_column` or `to_columns`")
        if len(self.referenced_columns) != len(self.judged_columns):
            raise ValueError("the other table's key has another number of columns")
        return self

    @property
    def referenced_columns(self) -> tuple[str, ...]:
        """Columns of the other table, in the order of the key."""
        if self.to_column is not None:
            return (self.to_column,)
        return self.to_columns or self.judged_columns


class Expression(RuleFields):
    """SQL condition that every row has to meet."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Rows for which the condition is TRUE (good) or FALSE (bad); a row for which it is NULL is not judged.",
        null="follows SQL: a condition over a null is usually NULL, and then " + NULL_IGNORED,
        nan="every comparison with NaN is FALSE",
        empty=OVER_NOTHING,
        example="{type: expression, expression: 'qty_out <= qty_in'}",
    )
    type: Literal["expression"] = "expression"
    expression: Sql = Field(description="SQL over the columns of the row; no query, no other table, no clock.")

    @property
    def judged_columns(self) -> tuple[str, ...]:
        """Columns that the condition reads."""
        return sql_columns(self.expression)


class Email(ColumnRule):
    """Text that is an e-mail address."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null text: dot-separated atoms, @, a host name with at least two labels, the last "
        "of two letters or more; letters of any script. "
        "Quoted local parts, comments and address literals are bad. Whether the address exists is not checked.",
        null=NULL_IGNORED,
        empty=OVER_NOTHING + "; an empty or blank text is bad",
        example="{column: email, type: email}",
    )
    type: Literal["email"] = "email"


class Url(ColumnRule):
    """Text that is an absolute URL."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null text: http, https, ftp or ftps, a host (name, IPv4 or IPv6 in brackets), then "
        "port, path, query and fragment if any; no blanks. A name ends in a label of two letters or more.",
        null=NULL_IGNORED,
        empty=OVER_NOTHING + "; an empty or blank text is bad",
        example="{column: homepage, type: url}",
    )
    type: Literal["url"] = "url"


class Uuid(ColumnRule):
    """Text that is a UUID."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null text of the form 8-4-4-4-12 hexadecimal digits, upper or lower case, any version.",
        null=NULL_IGNORED,
        empty=OVER_NOTHING + "; an empty or blank text is bad",
        example="{column: order_id, type: uuid}",
    )
    type: Literal["uuid"] = "uuid"


class IpAddress(ColumnRule):
    """Text that is an IP address."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Non-null text: IPv4 (four decimal numbers without leading zeros) or IPv6 in any legal notation, "
        "without zone or mask.",
        null=NULL_IGNORED,
        empty=OVER_NOTHING + "; an empty or blank text is bad",
        example="{column: client, type: ip_address, version: 4}",
    )
    type: Literal["ip_address"] = "ip_address"
    version: Literal[4, 6] | None = Field(default=None, description="4 or 6; both when left out.")


class CompareColumns(RuleFields):
    """A comparison of two columns is true."""

    doc: ClassVar[RuleDoc] = RuleDoc(
        judges="Rows in which both columns are non-null. Numbers are compared exactly, also an integer with a float; "
        "text is compared by code point.",
        null=NULL_IGNORED,
        nan="is bad with every operator, also !=",
        empty=OVER_NOTHING,
        example="{type: compare_columns, left: started_at, operator: <=, right: ended_at}",
    )
    type: Literal["compare_columns"] = "compare_columns"
    left: ColumnName = Field(description="The column on the left.")
    operator: Annotated[
        Operator, BeforeValidator(lambda text: OPERATORS.get(text, text) if isinstance(text, str) else text)
    ] = Field(description="One of == != < <= > >=.")
    right: ColumnName = Field(description="The column on the right.")

    @property
    def judged_columns(self) -> tuple[str, ...]:
        """Both columns."""
        return (self.left, self.right)


def check_limits(kind: str, low: int | None, high: int | None, exact: int | None) -> None:
    """Refuse limits that say nothing or contradict each other."""
    if exact is not None and (low is not None or high is not None):
        raise ValueError(f"{kind} takes `exact` or `min` and `max`, not both")
    if exact is None and low is None and high is None:
        raise ValueError(f"{kind} needs `min`, `max` or `exact`")
    if low is not None and high is not None and low > high:
        raise ValueError(f"min {low} is greater than max {high}: nothing can pass")
