"""Many cases judged by the dbt package in one invocation: a model per case, whose one row is the verdict."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import duckdb_extension_postgres_scanner
import polars as pl

from tests.attack.warm import forks

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "dbt_projects" / "quality"
PROFILES = ROOT / "dbt_projects"
SCHEMA = "cases"
GROUP = 60


@dataclass(frozen=True)
class Case:
    """A frame, a rule as a plain dict, and the other tables that a foreign key may name."""

    name: str
    frame: pl.DataFrame
    rule: dict[str, Any]
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    status: str
    failed_count: int = 0
    total_count: int = 0
    message: str = ""


@dataclass(frozen=True)
class Database:
    """Where the cases are judged: dbt's target and what the profile reads from the environment."""

    target: str
    environ: Mapping[str, str]

    def attach(self) -> duckdb.DuckDBPyConnection:
        """DuckDB with the database attached as `db`."""
        connection = duckdb.connect()
        if self.target == "dev":
            connection.execute(f"ATTACH '{self.environ['ETL_DUCKDB_PATH']}' AS db")
            return connection
        extension = next(Path(duckdb_extension_postgres_scanner.__file__).parent.rglob("*.duckdb_extension"))
        env = self.environ
        connection.execute(f"LOAD '{extension}'")
        login = f"{env['ETL_POSTGRES_USER']}:{quote(env['ETL_POSTGRES_PASSWORD'], safe='')}"
        address = f"{env['ETL_POSTGRES_HOST']}:{env['ETL_POSTGRES_PORT']}/{env['ETL_POSTGRES_DB']}"
        connection.execute(f"ATTACH 'postgresql://{login}@{address}' AS db (TYPE postgres)")
        return connection

    def start(self) -> None:
        """Forget the tables of earlier cases: a server is shared by the tests."""
        with self.attach() as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS db.{SCHEMA} CASCADE; CREATE SCHEMA db.{SCHEMA}")

    def store(self, frames: Mapping[str, pl.DataFrame]) -> None:
        """Make a table of each frame that has none yet."""
        with self.attach() as connection:
            for name, frame in frames.items():
                # Polars' time of day becomes TIME_NS, which PostgreSQL has not.
                times = ", ".join(
                    f'"{column}"::TIME AS "{column}"' for column, kind in frame.schema.items() if kind == pl.Time
                )
                columns = f"* REPLACE ({times})" if times else "*"
                connection.execute(f"CREATE TABLE IF NOT EXISTS db.{SCHEMA}.{name} AS SELECT {columns} FROM frame")

    def run(self, folder: Path, now: str, models: Sequence[str]) -> dict[str, "list[Verdict] | str"]:
        """Let dbt build the models as views, and read each of them: its verdicts, or why there are none."""
        results = run_dbt(["run", "--vars", json.dumps({"dq_now": now})], folder, self)
        with self.attach() as connection:
            return {model: _read(connection, model, results[f"model.cases.{model}"]) for model in models}


