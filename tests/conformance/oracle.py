"""The oracle: every rule type written a second time, in SQL, and run by DuckDB.

It shares no code with `etl.quality` but the rule models, which only hold arguments. What a rule means is taken from
its documentation; when an engine and the oracle differ, the documentation says who is wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb
import polars as pl

from tests.conformance import texts
from tests.conformance.kinds import Columns, judgeable


@dataclass(frozen=True)
class Expected:
    """What every engine has to say."""

    status: str
    failed: int = 0
    total: int = 0


ERROR = Expected("error")

# The product calls every comparison with NaN FALSE; DuckDB orders NaN above infinity. These conditions read floats.
FLOAT_CONDITIONS = {
    "f > 0": "CASE WHEN f IS NOT NULL THEN f > 0 AND NOT isnan(f) END",
    "f <> 1": "CASE WHEN f IS NOT NULL THEN f <> 1 AND NOT isnan(f) END",
    "NOT f > 0": "CASE WHEN f IS NOT NULL THEN NOT (f > 0 AND NOT isnan(f)) END",
    "f BETWEEN 0 AND 1": "CASE WHEN f IS NOT NULL THEN f >= 0 AND f <= 1 END",
}


def expect(
    frame: pl.DataFrame, rules: Sequence[Any], now: datetime, tables: Mapping[str, pl.DataFrame]
) -> list[Expected]:
    """Judge all rules with one query."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        # Copied into tables: a scan of Arrow compares milliseconds with finer bounds wrongly when it filters while reading.
        for table, data in (("t", frame.with_row_index("__n")), *tables.items()):
            connection.register("arrow", data.to_arrow())
            connection.execute(f"CREATE TABLE {name(table)} AS SELECT * FROM arrow")
        columns = Columns.of(connection, frame.schema, tables)
        judged = [(index, rule) for index, rule in enumerate(rules) if judgeable(rule, columns)]
        select = [part for _, rule in judged for part in _Judge(rule, columns, now).counts()]
        _, *row = connection.execute(f"SELECT {', '.join(['count(*)', *select])} FROM t").fetchall()[0]
    found = [ERROR] * len(rules)
    for place, (index, rule) in enumerate(judged):
        failed, total = int(row[2 * place]), int(row[2 * place + 1])
        least = Fraction(str(rule.mostly)) if rule.mostly is not None else 1
        found[index] = Expected("passed" if total - failed >= least * total else "failed", failed, total)
    return found


def name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def decimal(value: Any) -> str:
    text = format(Decimal(str(value)), "f")
    digits = len(text.partition(".")[2])
    return f"CAST('{text}' AS DECIMAL(38,{digits}))"


