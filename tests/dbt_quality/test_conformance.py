"""The conformance suite of the quality core, judged by the dbt package in DuckDB, PostgreSQL and Trino, against one oracle.

The oracle judges what the database holds: a type that it has not (unsigned integers, zones of a column, nanoseconds) is
the nearest one that it has, for both. Conditions are the database's own SQL, so that each has its own spelling.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from etl.quality.rules import AnyRule, parse_rules
from tests.amounts import amount
from tests.conformance import handpicked
from tests.conformance.cases import make_rules
from tests.conformance.frames import KINDS, NOW, TABLES, make_frame
from tests.conformance.oracle import Expected, expect
from tests.dbt_quality.judge import SCHEMA, Case, Database, Verdict, judge, make_project, run_dbt
from tests.dbt_quality.on_trino import BETWEEN, TrinoDatabase, as_query
from tests.dbt_quality.test_oracle import postgres
from tests.servers.postgres import PostgresServer
from tests.servers.seaweed import seaweed
from tests.servers.trino import Catalog, TrinoServer, trino, trino_catalog

__all__ = ["seaweed", "trino", "trino_catalog"]

RULES = 72  # as many as the engines are held to
# Each takes minutes, because dbt compiles a thousand cases.
SEEDS = int(os.environ.get("ETL_DBT_SEEDS") or amount(1, whole=6))
SEEDS_OF_TRINO = max(SEEDS, 6)  # with fewer rules each: the same verdicts from a third database, on all data
# What SQL refuses to judge exactly, and says so. Everything else has to agree.
REFUSALS = (
    "cannot be carried over to",
    "in text beyond ASCII",
    "NaN in a column of the condition",
    "has no time zone, and",
    "which cannot be compared with",
    "cannot match the class",
)
MOST_REFUSED = 0.05
RULES_OF_TRINO = amount(34, whole=RULES)  # each template once; a query costs far more there
SHARES_OF_TRINO = amount(4, whole=1)  # after the first seed, each takes every fourth rule, in turns
OWN_SQL = {
    "postgres": {
        "year(day) = 2026 AND month(day) = 1": "extract(year from day) = 2026 AND extract(month from day) = 1",
        "x / 2 > 0.5": "x / 2.0 > 0.5",
        "ends_with(s, 'b') OR contains(s, 'p')": "right(s, 1) = 'b' OR strpos(s, 'p') > 0",
        "regexp_matches(s, '^a[a-z]*$')": "s ~ '^a[a-z]*$'",
    },
    "trino": {
        "x / 2 > 0.5": "x / 2.0 > 0.5",
        "ends_with(s, 'b') OR contains(s, 'p')": "substr(s, -1) = 'b' OR strpos(s, 'p') > 0",
        "regexp_matches(s, '^a[a-z]*$')": r"regexp_like(s, '^a[a-z]*\z')",
        "b IS TRUE": "coalesce(b, false)",
        "x IS NOT NULL AND (y > 1 OR b IS NOT FALSE)": "x IS NOT NULL AND (y > 1 OR coalesce(b, true))",
    },
}

pytestmark = [
    pytest.mark.filterwarnings("ignore:sqlglotrs is deprecated"),  # said while sqlglot is imported
    pytest.mark.timeout(1200),  # a thousand cases, each of them compiled by dbt
]


@dataclass(frozen=True)
class Suite:
    cases: list[Case]
    wanted: dict[str, Expected]


def stored(frame: pl.DataFrame, target: str) -> pl.DataFrame:
    """The frame in the types that the database has."""
    casts: list[pl.Expr] = []
    for name, dtype in frame.schema.items():
        column = pl.col(name)
        if isinstance(dtype, pl.Datetime) and dtype.time_zone:
            casts.append(column.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC")))
        elif isinstance(dtype, pl.Categorical | pl.Enum):  # DuckDB too takes them for text
            casts.append(column.cast(pl.String))
        elif target == "dev":
            continue
        elif isinstance(dtype, pl.Datetime):
            casts.append(column.cast(pl.Datetime("us")))
        elif dtype == pl.UInt64:
            casts.append(column.cast(pl.Decimal(20, 0)))
        elif dtype in (pl.Int8, pl.Int16):
            casts.append(column.cast(pl.Int16 if target == "postgres" else pl.Int32))
    absent = {"postgres": lambda dtype: dtype.is_nested(), "trino": lambda dtype: dtype == pl.Duration}
    without = [name for name, dtype in frame.schema.items() if target in absent and absent[target](dtype)]
    return frame.with_columns(casts).drop(without)


def in_sql(rule: AnyRule, target: str) -> dict[str, Any]:
    """The rule as an author of dbt writes it."""
    found = {key: _plain(value) for key, value in rule.to_dict().items()}
    for key in {"where", "expression"} & found.keys():
        found[key] = OWN_SQL.get(target, {}).get(found[key], found[key])
    return found | ({"order_by": "n"} if rule.type == "monotonic" else {})


def _plain(value: Any) -> Any:
    if isinstance(value, float) and abs(value) == float("inf"):
        return str(value)
    return [_plain(each) for each in value] if isinstance(value, list) else value


def generated(seed: int, target: str) -> Suite:
    found = Suite([], {})
    tables = {name: stored(table, target) for name, table in TABLES.items()}
    for kind in KINDS:
        frame = stored(make_frame(kind, seed), target).with_row_index("n").cast({"n": pl.Int64})
        rules = make_rules(f"{kind} {seed}", RULES_OF_TRINO if target == "trino" else RULES)
        if target == "trino" and seed:
            rules = rules[seed % SHARES_OF_TRINO :: SHARES_OF_TRINO]
        for index, (rule, wanted) in enumerate(zip(rules, expect(frame, rules, NOW, tables), strict=True)):
            if rule.type != "foreign_key" or rule.to in tables:  # `ref` to nobody stops dbt while it parses
                name = f"{kind} {index}: {rule.to_dict()}"
                found.cases.append(Case(name, frame, in_sql(rule, target), tables))
                found.wanted[name] = wanted
    return found


def may_stop(case: Case, wanted: Expected) -> bool:
    """Whether the case may stop the query that it stands in: such a case gets a query of its own."""
    condition = f"{case.rule.get('where')} {case.rule.get('expression')}"
    floats = [name for name, dtype in case.frame.schema.items() if dtype.is_float()]
    nan = any(re.search(rf"\b{name}\b", condition) and case.frame[name].is_nan().any() for name in floats)
    without = case.rule.get("column") in {"utc", "seoul", "ny", "dur"}
    bounded = without and any(key in case.rule for key in ("min", "max", "values"))
    pattern = str(case.rule.get("pattern", ""))
    return wanted.status == "error" or nan or bounded or "(?i)" in pattern or "Hangul" in pattern


def disagreements(suite: Suite, folder: Path, database: Database) -> list[str]:
    """Every case that is judged otherwise, or refused without one of the known reasons."""
    alone = frozenset(case.name for case in suite.cases if may_stop(case, suite.wanted[case.name]))
    verdicts = judge(suite.cases, folder, database, NOW.isoformat(), alone=alone)
    found, refused = [], Counter[str]()
    for case in suite.cases:
        wanted, got = suite.wanted[case.name], verdicts[case.name]
        if got.status == "error":
            reason = next((each for each in REFUSALS if each in got.message), None)
            if wanted.status != "error" and reason is None:
                found.append(f"{case.name}: want {wanted}, refused: {got.message}")
            refused[reason or ""] += wanted.status != "error"
        elif (got.status, got.failed_count, got.total_count) != (wanted.status, wanted.failed, wanted.total):
            found.append(f"{case.name}: want {wanted}, got {got}")
    if refused.total() > MOST_REFUSED * len(suite.cases):
        found.append(f"{refused.total()} of {len(suite.cases)} are refused: {refused}")
    return found


def duckdb(folder: Path) -> Database:
    return Database("dev", {"ETL_DUCKDB_PATH": str(folder / "db.duckdb")})


@pytest.mark.parametrize("seed", range(SEEDS))
def test_duckdb_agrees_with_the_oracle_on_generated_data(seed: int, tmp_path: Path) -> None:
    assert disagreements(generated(seed, "dev"), tmp_path / "project", duckdb(tmp_path)) == []


@pytest.mark.server("postgres")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_postgres_agrees_with_the_oracle_on_generated_data(
    seed: int, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    assert disagreements(generated(seed, "postgres"), tmp_path / "project", postgres(postgres_server)) == []


def judged_by_tests(folder: Path, database: Database) -> dict[str, tuple[str, int | None, str]]:
    """Every case worked out by hand as the generic test of its rule: what `dbt test` says of it."""
    make_project(folder)
    tables: list[Mapping[str, Any]] = []
    with database.attach() as connection:
        connection.execute("DROP SCHEMA IF EXISTS db.cases CASCADE; CREATE SCHEMA db.cases")
        other = handpicked.TABLES["parts"]
        assert other.height
        connection.execute("CREATE TABLE db.cases.parts AS SELECT * FROM other")
        for index, case in enumerate(handpicked.CASES):
            frame = stored(case.frame, database.target).with_row_index("n").cast({"n": pl.Int64})
            assert frame.width
            times = [f'"{name}"::TIME AS "{name}"' for name, dtype in frame.schema.items() if dtype == pl.Time]
            replaced = f"* REPLACE ({', '.join(times)})" if times else "*"
            connection.execute(f"CREATE TABLE db.cases.t_{index} AS SELECT {replaced} FROM frame")
            (parsed,) = parse_rules([case.rule])
            arguments = in_sql(parsed, database.target)
            kind = arguments.pop("type")
            if kind == "foreign_key":
                arguments["to"] = f"source('cases', '{arguments['to']}')"
            test = {f"quality.dq_{kind}": {"name": f"case_{index}", "arguments": arguments}}
            tables.append(
                {"name": f"t_{index}", "data_tests": [test]} if case.name != "unknown table" else {"name": "_"}
            )
    schema = {"name": "cases", "schema": "cases", "tables": [{"name": "parts"}, *tables]}
    (folder / "models" / "schema.yml").write_text(yaml.safe_dump({"version": 2, "sources": [schema]}))
    results = run_dbt(["test", "--vars", f"{{dq_now: '{NOW.isoformat()}'}}"], folder, database)
    return {
        key.split(".")[2]: (each["status"], each["failures"], each["message"] or "") for key, each in results.items()
    }


def wrong_tests(folder: Path, database: Database) -> list[str]:
    found, refused = [], 0
    said = judged_by_tests(folder, database)
    for index, case in enumerate(handpicked.CASES):
        if case.name == "unknown table":  # dbt does not parse a test of it
            continue
        status, failures, message = said[f"case_{index}"]
        if status == "error" and case.status != "error" and any(each in message for each in REFUSALS):
            refused += 1
        elif {"pass": "passed", "fail": "failed"}.get(status, status) != case.status:
            found.append(f"{case.name}: want {case.status}, got {status}: {message}")
        elif status == "fail" and failures != case.failed:
            found.append(f"{case.name}: want {case.failed} failures, got {failures}")
    return found + ([f"{refused} are refused"] if refused > MOST_REFUSED * len(handpicked.CASES) else [])


def test_generic_tests_say_in_duckdb_what_was_worked_out_by_hand(tmp_path: Path) -> None:
    assert wrong_tests(tmp_path / "project", duckdb(tmp_path)) == []


@pytest.mark.server("postgres")
def test_generic_tests_say_in_postgres_what_was_worked_out_by_hand(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    assert wrong_tests(tmp_path / "project", postgres(postgres_server)) == []


@pytest.mark.server("trino")
@pytest.mark.parametrize("seed", range(SEEDS_OF_TRINO))
def test_trino_agrees_with_the_oracle_on_generated_data(
    seed: int, tmp_path: Path, trino: TrinoServer, trino_catalog: Catalog
) -> None:
    database = TrinoDatabase.of(trino, trino_catalog)
    assert disagreements(generated(seed, "trino"), tmp_path / "project", database) == []


@pytest.mark.server("trino")
def test_trino_says_what_was_worked_out_by_hand(tmp_path: Path, trino: TrinoServer, trino_catalog: Catalog) -> None:
    cases = [case for case in handpicked.CASES if case.name != "unknown table"]  # dbt does not parse a test of it
    database, folder = TrinoDatabase.of(trino, trino_catalog), tmp_path / "project"
    make_project(folder)
    database.start()
    database.store(handpicked.TABLES)
    tables = [{"name": name} for name in handpicked.TABLES]
    source = {"version": 2, "sources": [{"name": "cases", "schema": SCHEMA, "tables": tables}]}
    (folder / "models" / "sources.yml").write_text(yaml.safe_dump(source))
    alone = [index for index, case in enumerate(cases) if case.status == "error" or "zone" in case.name]
    models = {"judged": [index for index in range(len(cases)) if index not in alone]}
    models |= {f"alone_{index}": [index] for index in alone}
    for model, indexes in models.items():
        lines = [_verdict_of(cases[index]) for index in indexes]
        (folder / "models" / f"{model}.sql").write_text(BETWEEN.join(lines), encoding="utf-8")
    said = database.run(folder, NOW.isoformat(), [*models])
    wrong, refused = [], 0
    for model, indexes in models.items():
        verdicts = said[model]
        given = [Verdict("error", message=verdicts)] * len(indexes) if isinstance(verdicts, str) else verdicts
        for index, got in zip(indexes, given, strict=True):
            case = cases[index]
            if got.status == "error" and any(each in got.message for each in REFUSALS):
                refused += case.status != "error"
            elif (got.status, got.failed_count, got.total_count) != (case.status, case.failed, case.total):
                wrong.append(f"{case.name}: want {case}, got {got}")
    assert wrong == []
    assert refused <= MOST_REFUSED * len(cases)


def _verdict_of(case: handpicked.Case) -> str:
    """The case over rows that stand in the query itself, which has types that no table of Iceberg has."""
    (parsed,) = parse_rules([case.rule])
    rule = in_sql(parsed, "trino")
    if rule["type"] == "foreign_key":
        rule["to"] = f"source('cases', '{rule['to']}')"
    frame = case.frame.with_columns(
        pl.col(name).cast(pl.String) for name, dtype in case.frame.schema.items() if isinstance(dtype, pl.Categorical)
    )
    query = as_query(frame.with_row_index("n").cast({"n": pl.Int64}))
    return f"{{{{ quality.dq_verdicts({query!r}, [{rule!r}]) }}}}"


@pytest.mark.server("trino")
def test_generic_tests_on_trino_know_the_types_of_a_query(
    tmp_path: Path, trino: TrinoServer, trino_catalog: Catalog
) -> None:
    """dbt-trino names the types of a query without their zones and digits; under `where` a test reads a query."""
    step = timedelta(microseconds=1)
    rows = pl.DataFrame(
        {"seen": [NOW - step, NOW, NOW + step], "price": pl.Series(["0.5", "1", "-1"], dtype=pl.Decimal(12, 2))}
    )
    database, folder = TrinoDatabase.of(trino, trino_catalog), tmp_path / "project"
    make_project(folder)
    database.start()
    database.store({"rows": rows})
    wanted: dict[str, tuple[dict[str, Any], str, int]] = {
        "not_future": ({"column": "seen", "timezone": "Asia/Seoul"}, "fail", 1),
        "not_past": ({"column": "seen", "timezone": "Asia/Seoul"}, "fail", 1),
        "recency": ({"column": "seen", "max_age_hours": 1}, "pass", 0),
        "dtype": ({"column": "price", "dtype": "Decimal(12, 2)"}, "pass", 0),
        "positive": ({"column": "price"}, "fail", 1),
    }
    tests = [
        {f"quality.dq_{kind}": {"name": f"{kind}_{name}", "arguments": arguments, "config": config}}
        for name, config in (("table", {"store_failures": True}), ("query", {"where": "price is not null"}))
        for kind, (arguments, _, _) in wanted.items()
    ]
    source = {"name": "cases", "schema": SCHEMA, "tables": [{"name": "rows", "data_tests": tests}]}
    (folder / "models" / "schema.yml").write_text(yaml.safe_dump({"version": 2, "sources": [source]}))
    results = run_dbt(["test", "--vars", f"{{dq_now: '{NOW.isoformat()}'}}"], folder, database)
    assert {key.split(".")[2]: (each["status"], each["failures"]) for key, each in results.items()} == {
        f"{kind}_{name}": (status, failures)
        for name in ("table", "query")
        for kind, (_, status, failures) in wanted.items()
    }
    with_rows = trino.rows(f'SELECT price FROM {trino_catalog.name}."{SCHEMA}_dbt_test__audit".positive_table')
    assert [str(price) for (price,) in with_rows] == ["-1.00"]
