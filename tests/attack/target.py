"""What an attacker holds in the hand: the project's files, its source, its warehouse, and the commands."""

import contextlib
import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from dagster import AssetCheckEvaluation, AssetKey, DagsterEventType, DagsterInstance

from tests.attack.warm import BIN, forks, is_forked
from tests.tiny_project import DAYS, TinyProject


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Target:
    """A project, attacked from outside."""

    project: TinyProject
    environ: dict[str, str] = field(default_factory=dict)
    """Variables beside the project's own; change it to set some for every command."""

    def etl(
        self, *arguments: str, environ: Mapping[str, str] | None = None, timeout: float = 240, fresh: bool = False
    ) -> Said:
        """`etl ...` in a process of its own; in a `fresh` one for a test that looks at the process from outside."""
        if is_forked(arguments) and not fresh:
            return Said(*forks().run(arguments, self.project.root, self.process_environ | dict(environ or {})))
        return self.command([str(BIN / "etl"), *arguments], environ=environ, timeout=timeout)

    def checked(self, tenant: str) -> Said:
        """`etl check`, with one line for each finding: the problem, and where it is."""
        said = self.etl("check", tenant, "--format", "json")
        found = [each for each in json.loads(said.out)["findings"] if each["severity"] == "error"]
        lines = []
        for each in found:
            place = f" at {each['path']}:{each['line']}:{each['column']}" if each["line"] else ""
            key = re.search(r" \([\w.\[\]]+\)", each["problem"])
            at = key.start() if key else len(each["problem"])
            lines.append(f"{each['problem'][:at]}{place}{each['problem'][at:]}")
        return Said(said.code, "\n".join(lines), said.err)

    def dagster(self, *arguments: str, environ: Mapping[str, str] | None = None, timeout: float = 240) -> Said:
        """`dagster ...` in a process of its own."""
        return self.command([str(BIN / "dagster"), *arguments], environ=environ, timeout=timeout)

    def command(
        self, command: Sequence[str], *, environ: Mapping[str, str] | None = None, timeout: float = 240
    ) -> Said:
        """Any command, in the project's folder and environment."""
        done = subprocess.run(
            command,
            cwd=self.project.root,
            env=self.process_environ | dict(environ or {}),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    @property
    def process_environ(self) -> dict[str, str]:
        """The environment of every command."""
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        return {**self.project.process_environ, "PATH": path, "COLUMNS": "240", **self.environ}

    def serve(self, tenant: str) -> None:
        """Let workspace.yaml name the tenant beside `acme`, in the same way."""
        workspace = self.project.root / "workspace.yaml"
        entry = workspace.read_text().removeprefix("load_from:\n")
        workspace.write_text("load_from:\n" + entry + entry.replace("acme", tenant))

    def run_days(self, first: str = DAYS[0], last: str = DAYS[-1], *options: str, tenant: str = "acme") -> Said:
        """`etl run` of everything for some days, which has to succeed."""
        said = self.etl("run", tenant, "--from", first, "--to", last, *options)
        assert said.code == 0, said.text
        return said

    def source(self, *statements: str) -> list[tuple[Any, ...]]:
        """Change or read the source; gives the rows of the last statement."""
        rows: list[tuple[Any, ...]] = []
        with contextlib.closing(sqlite3.connect(self.project.source)) as connection, connection:
            for each in statements:
                rows = connection.execute(each).fetchall()
        return rows

    def warehouse(self, *statements: str, tenant: str = "acme") -> list[tuple[Any, ...]]:
        """Change or read the DuckDB warehouse by hand; gives the rows of the last statement."""
        rows: list[tuple[Any, ...]] = []
        with duckdb.connect(self.project.data / "warehouse" / f"{tenant}.duckdb") as connection:
            for each in statements:
                rows = connection.execute(each).fetchall()
        return rows

    def object(self, stage: str, day: str | None = DAYS[0], pipeline: str = "orders", tenant: str = "acme") -> Path:
        """The file of a published object."""
        folder = self.project.data / "lake" / tenant / stage / pipeline
        return (folder / f"dt={day}" if day else folder) / "data.parquet"

    def materialized(self, stage: str, pipeline: str = "orders", tenant: str = "acme") -> list[str]:
        """The partitions of an asset that Dagster's event log knows to be materialized, in order."""
        with self._instance() as instance:
            return sorted(instance.get_materialized_partitions(AssetKey([tenant, stage, pipeline])))

    def evaluations(
        self, stage: str, pipeline: str = "orders", tenant: str = "acme"
    ) -> list[tuple[str | None, str, AssetCheckEvaluation]]:
        """The partition, the name and the evaluation of every check result in the event log, oldest first."""
        key = AssetKey([tenant, stage, pipeline])
        with self._instance() as instance:
            wanted = DagsterEventType.ASSET_CHECK_EVALUATION
            runs = [each.run_id for each in instance.get_runs()][::-1]
            told = [each.dagster_event for run in runs for each in instance.all_logs(run, of_type=wanted)]
            found = [each.asset_check_evaluation_data for each in told if each is not None]
            return [(each.partition, each.check_name, each) for each in found if each.asset_key == key]

    def steps_begun(self, run_id: str) -> list[str]:
        """The steps of a run that have begun, in order."""
        with self._instance() as instance:
            entries = instance.all_logs(run_id, of_type=DagsterEventType.STEP_START)
        return [each.step_key for each in entries if each.step_key]

    def _instance(self) -> DagsterInstance:
        return DagsterInstance.from_config(str(self.project.data / "dagster"))

    def rows_of(self, stage: str, day: str | None = DAYS[0]) -> pl.DataFrame:
        """The rows that readers see."""
        return pl.read_parquet(self.object(stage, day), hive_partitioning=False)