class _Judge:
    """The two numbers of one rule, as SQL over the table t."""

    def __init__(self, rule: Any, columns: Columns, now: datetime) -> None:
        self.rule, self.columns, self.now = rule, columns, now
        condition = FLOAT_CONDITIONS.get(rule.where, rule.where)
        self.where = f"(({condition}) IS TRUE)" if condition else "TRUE"

    def counts(self) -> tuple[str, str]:
        judge = getattr(self, f"judge_{self.rule.type}")
        found: tuple[str, str] = judge()
        return found

    def rows(self, good: str, *, applies: str | None = None) -> tuple[str, str]:
        """Count rows: those that the rule applies to, and of these the ones that are not good."""
        if applies is None:
            applies = " AND ".join(f"{name(each)} IS NOT NULL" for each in self.rule.judged_columns)
        return (
            f"count(*) FILTER (WHERE {self.where} AND {applies} AND NOT ({good}))",
            f"count(*) FILTER (WHERE {self.where} AND {applies})",
        )

    def table(self, good: str) -> tuple[str, str]:
        """Judge the table as a whole."""
        return f"(SELECT CASE WHEN ({good}) THEN 0 ELSE 1 END)", "1"

    @property
    def column(self) -> str:
        return name(self.rule.column)

    def compare(self, operator: str, value: Any) -> str:
        """Compare the column with a literal, by the column's type."""
        column, kind = self.column, self.columns.kind(self.rule.column)
        equality = {"==": "=", "!=": "<>"}.get(operator, operator)
        if kind == "float":
            return self.compare_float(equality, value)
        if kind == "integer" and isinstance(value, int):
            return f"CAST({column} AS HUGEINT) {equality} CAST('{value}' AS HUGEINT)"
        if kind in ("integer", "decimal"):
            if isinstance(value, float) and value in (float("inf"), float("-inf")):
                return f"{0 if value > 0 else 1} {equality} {1 if value > 0 else 0}"
            literal = decimal(value)
            scale = self.columns.scale(self.rule.column)
            return f"CAST({column} AS DECIMAL(38,{scale})) {equality} {literal}"
        if kind == "timestamp_ns":
            return f"epoch_ns({column}) {equality} epoch_ns({self.moment(value)}::TIMESTAMP_NS)"
        if kind == "time":
            return f"CAST({column} AS TIME) {equality} {self.literal(value)}"
        return f"{column} {equality} {self.literal(value)}"

    def compare_float(self, operator: str, value: Any) -> str:
        """NaN compares with nothing; an integer that no float equals is compared exactly."""
        column = f"CAST({self.column} AS DOUBLE)"
        number = Fraction(value) if isinstance(value, int) else None
        if number is not None and abs(number) > 2**53:
            exactly = float_with_whole(column, operator, f"CAST('{value}' AS HUGEINT)")
            return f"NOT isnan({column}) AND {exactly}"
        literal = f"CAST('{value}' AS DOUBLE)"
        if self.columns.described[self.rule.column] == "FLOAT" and not float(value).is_integer():
            # The nearest float of the column's width, unless that is zero.
            literal = f"coalesce(nullif(CAST(CAST('{value}' AS FLOAT) AS DOUBLE), 0), {literal})"
        return f"NOT isnan({column}) AND {column} {operator} {literal}"

    def literal(self, value: Any) -> str:
        if isinstance(value, bool):
            return str(value).upper()
        if isinstance(value, datetime | date):
            return self.moment(value)
        if isinstance(value, time):
            return f"TIME '{value.isoformat()}'"
        if isinstance(value, timedelta):
            return f"to_microseconds({value // timedelta(microseconds=1)})"
        if isinstance(value, str):
            return quote(value)
        raise TypeError(value)

    def moment(self, value: date) -> str:
        kind = self.columns.kind(self.rule.column)
        if kind == "date":
            return f"DATE '{value.isoformat()}'"
        if isinstance(value, datetime) and value.tzinfo is not None:
            return f"TIMESTAMPTZ '{value.isoformat(' ')}'"
        text = value.isoformat(" ") if isinstance(value, datetime) else f"{value.isoformat()} 00:00:00"
        if kind == "timestamptz":
            return f"timezone('{self.columns.zone(self.rule.column)}', TIMESTAMP '{text}')"
        return f"TIMESTAMP '{text}'"

    def clock(self, at: datetime) -> str:
        """A moment as the column writes it: the date or clock time in the rule's zone, or the moment itself."""
        kind, zone = self.columns.kind(self.rule.column), self.rule.timezone
        moment = f"TIMESTAMPTZ '{at.isoformat(' ')}'"
        if kind == "date":
            return f"CAST(timezone('{zone}', {moment}) AS DATE)"
        return moment if kind == "timestamptz" else f"timezone('{zone}', {moment})"

    def judge_not_null(self) -> tuple[str, str]:
        return self.rows(" AND ".join(f"{name(each)} IS NOT NULL" for each in self.rule.judged_columns), applies="TRUE")

    def judge_unique(self) -> tuple[str, str]:
        keys = ", ".join(name(each) for each in self.rule.judged_columns)
        present = " AND ".join(f"{name(each)} IS NOT NULL" for each in self.rule.judged_columns)
        groups = f"SELECT count(*) AS n FROM t WHERE {self.where} AND {present} GROUP BY {keys}"
        return f"(SELECT coalesce(sum(n), 0) FROM ({groups}) WHERE n > 1)", self.rows("TRUE")[1]

    def judge_regex(self) -> tuple[str, str]:
        return self.rows(f"regexp_matches({self.column}, {quote(self.rule.pattern)})")

    def judge_in_range(self) -> tuple[str, str]:
        rule, parts = self.rule, []
        if rule.min is not None:
            parts.append(self.compare(">=" if rule.min_inclusive else ">", rule.min))
        if rule.max is not None:
            parts.append(self.compare("<=" if rule.max_inclusive else "<", rule.max))
        return self.rows(" AND ".join(parts))

    def judge_in_set(self) -> tuple[str, str]:
        return self.rows(" OR ".join(f"({self.compare('==', value)})" for value in self.rule.values))

    def judge_not_in_set(self) -> tuple[str, str]:
        return self.rows(" AND ".join(f"NOT ({self.compare('==', value)})" for value in self.rule.values))

    def judge_not_future(self) -> tuple[str, str]:
        return self.rows(f"{self.column} <= {self.clock(self.now)}")

    def judge_not_past(self) -> tuple[str, str]:
        dtype = self.columns.types[self.rule.column]
        coarse = isinstance(dtype, pl.Datetime) and dtype.time_unit == "ms"  # to the column's own precision
        moment = self.clock(self.now)
        return self.rows(f"{self.column} >= " + (f"date_trunc('milliseconds', {moment})" if coarse else moment))

    def judge_length(self) -> tuple[str, str]:
        rule, count, parts = self.rule, f"length({self.column})", []
        low, high = (rule.exact, rule.exact) if rule.exact is not None else (rule.min, rule.max)
        if low is not None:
            parts.append(f"{count} >= {low}")
        if high is not None:
            parts.append(f"{count} <= {high}")
        return self.rows(" AND ".join(parts))

    def judge_positive(self) -> tuple[str, str]:
        return self.rows(self.sign(">"))

    def judge_non_negative(self) -> tuple[str, str]:
        return self.rows(self.sign(">="))

    def sign(self, operator: str) -> str:
        if self.columns.kind(self.rule.column) == "interval":
            return f"{self.column} {operator} INTERVAL 0 SECOND"
        return self.compare(operator, 0)

    def judge_foreign_key(self) -> tuple[str, str]:
        pairs = zip(self.rule.judged_columns, self.rule.referenced_columns, strict=True)
        same = " AND ".join(f"t.{name(ours)} = o.{name(theirs)}" for ours, theirs in pairs)
        applies = " AND ".join(f"t.{name(each)} IS NOT NULL" for each in self.rule.judged_columns)
        total = f"SELECT count(*) FROM t WHERE {self.where} AND {applies}"
        return f"({total} AND NOT EXISTS (SELECT 1 FROM {name(self.rule.to)} AS o WHERE {same}))", f"({total})"

    def judge_expression(self) -> tuple[str, str]:
        text = FLOAT_CONDITIONS.get(self.rule.expression, self.rule.expression)
        return self.rows(f"({text}) IS TRUE", applies=f"({text}) IS NOT NULL")

    def judge_email(self) -> tuple[str, str]:
        return self.among(texts.GOOD_EMAILS)

    def judge_url(self) -> tuple[str, str]:
        return self.among(texts.GOOD_URLS)

    def judge_uuid(self) -> tuple[str, str]:
        return self.among(texts.GOOD_UUIDS)

    def judge_ip_address(self) -> tuple[str, str]:
        return self.among(texts.GOOD_ADDRESSES[self.rule.version])

    def among(self, good: Sequence[str]) -> tuple[str, str]:
        """Texts of a format are drawn from a list whose good ones were told apart by hand, or by the standard library."""
        return self.rows(f"{self.column} IN ({', '.join(quote(each) for each in good)})")

    def judge_compare_columns(self) -> tuple[str, str]:
        operator = {"==": "=", "!=": "<>"}.get(self.rule.operator, self.rule.operator)
        left, right = name(self.rule.left), name(self.rule.right)
        kinds = (self.columns.kind(self.rule.left), self.columns.kind(self.rule.right))
        if kinds == ("float", "float"):
            return self.rows(f"NOT isnan({left}) AND NOT isnan({right}) AND {left}::DOUBLE {operator} {right}::DOUBLE")
        if kinds == ("integer", "float"):
            turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(operator, operator)
            whole = float_with_whole(f"{right}::DOUBLE", turned, f"{left}::HUGEINT")
            return self.rows(f"NOT isnan({right}) AND {whole}")
        if kinds == ("float", "integer"):
            whole = float_with_whole(f"{left}::DOUBLE", operator, f"{right}::HUGEINT")
            return self.rows(f"NOT isnan({left}) AND {whole}")
        if "decimal" in kinds:
            scale = max(self.columns.scale(each) for each in (self.rule.left, self.rule.right))
            return self.rows(f"{left}::DECIMAL(38,{scale}) {operator} {right}::DECIMAL(38,{scale})")
        if kinds == ("integer", "integer"):
            return self.rows(f"{left}::HUGEINT {operator} {right}::HUGEINT")
        if "timestamp_ns" in kinds:
            return self.rows(f"epoch_ns({left}::TIMESTAMP_NS) {operator} epoch_ns({right}::TIMESTAMP_NS)")
        return self.rows(f"{left} {operator} {right}")

    def judge_dtype(self) -> tuple[str, str]:
        return self.table(
            f"{quote(self.rule.dtype)} IN ({', '.join(map(quote, self.columns.names_of(self.rule.column)))})"
        )

    def judge_column_exists(self) -> tuple[str, str]:
        return self.table(f"SELECT count(*) = 1 FROM (DESCRIBE t) WHERE column_name = {quote(self.rule.column)}")

    def judge_row_count(self) -> tuple[str, str]:
        rule, count = self.rule, f"(SELECT count(*) FROM t WHERE {self.where})"
        low, high = (rule.exact, rule.exact) if rule.exact is not None else (rule.min, rule.max)
        return self.table(
            f"{count} >= {low if low is not None else 0} AND {count} <= {high if high is not None else 10**9}"
        )

    def judge_recency(self) -> tuple[str, str]:
        oldest = self.now - timedelta(hours=self.rule.max_age_hours)
        recent = f"{self.column} >= {self.clock(oldest)} AND {self.column} <= {self.clock(self.now)}"
        return self.table(f"EXISTS (SELECT 1 FROM t WHERE {self.where} AND {recent})")

    def judge_monotonic(self) -> tuple[str, str]:
        operator = (">" if self.rule.direction == "increasing" else "<") + ("" if self.rule.strict else "=")
        applies = f"{self.where} AND {self.column} IS NOT NULL"
        real = f"NOT isnan({self.column})" if self.columns.kind(self.rule.column) == "float" else "TRUE"
        steps = (
            f"SELECT {self.column} AS c, lag({self.column}) OVER (ORDER BY __n) AS p FROM t WHERE {applies} AND {real}"
        )
        nans = f"SELECT count(*) FROM t WHERE {applies} AND NOT {real}"
        broken = f"SELECT count(*) FROM ({steps}) WHERE p IS NOT NULL AND NOT c {operator} p"
        return f"(SELECT ({broken}) + ({nans}))", f"count(*) FILTER (WHERE {applies})"

    def judge_mean_between(self) -> tuple[str, str]:
        return self.measure("n")

    def judge_sum_between(self) -> tuple[str, str]:
        return self.measure("1")

    def measure(self, times: str) -> tuple[str, str]:
        """The sum against the bounds; for the mean, against the bounds times the number of values."""
        rule, floating = self.rule, self.columns.kind(self.rule.column) == "float"
        number = (
            f"sum({self.column}::DOUBLE)"
            if floating
            else f"sum({self.column}::DECIMAL(38,{self.columns.scale(rule.column)}))"
        )
        inner = f"SELECT {number} AS s, count({self.column}) AS n FROM t WHERE {self.where}"
        parts = ["NOT isnan(s)"] if floating else []
        for bound, operator in ((rule.min, ">="), (rule.max, "<=")):
            if bound is None:
                continue
            literal = f"CAST('{bound}' AS DOUBLE)" if floating else decimal(bound)
            parts.append(f"s / {times} {operator} {literal}" if floating else f"s {operator} {literal} * {times}")
        return (
            f"(SELECT CASE WHEN n = 0 OR ({' AND '.join(parts)}) THEN 0 ELSE 1 END FROM ({inner}))",
            f"(SELECT CASE WHEN n = 0 THEN 0 ELSE 1 END FROM ({inner}))",
        )


def float_with_whole(column: str, operator: str, whole: str) -> str:
    """Compare a float that is not NaN with a whole number: by the whole number next to it on the side that decides."""
    rounded = {"<": "floor", "<=": "ceil", ">": "ceil", ">=": "floor"}.get(operator, "floor")
    near = f"CAST({rounded}({column}) AS HUGEINT) {operator} {whole}"
    if operator == "=":
        near = f"({column} = floor({column}) AND {near})"
    if operator == "<>":
        near = f"({column} <> floor({column}) OR {near})"
    # Beyond 1e38 the sign decides: every whole number of these tests is smaller.
    return f"CASE WHEN abs({column}) < 1e38 THEN {near} ELSE {column} {operator} 0 END"
