"""What a run costs beside its stage functions: `python benchmarks/runs.py --days 20 365 --rounds 3`.

One pipeline of three stages with five rules, 20 rows a day, from SQLite into DuckDB. Each case is a process of its own:

- the stage functions alone, over the range as a run calls them: one statement of the source for many days, one
  connection of the warehouse for two seconds. This is the floor;
- the stage functions called for each day by itself, as a caller without ranges would;
- the run by Dagster, with the event log that keeps its connections, and with Dagster's own event log;
- a hand-written job that writes the same number of events of each kind and does nothing else, with both event logs.

Figures are CPU seconds of the process, without imports and building the definitions. `--postgres` adds Dagster's
storage in a PostgreSQL of its own, which is started for it; the package dagster-postgres has to be installed.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

KEPT = "telemetry: {enabled: false}\ninstance_class: {module: etl.running.instance, class: LocalInstance}\n"
PLAIN = "telemetry: {enabled: false}\n"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
FIRST = date(2025, 1, 1)
ROWS = 20
RULES = [
    {"column": "order_id", "type": "not_null"},
    {"column": "order_id", "type": "unique"},
    {"column": "amount", "type": "in_range", "min": 0},
    {"column": "name", "type": "not_null"},
    {"column": "amount", "type": "non_negative"},
]
CASES = {
    "range": "the stage functions alone",
    "stages": "the same, day by day",
    "run": "the run",
    "run_plain": "the run, Dagster's own event log",
    "events": "a bare job with the same events",
    "events_plain": "the same, Dagster's own event log",
}
ON_POSTGRES = {"run_postgres": "the run, on PostgreSQL", "events_postgres": "the bare job, on PostgreSQL"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, nargs="+", default=[20])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(case(given.case[0], int(given.case[1]), given.case[2])))
        return
    with ExitStack() as stack:
        settings, titles = "", dict(CASES)
        if given.postgres:
            from tests.servers.postgres import serving

            server = stack.enter_context(serving(fsync="on", full_page_writes="on", synchronous_commit="on"))
            settings = json.dumps({"postgres_url": server.url.replace("postgresql:", "postgresql+psycopg2:")})
            titles |= ON_POSTGRES
        for days in given.days:
            wanted = {each: titles[each] for each in titles if not given.only or each in given.only}
            report(days, given.rounds, wanted, settings)


def report(days: int, rounds: int, titles: dict[str, str], settings: str) -> None:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in titles}
    for _ in range(rounds):
        for name in titles:
            command = [sys.executable, "-W", "ignore", __file__, "--case", name, str(days), settings]
            done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                raise SystemExit(f"the case {name} failed")
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    floors = [statistics.median(each["cpu"] for each in found[name]) for name in ("range", "stages") if name in found]
    print(f"\n{days} days x 3 stages | events | CPU s | ms a day | over each floor | ms an event | wall s | peak MB")
    for name, title in titles.items():
        cpu = statistics.median(each["cpu"] for each in found[name])
        wall = statistics.median(each["wall"] for each in found[name])
        events, peak = found[name][0]["events"], max(each["megabytes"] for each in found[name])
        over = ", ".join(f"{cpu / each:.2f}" for each in floors) if not name.startswith("events") else ""
        each_event = f"{cpu * 1000 / events:.1f}" if name.startswith("events") else ""
        cost = f"{cpu:.2f} | {cpu * 1000 / days:.0f}"
        print(f"{title} | {events or ''} | {cost} | {over} | {each_event} | {wall:.1f} | {peak:.0f}", flush=True)


def case(name: str, days: int, settings: str) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    # on the disk of the checkout: a temporary folder may be in memory, where a commit costs nothing
    data = os.environ.get("ETL_DATA_DIR") or Path(__file__).resolve().parents[1] / ".data"
    Path(data).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data) as folder:
        alone = {"stages": stages, "range": of_range}.get(name)
        do = alone(Path(folder), days) if alone else prepared(name, Path(folder), days, settings)
        cpu, wall = time.process_time(), time.perf_counter()
        events = do()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": cpu, "wall": wall, "events": events, "megabytes": peak}


def prepared(name: str, folder: Path, days: int, settings: str) -> Callable[[], int]:
    """A job in its instance, ready to be executed."""
    from dagster import DagsterInstance

    (folder / "home").mkdir()
    text = PLAIN if name.endswith("_plain") else KEPT
    if name.endswith("_postgres"):
        text = PLAIN + f"storage: {{postgres: {settings}}}\n"
    (folder / "home" / "dagster.yaml").write_text(text)
    os.environ["DAGSTER_HOME"] = str(folder / "home")
    job = bare_job(days) if name.startswith("events") else own_job(folder, days)
    keys = [day(number) for number in range(days)]
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}

    def execute() -> int:
        with DagsterInstance.get() as instance:
            done = job.execute_in_process(instance=instance, tags=tags, run_config=QUIET)
            return len(instance.all_logs(done.run_id))

    return execute


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


def project(folder: Path, days: int) -> Any:
    """The tiny project of the tests, with so many days."""
    import sqlite3

    from tests.tiny_project import make_project

    made = make_project(folder)
    partitions = {"start": day(0), "end": day(days - 1), "timezone": "Asia/Seoul"}
    quality = {"engine": "polars", "on_failure": "block", "rules": RULES}
    made.write_pipeline({"partitions": partitions, "quality": quality, "volume": "off"})
    with sqlite3.connect(made.source) as connection:
        connection.execute("DELETE FROM orders")
        rows = (
            (number * 100 + row, f"name {row}", row + 0.25, f"{day(number)} {row:02d}:00:00")
            for number in range(days)
            for row in range(ROWS)
        )
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", rows)
    connection.close()
    home = os.environ.get("DAGSTER_HOME", "")
    os.environ.update({**made.environ, **({"DAGSTER_HOME": home} if home else {})})
    return made


def own_job(folder: Path, days: int) -> Any:
    project(folder, days)
    from etl.definitions import build_tenant_definitions

    return build_tenant_definitions("acme").resolve_job_def("acme_all")


def stages(folder: Path, days: int) -> Callable[[], int]:
    from etl.pipeline.extract import extract
    from etl.pipeline.load import load
    from etl.pipeline.transfer import transfer

    url, runs_of_stage, warehouse = prepared_stages(folder, days)
    calls: list[Callable[[Any], object]] = [
        lambda run: extract(run, url),
        transfer,
        lambda run: load(run, warehouse),
    ]

    def execute() -> int:
        for call in calls:
            for run in runs_of_stage():
                call(run)
                run.close()
        return 0

    return execute


def of_range(folder: Path, days: int) -> Callable[[], int]:
    from etl.pipeline.extract import extract
    from etl.pipeline.load import load
    from etl.pipeline.source_range import SourceRange
    from etl.pipeline.transfer import transfer
    from etl.warehouse.series import LoadSeries

    url, runs_of_stage, warehouse = prepared_stages(folder, days)

    def execute() -> int:
        with ExitStack() as shared:
            runs = runs_of_stage()
            source = shared.enter_context(SourceRange(url, runs))
            for run in runs:
                extract(run, source)
                run.close()
        for run in runs_of_stage():
            transfer(run)
            run.close()
        with LoadSeries(warehouse) as series:
            for run in runs_of_stage():
                load(run, series)
                run.close()
        return 0

    return execute


def prepared_stages(folder: Path, days: int) -> tuple[str, Callable[[], list[Any]], Any]:
    """The source, the days of a stage, and the warehouse."""
    made = project(folder, days)
    from etl.config import load_tenant
    from etl.pipeline.stage import StageRun
    from etl.settings import load_settings
    from etl.warehouse.choice import open_warehouse
    from etl.warehouse.contract import WarehousePlace

    given = load_settings(made.environ)
    config = load_tenant("acme", given)

    def runs() -> list[StageRun]:
        pipeline = config.pipelines["orders"]
        return [
            StageRun(config=config, pipeline=pipeline, partition=day(number), run_id="run", settings=given)
            for number in range(days)
        ]

    return f"sqlite:///{made.source}", runs, open_warehouse(WarehousePlace(type="duckdb"), given, "acme")


def bare_job(days: int) -> Any:
    """Three assets, five checks on the second: for each day a line of the log, the checks and a materialization."""
    import dagster as dg

    partitions = dg.StaticPartitionsDefinition([day(number) for number in range(days)])
    names = [f"check_{number}" for number in range(len(RULES))]

    def made(name: str, checks: list[str]) -> Any:
        @dg.asset(
            name=name,
            partitions_def=partitions,
            backfill_policy=dg.BackfillPolicy.single_run(),
            check_specs=[dg.AssetCheckSpec(each, asset=name, partitions_def=partitions) for each in checks],
        )
        def stage(context: dg.AssetExecutionContext):  # noqa: ANN202  Dagster reads the annotations
            key = dg.AssetKey(name)
            for partition in context.partition_keys:
                for each in checks:
                    yield dg.AssetCheckEvaluation(asset_key=key, check_name=each, passed=True, partition=partition)
                context.log.info(partition)
                context.add_asset_metadata({"preview": "x" * 3000}, asset_key=key, partition_key=partition)
            yield dg.MaterializeResult(asset_key=key)
            for each in checks:
                yield dg.Output(None, output_name=f"{name}_{each}")

        return stage

    assets = [made("one", []), made("two", names), made("three", [])]
    job = dg.define_asset_job("bare", executor_def=dg.in_process_executor)
    return dg.Definitions(assets=assets, jobs=[job]).resolve_job_def("bare")


if __name__ == "__main__":
    main()