def judge(
    cases: Sequence[Case], folder: Path, database: Database, now: str, *, alone: frozenset[str] = frozenset()
) -> dict[str, Verdict]:
    """The verdict of every case, by its name. Cases of one frame share a model, except those named in `alone`.

    Where a case that was not expected to stop its model does, the cases of that model are judged again, one by one.
    """
    database.start()
    tables = _Tables()
    groups: dict[tuple[int, int], list[Case]] = {}
    for index, case in enumerate(cases):
        groups.setdefault((-1, index) if case.name in alone else (id(case.frame), index // GROUP), []).append(case)
    verdicts, stopped = _judge_groups([*groups.values()], tables, folder / "together", database, now)
    again = [[case] for group in stopped if len(group) > 1 for case in group]
    if again:
        verdicts |= _judge_groups(again, tables, folder / "alone", database, now)[0]
    return verdicts


def _judge_groups(
    groups: Sequence[Sequence[Case]], tables: "_Tables", folder: Path, database: Database, now: str
) -> tuple[dict[str, Verdict], list[Sequence[Case]]]:
    make_project(folder)
    for index, group in enumerate(groups):
        rules = ", ".join(repr(tables.with_sources(case)) for case in group)  # Jinja reads what Python prints
        model = f"{{{{ quality.dq_verdicts(source('cases', '{tables.name(group[0].frame)}'), [{rules}]) }}}}\n"
        (folder / "models" / f"group_{index}.sql").write_text(model, encoding="utf-8")
    names = "".join(f"      - name: {name}\n" for name in tables.frames)
    sources = f"version: 2\nsources:\n  - name: cases\n    schema: {SCHEMA}\n    tables:\n{names}"
    (folder / "models" / "sources.yml").write_text(sources)
    database.store(tables.frames)
    found = database.run(folder, now, [f"group_{index}" for index in range(len(groups))])
    verdicts: dict[str, Verdict] = {}
    stopped = []
    for index, group in enumerate(groups):
        said = found[f"group_{index}"]
        if isinstance(said, str):
            stopped.append(group)
            said = [Verdict("error", message=said)] * len(group)
        verdicts |= {case.name: verdict for case, verdict in zip(group, said, strict=True)}
    return verdicts, stopped


def _read(connection: duckdb.DuckDBPyConnection, model: str, result: Mapping[str, Any]) -> list[Verdict] | str:
    """The verdicts in the order of the rules, or why there are none."""
    if result["status"] != "success":
        return str(result["message"])
    columns = "dq_status, dq_failed_count, dq_total_count"
    try:
        found = connection.execute(f"SELECT {columns} FROM db.{SCHEMA}.{model} ORDER BY dq_position").fetchall()
    except duckdb.Error as refused:  # the query itself refuses to judge; dbt shows that as an error too
        return str(refused)
    return [Verdict(*row) for row in found]


class _Tables:
    """Names for frames: one table for a frame, however many cases it has."""

    def __init__(self) -> None:
        self.frames: dict[str, pl.DataFrame] = {}
        self._names: dict[int, str] = {}

    def name(self, frame: pl.DataFrame) -> str:
        if id(frame) not in self._names:
            self._names[id(frame)] = f"t_{len(self._names)}"
            self.frames[self._names[id(frame)]] = frame
        return self._names[id(frame)]

    def with_sources(self, case: Case) -> dict[str, Any]:
        """The rule; where it names another table, as a dbt source."""
        if case.rule.get("to") not in case.tables:
            return case.rule
        return {**case.rule, "to": f"source('cases', '{self.name(case.tables[case.rule['to']])}')"}


def make_project(folder: Path) -> None:
    """An empty dbt project that has the package."""
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "dbt_packages").mkdir(exist_ok=True)
    (folder / "dbt_packages" / "quality").symlink_to(PACKAGE, target_is_directory=True)
    (folder / "packages.yml").write_text(f"packages:\n  - local: {PACKAGE}\n")
    (folder / "dbt_project.yml").write_text(
        "name: cases\nversion: '1.0'\nconfig-version: 2\nprofile: etl\nflags: {send_anonymous_usage_stats: false}\n"
        "models: {cases: {+materialized: view}}\n"
    )


def dbt(arguments: Sequence[str], folder: Path, database: Database) -> tuple[int, str, str]:
    """One invocation of dbt on the project in `folder`: its exit code and what it printed."""
    places = ["--project-dir", str(folder), "--profiles-dir", str(PROFILES), "--target", database.target]
    environ = {**os.environ, "ETL_DBT_SCHEMA": SCHEMA, **database.environ, "DBT_TARGET_PATH": str(folder / "target")}
    environ |= {"DBT_LOG_PATH": str(folder / "logs"), "ETL_DBT_THREADS": "2", "DBT_USE_COLORS": "false"}
    return forks("dbt").run([*arguments, *places], folder, environ)


def run_dbt(arguments: Sequence[str], folder: Path, database: Database) -> dict[str, dict[str, Any]]:
    """What dbt says about every node that it ran."""
    _, out, err = dbt(arguments, folder, database)
    results = folder / "target" / "run_results.json"
    if not results.exists():
        raise RuntimeError(out[-4000:] + err[-2000:])
    return {each["unique_id"]: each for each in json.loads(results.read_text())["results"]}
