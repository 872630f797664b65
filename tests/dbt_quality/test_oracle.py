"""The dbt package gives the verdict that the quality core gives: same status, same counts, on DuckDB and PostgreSQL."""

from pathlib import Path

import pytest

from etl.quality.checking import check
from tests.dbt_quality.cases import NOW, all_cases
from tests.dbt_quality.judge import Case, Database, Verdict, judge
from tests.servers import PASSWORD
from tests.servers.postgres import PostgresServer

CASES = all_cases()
# What SQL refuses rather than match approximately, and how it says so.
REFUSED = {"(?i)^p-", "(?i)^P-0001$", r"\bP", "[a-z&&[^b]]", "(?s)a.", "(?m)^a$", "float > 0"}
REFUSALS = ("cannot be carried over to", "in text beyond ASCII", "NaN in a column of the condition")

pytestmark = pytest.mark.filterwarnings("ignore:sqlglotrs is deprecated")  # said while sqlglot is imported


def oracle(case: Case) -> Verdict:
    tables = {name: frame.lazy() for name, frame in case.tables.items()}
    found = check(case.frame, [case.rule], engine="polars", tables=tables, now=NOW).results[0]
    return Verdict(found.status, found.failed_count, found.total_count, found.message)


def in_sql(case: Case) -> Case:
    """The rows of a table have no order; the cases bring a column that gives them one."""
    if case.rule["type"] != "monotonic":
        return case
    return Case(case.name, case.frame, {**case.rule, "order_by": "n"}, case.tables)


def may_be_refused(case: Case) -> bool:
    return case.rule.get("pattern") in REFUSED or case.rule.get("expression") in REFUSED


def disagreements(folder: Path, database: Database) -> list[str]:
    """Every case judged otherwise. What SQL refuses to judge exactly, and says so, is no wrong verdict."""
    wanted = {case.name: oracle(case) for case in CASES}
    stopping = frozenset(case.name for case in CASES if wanted[case.name].status == "error" or may_be_refused(case))
    cases = [in_sql(case) for case in CASES]
    verdicts = judge(cases, folder, database, NOW.strftime("%Y-%m-%dT%H:%M:%S"), alone=stopping)
    wrong = []
    for case in CASES:
        want, got = wanted[case.name], verdicts[case.name]
        refused = may_be_refused(case) and any(reason in got.message for reason in REFUSALS)
        if got.status == "error" and (want.status == "error" or refused):
            continue
        counted = (got.failed_count, got.total_count) == (want.failed_count, want.total_count)
        if got.status != want.status or not counted:
            wrong.append(f"{case.name}: want {want}, got {got}")
    return wrong


def postgres(server: PostgresServer) -> Database:
    environ = {
        "ETL_POSTGRES_HOST": "127.0.0.1",
        "ETL_POSTGRES_PORT": str(server.port),
        "ETL_POSTGRES_USER": "postgres",
        "ETL_POSTGRES_PASSWORD": PASSWORD,
        "ETL_POSTGRES_DB": "src",
    }
    return Database("postgres", environ)


def test_duckdb_agrees_with_the_oracle_on_every_case(tmp_path: Path) -> None:
    database = Database("dev", {"ETL_DUCKDB_PATH": str(tmp_path / "db.duckdb")})
    assert disagreements(tmp_path / "project", database) == []


@pytest.mark.server("postgres")
def test_postgres_agrees_with_the_oracle_on_every_case(tmp_path: Path, postgres_server: PostgresServer) -> None:
    assert disagreements(tmp_path / "project", postgres(postgres_server)) == []
