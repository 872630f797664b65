"""The frames, the rules, and every way of judging them: ours, the floor, and other tools.

Belongs here: what is measured. Not here: measuring (`quality.py`).

A rule is a tuple (kind, column, argument), so that every tool is given the same work in its own words.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl

Rule = tuple[str, str, Any]
Run = Callable[[], int]  # returns how many rules failed
LETTERS = ["a", "b", "c", "d", "e"]
FIRST: list[Rule] = [
    ("not_null", "price", None),
    ("unique", "id", None),
    ("between", "qty", (0, 100)),
    ("in_set", "code", LETTERS),
    ("regex", "name", r"^\d+$"),
    ("length", "name", (1, 10)),
    ("non_negative", "price", None),
    ("less_equal", "low", "high"),
]
MORE: list[Rule] = [
    (kind, f"m{index}", (0, 1000) if kind == "between" else None)
    for index in range(14)
    for kind in ("not_null", "between", "non_negative")
]


def rules_of(count: int) -> list[Rule]:
    return [*FIRST, *MORE][:count]


def make_frame(rows: int, columns: int, *, failing: bool) -> pl.LazyFrame:
    """Deterministic; `columns` measures beside the eight base columns. A failing one breaks every rule in some rows."""
    at = pl.int_range(pl.len(), dtype=pl.Int64)
    spread = at.hash(7)
    odd = (at % 1000 == 3) if failing else pl.lit(value=False)
    frame = pl.LazyFrame({"id": pl.int_range(rows, dtype=pl.Int64, eager=True)})
    return frame.with_columns(
        id=pl.when(odd).then(0).otherwise(at),
        qty=pl.when(odd).then(-1).otherwise((spread % 100).cast(pl.Int64)),
        price=pl.when(odd).then(None).when(odd.shift(1, fill_value=False)).then(-1.0).otherwise((spread % 10**6) / 100),
        code=pl.when(odd)
        .then(pl.lit("zz"))
        .otherwise((spread % 5).cast(pl.Int64).replace_strict(dict(enumerate(LETTERS)), return_dtype=pl.String)),
        name=pl.when(odd).then(pl.lit("not a number")).otherwise((spread % 10**8).cast(pl.String)),
        low=pl.when(odd).then(999).otherwise((spread % 50).cast(pl.Int64)),
        high=(spread % 50).cast(pl.Int64) + 1,
        **{
            f"m{index}": pl.when(odd & (index % 2 == 0)).then(-5).otherwise((at.hash(index) % 1000).cast(pl.Int64))
            for index in range(columns)
        },
    )


def floor(frame: pl.DataFrame, rules: list[Rule]) -> Run:
    """One query written by hand: what Polars needs to count the rows that break each rule."""
    column = pl.col
    built = {
        "not_null": lambda c, _: column(c).null_count(),
        "unique": lambda c, _: column(c).is_unique().not_().sum(),
        "between": lambda c, a: column(c).is_between(*a).not_().sum(),
        "in_set": lambda c, a: column(c).is_in(a).not_().sum(),
        "regex": lambda c, a: column(c).str.contains(a).not_().sum(),
        "length": lambda c, a: column(c).str.len_chars().is_between(*a).not_().sum(),
        "non_negative": lambda c, _: (column(c) < 0).sum(),
        "less_equal": lambda c, a: (column(c) > column(a)).sum(),
    }
    query = [
        pl.len().alias("rows"),
        *(built[kind](name, extra).alias(str(index)) for index, (kind, name, extra) in enumerate(rules)),
    ]
    return lambda: sum(count > 0 for count in frame.select(query).row(0)[1:])


def our_rules(rules: list[Rule]) -> list[dict[str, Any]]:
    words: dict[str, Callable[[str, Any], dict[str, Any]]] = {
        "not_null": lambda c, _: {"type": "not_null", "column": c},
        "unique": lambda c, _: {"type": "unique", "column": c},
        "between": lambda c, a: {"type": "in_range", "column": c, "min": a[0], "max": a[1]},
        "in_set": lambda c, a: {"type": "in_set", "column": c, "values": a},
        "regex": lambda c, a: {"type": "regex", "column": c, "pattern": a},
        "length": lambda c, a: {"type": "length", "column": c, "min": a[0], "max": a[1]},
        "non_negative": lambda c, _: {"type": "non_negative", "column": c},
        "less_equal": lambda c, a: {"type": "compare_columns", "left": c, "operator": "<=", "right": a},
    }
    return [words[kind](name, extra) for kind, name, extra in rules]


def ours(engine: str) -> Callable[[pl.DataFrame, list[Rule]], Run]:
    def build(frame: pl.DataFrame, rules: list[Rule]) -> Run:
        from etl.quality import check, parse_rules

        parsed = parse_rules(our_rules(rules))

        def run() -> int:
            result = check(frame, parsed, engine=engine)
            if result.error_count:
                raise RuntimeError(result.describe())
            return result.failed_count

        return run

    return build


class _Nowhere:
    """Keeps the naive call from writing files, which would cost it a few milliseconds more."""

    root_dir = Path("nowhere")
    config = SimpleNamespace(persist_runs=False, persist_docs=False)

    def resolve_source_key(self, **_: Any) -> str:
        return "none"

    def resolve_fingerprint(self, **_: Any) -> str:
        return "none"

    def track_asset(self, **_: Any) -> None:
        return None


def naive_truthound(frame: pl.DataFrame, rules: list[Rule]) -> Run:
    import truthound
    from truthound.validators import get_validator

    words: dict[str, Callable[[str, Any], Any]] = {
        "not_null": lambda c, _: get_validator("not_null")(columns=[c]),
        "unique": lambda c, _: get_validator("primary_key")(column=c),
        "between": lambda c, a: get_validator("between")(min_value=a[0], max_value=a[1], columns=[c]),
        "in_set": lambda c, a: get_validator("in_set")(allowed_values=a, columns=[c]),
        "regex": lambda c, a: get_validator("regex")(pattern=a, columns=[c]),
        "length": lambda c, a: get_validator("length")(min_length=a[0], max_length=a[1], columns=[c]),
        "non_negative": lambda c, _: get_validator("non_negative")(columns=[c]),
        "less_equal": lambda c, a: get_validator("column_comparison")(columns=[c, a], operator="<="),
    }

    def run() -> int:
        validators = [words[kind](name, extra) for kind, name, extra in rules]
        result = truthound.check(frame, validators=validators, context=_Nowhere())
        return len({(each.column, each.issue_type) for each in result.issues})

    return run


def pandera(frame: pl.DataFrame, rules: list[Rule]) -> Run:
    import pandera.polars as pa

    checks: dict[str, list[Any]] = {}
    required, whole = {name for kind, name, _ in rules if kind == "not_null"}, []
    for kind, name, extra in rules:
        made = {
            "between": lambda a: pa.Check.in_range(*a),
            "in_set": pa.Check.isin,
            "regex": pa.Check.str_matches,
            "length": lambda a: pa.Check.str_length(*a),
            "non_negative": lambda _: pa.Check.ge(0),
        }.get(kind)
        if made is not None:
            checks.setdefault(name, []).append(made(extra))
        elif kind == "less_equal":
            whole.append(
                pa.Check(lambda data, low=name, high=extra: data.lazyframe.select(pl.col(low) <= pl.col(high)))
            )
    unique = {name for kind, name, _ in rules if kind == "unique"}
    columns = {
        name: pa.Column(checks=checks.get(name, []), nullable=name not in required, unique=name in unique)
        for name in {each for _, each, _ in rules}
    }
    schema = pa.DataFrameSchema(columns, checks=whole)

    def run() -> int:
        try:
            schema.validate(frame, lazy=True)
        except pa.errors.SchemaErrors as broken:
            return len(broken.schema_errors)
        return 0

    return run


def great_expectations(frame: pl.DataFrame, rules: list[Rule]) -> Run:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas(name="frames")
    batches = source.add_dataframe_asset(name="frame").add_batch_definition_whole_dataframe("all")
    expect = gx.expectations
    words: dict[str, Callable[[str, Any], Any]] = {
        "not_null": lambda c, _: expect.ExpectColumnValuesToNotBeNull(column=c),
        "unique": lambda c, _: expect.ExpectColumnValuesToBeUnique(column=c),
        "between": lambda c, a: expect.ExpectColumnValuesToBeBetween(column=c, min_value=a[0], max_value=a[1]),
        "in_set": lambda c, a: expect.ExpectColumnValuesToBeInSet(column=c, value_set=a),
        "regex": lambda c, a: expect.ExpectColumnValuesToMatchRegex(column=c, regex=a),
        "length": lambda c, a: expect.ExpectColumnValueLengthsToBeBetween(column=c, min_value=a[0], max_value=a[1]),
        "non_negative": lambda c, _: expect.ExpectColumnValuesToBeBetween(column=c, min_value=0),
        "less_equal": lambda c, a: expect.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=a, column_B=c, or_equal=True
        ),
    }
    suite = gx.ExpectationSuite(name="rules", expectations=[words[kind](name, extra) for kind, name, extra in rules])
    pandas = frame.to_pandas()  # given as a gift: the conversion is not measured

    def run() -> int:
        batch = batches.get_batch(batch_parameters={"dataframe": pandas})
        result = batch.validate(suite, result_format="BOOLEAN_ONLY")
        return sum(not each.success for each in result.results)

    return run


def pointblank(frame: pl.DataFrame, rules: list[Rule]) -> Run:
    import pointblank as pb

    def run() -> int:
        plan = pb.Validate(frame)
        for kind, name, extra in rules:
            if kind == "not_null":
                plan = plan.col_vals_not_null(name)
            elif kind == "unique":
                plan = plan.rows_distinct(columns_subset=[name])
            elif kind == "between":
                plan = plan.col_vals_between(name, *extra, na_pass=True)
            elif kind == "in_set":
                plan = plan.col_vals_in_set(name, extra)
            elif kind == "regex":
                plan = plan.col_vals_regex(name, extra, na_pass=True)
            elif kind == "length":
                plan = plan.col_vals_expr(pl.col(name).str.len_chars().is_between(*extra))
            elif kind == "non_negative":
                plan = plan.col_vals_ge(name, 0, na_pass=True)
            else:
                plan = plan.col_vals_expr(pl.col(name) <= pl.col(extra))
        return sum(count > 0 for count in plan.interrogate(get_first_n=1).n_failed().values())

    return run


def dataframely(frame: pl.DataFrame, rules: list[Rule]) -> Run:
    import dataframely as dy

    def rule_of(kind: str, name: str, extra: Any) -> Any:
        column = pl.col(name)
        return {
            "not_null": column.is_not_null,
            "unique": column.is_unique,
            "between": lambda: column.is_between(*extra),
            "in_set": lambda: column.is_in(extra),
            "regex": lambda: column.str.contains(extra),
            "length": lambda: column.str.len_chars().is_between(*extra),
            "non_negative": lambda: column >= 0,
            "less_equal": lambda: column <= pl.col(extra),
        }[kind]()

    members: dict[str, Any] = {name: dy.Any() for _, name, _ in rules} | {
        extra: dy.Any() for kind, _, extra in rules if kind == "less_equal"
    }
    for index, (kind, name, extra) in enumerate(rules):
        members[f"rule_{index}"] = dy.rule()(lambda _cls, kind=kind, name=name, extra=extra: rule_of(kind, name, extra))
    schema = type("Rules", (dy.Schema,), members)

    def run() -> int:
        _, failure = schema.filter(frame)
        return sum(count > 0 for count in failure.counts().values())

    return run


CASES: dict[str, tuple[str, Callable[[pl.DataFrame, list[Rule]], Run], int]] = {
    "floor": ("one Polars query written by hand", floor, 10**12),
    "truthound": ("etl, engine truthound (default)", ours("truthound"), 10**12),
    "polars": ("etl, engine polars", ours("polars"), 10**12),
    "naive": ("Truthound called as its documentation does", naive_truthound, 10**12),
    "pandera": ("Pandera", pandera, 10**12),
    "pointblank": ("pointblank", pointblank, 10**12),
    "dataframely": ("dataframely", dataframely, 10**12),
    "great_expectations": ("Great Expectations on pandas", great_expectations, 1_000_000),
}


def build(name: str, frame: pl.DataFrame, rules: list[Rule]) -> Run | str:
    """The case, ready to run; or why it cannot be measured here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = CASES[name][1](frame, rules)
            made()
        except ImportError as missing:
            return f"not installed: {missing.name}"
    return made
