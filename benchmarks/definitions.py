"""The cost of a code location, beside the same graph by hand: `--tenants 10 100 300`, and `--tenants 500 --shards 10`.

Each tenant has ten pipelines of three stages, with five rules and five promises each, one job on a schedule, and the
job of everything. By hand that is: the same assets with the same keys, descriptions, owners, tags, kinds, partitions
and freshness policies, the same checks with their descriptions, both jobs, the schedule, four resources a tenant, a
sensor, written as the cheapest known idioms of Dagster: policies and partitions shared, checks inside their asset, one
operation for the checks of a tenant that no asset's step evaluates, jobs resolved against the assets of their own
tenant, and a garbage collector that ignores libraries and definitions.

Each location is one process. Measured is what a code server does when it is asked for its location: build the
definitions, the repository and the snapshot, and serialize the snapshot with all its jobs. The import of the libraries
is not part of it. The CPU time of processes that the build starts is part of it.
"""

import argparse
import gc
import importlib
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

PIPELINES = 10
STAGES = ("extract", "transfer", "load")
TIERS = {"extract": "bronze", "transfer": "silver", "load": "gold"}
RULES = ("not_null__id", "unique__id", "in_range__qty", "in_set__status", "non_negative__qty")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, nargs="+", default=[10])
    parser.add_argument("--shards", type=int, default=0, help="Serve the tenants as so many locations; default: one.")
    parser.add_argument("--own-python", action="store_true", help="Give each tenant Python of its own.")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=["ours", "by hand"], default=None)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(json.loads(arguments.one))))
        return
    rows = []
    parts = "build / repository / snapshot / serialize"
    print(f"{'tenants':>7} {'assets':>7} {'':8} {'CPU s':>7} {parts:>42} {'MB':>7} {'peak MB':>8}")
    for count in arguments.tenants:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            write_project(root, count, arguments.shards, own_python=arguments.own_python)
            for _ in range(arguments.rounds):
                pair = []
                for who in ("by hand", "ours"):
                    if arguments.only in (None, who):
                        pair.append(measured(root, who, count, arguments.shards))
                        rows.append(pair[-1])
                        show(pair[-1])
                if len(pair) == 2:
                    cpu, size = (pair[1][key] / pair[0][key] for key in ("cpu_seconds", "megabytes"))
                    print(f"{'':16}ours over by hand: CPU {cpu:.2f}, bytes {size:.2f}", flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=2))


def measured(root: Path, who: str, tenants: int, shards: int) -> dict[str, Any]:
    """Measure all locations, each in a process of its own, and add them up."""
    parts = []
    for shard in range(shards or 1):
        asked = json.dumps({"who": who, "root": str(root), "tenants": tenants, "shard": shard, "shards": shards})
        said = subprocess.run(
            [sys.executable, __file__, "--one", asked], capture_output=True, text=True, check=False, cwd=root
        )
        if said.returncode:
            raise SystemExit(said.stderr)
        parts.append(json.loads(said.stdout.splitlines()[-1]))
    found = {key: sum(each[key] for each in parts) for key in parts[0] if key != "peak_megabytes"}
    return {
        "who": who, "tenants": tenants, "shards": shards, **found,
        "peak_megabytes": max(each["peak_megabytes"] for each in parts),
    }  # fmt: skip


def show(row: dict[str, Any]) -> None:
    parts = " / ".join(f"{row[each]:.2f}" for each in ("build", "repository", "snapshot", "serialize"))
    print(
        f"{row['tenants']:7} {row['assets']:7} {row['who']:8} {row['cpu_seconds']:7.2f} {parts:>42}"
        f" {row['megabytes']:7.2f} {row['peak_megabytes']:8.0f}",
        flush=True,
    )


def one(asked: dict[str, Any]) -> dict[str, float]:
    """Build, load and serialize one location in this process."""
    os.environ |= {"ETL_PROJECT_DIR": asked["root"], "ETL_DATA_DIR": f"{asked['root']}/.data"}
    warnings.simplefilter("ignore")
    make: Callable[[], Any]
    if asked["who"] == "ours":
        place = importlib.import_module("etl.definitions")
        every = importlib.import_module("etl.all") if asked["shards"] else None
        make = (lambda: getattr(every, f"shard_{asked['shard'] + 1}")) if every else place.build_all_definitions
    else:
        own = range(asked["shard"], asked["tenants"], asked["shards"] or 1)
        make = lambda: by_hand([f"tenant_{number:03}" for number in own])  # noqa: E731
    dagster = importlib.import_module("dagster")
    snaps = importlib.import_module("dagster._core.remote_representation.external_data")
    data = importlib.import_module("dagster_shared.serdes")
    del dagster
    times = [spent()]
    definitions = make()
    times.append(spent())
    repository = definitions.get_repository_def()
    times.append(spent())
    snapshot = snaps.RepositorySnap.from_def(repository)
    times.append(spent())
    size = len(data.serialize_value(snapshot))
    times.append(spent())
    if any(each.asset_key.path[1] == "broken" for each in snapshot.asset_nodes):
        raise SystemExit(snapshot.asset_nodes[0].description)
    build, load, snap, serialize = (after - before for before, after in itertools.pairwise(times))
    return {
        "cpu_seconds": times[-1] - times[0],
        "build": build,
        "repository": load,
        "snapshot": snap,
        "serialize": serialize,
        "megabytes": size / 1e6,
        "assets": len(snapshot.asset_nodes),
        "checks": len(snapshot.asset_check_nodes or ()),
        "jobs": len(snapshot.job_datas or snapshot.job_refs or ()),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def spent() -> float:
    """The CPU seconds of this process and of its children that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def by_hand(tenants: list[str]) -> Any:
    """The same graph with Dagster alone."""
    import dagster as dg

    gc.freeze()
    folder = Path.cwd() / "tenants"
    days = dg.DailyPartitionsDefinition("2026-01-01", timezone="UTC")
    policy = dg.FreshnessPolicy.cron("0 9 * * *", dg_hours(9), timezone="UTC")

    class Database(dg.ConfigurableResource):  # type: ignore[type-arg]
        host: str
        port: str
        database: str
        username: str
        password: str

    class Place(dg.ConfigurableResource):  # type: ignore[type-arg]
        folder: str

    def asset(tenant: str, stage: str, name: str) -> Any:
        key = dg.AssetKey([tenant, stage, name])
        before = STAGES[STAGES.index(stage) - 1] if stage != "extract" else None
        rules = RULES if stage == "transfer" else ("volume",) if stage == "extract" else ()
        checks = [dg.AssetCheckSpec(each, asset=key, description=CHECKS[each], partitions_def=days) for each in rules]
        if stage == "extract":
            checks.append(dg.AssetCheckSpec("undated", asset=key, description=CHECKS["undated"]))

        @dg.asset(
            key=key,
            deps=[dg.AssetKey([tenant, before, name])] if before else [],
            description=DESCRIPTIONS[stage].format(name),
            group_name="CD",
            owners=["team:planning"],
            tags={"tenant": tenant, "pipeline": name, "data_tier": TIERS[stage], "domain": "shop"},
            kinds=KINDS[stage],
            code_version=f"{hash((tenant, stage, name)) & 0xFFFFFFFFFFFFFFFF:016x}",
            metadata={
                "dagster/code_references": dg.CodeReferencesMetadataValue(
                    code_references=[
                        dg.LocalFileCodeReference(file_path=f"{folder}/{tenant}/{file}", line_number=1, label=file)
                        for file in ("assets.py", *([f"transforms/{name}.py"] if stage == "transfer" else ()))
                    ]
                ),
                **({"dagster/table_name": f"schema_{tenant[-3:]}.{name}"} if stage == "load" else {}),
            },
            partitions_def=days,
            backfill_policy=dg.BackfillPolicy.single_run(),
            check_specs=checks,
            freshness_policy=policy if stage == "load" else None,
            pool=f"{tenant}_source" if stage == "extract" else f"{tenant}_warehouse" if stage == "load" else None,
            required_resource_keys={f"{tenant}_{each}" for each in RESOURCES[stage]},
        )
        def made(context):  # noqa: ANN001, ANN202, ARG001  Dagster evaluates the annotations of each asset's function
            yield from ()

        return made

    assets, checks, jobs, schedules, resources = [], [], [], [], {}
    for tenant in tenants:
        names = [f"pipeline_{number}" for number in range(PIPELINES)]
        own = [asset(tenant, stage, name) for name in names for stage in STAGES]
        last = [dg.AssetKey([tenant, "load", name]) for name in names]
        kept = {
            f"{tenant}_source": Database(
                host=dg.EnvVar("DB_HOST"), port="5432", database="shop", username="reader",
                password=dg.EnvVar("DB_PASSWORD"),
            ),
            f"{tenant}_lake": Place(folder=f"lake/{tenant}"),
            f"{tenant}_warehouse": Place(folder=f"warehouse/{tenant}.duckdb"),
            f"{tenant}_duckdb": Place(folder=f"warehouse/{tenant}.duckdb"),
        }  # fmt: skip

        @dg.multi_asset_check(
            name=f"{tenant}__sla",
            specs=[dg.AssetCheckSpec("sla", asset=key, description="Whether it keeps its promises.") for key in last],
            can_subset=True,
        )
        def sla() -> Any:
            yield from ()

        @dg.multi_asset_check(
            name=f"{tenant}__reconciled",
            specs=[dg.AssetCheckSpec("reconciled", asset=key, description=CHECKS["reconciled"]) for key in last],
            can_subset=True,
            required_resource_keys={f"{tenant}_source", f"{tenant}_warehouse"},
        )
        def reconciled() -> Any:
            yield from ()

        selection = dg.AssetSelection.assets(*(key for each in own for key in each.keys))
        asked = [
            dg.define_asset_job(f"{tenant}_{name}", selection, tags={"tenant": tenant}, description=f"{name}, all")
            for name in ("all", "daily_etl")
        ]
        alone = dg.Definitions(assets=own, jobs=asked, resources=kept)
        found = [alone.resolve_job_def(each.name) for each in asked]
        assets += own
        checks += [sla, reconciled]
        jobs += found
        schedules.append(
            dg.ScheduleDefinition(
                name=f"{tenant}_daily_etl_schedule",
                job=found[1],
                cron_schedule="0 6 * * *",
                execution_timezone="UTC",
                tags={"tenant": tenant},
                execution_fn=lambda context: dg.RunRequest(partition_key=str(context.scheduled_execution_time.date())),
            )
        )
        resources |= kept

    @dg.sensor(name="sla_sensor", minimum_interval_seconds=60)
    def sensor() -> None: ...

    found = dg.Definitions(
        assets=assets, asset_checks=checks, jobs=jobs, schedules=schedules, sensors=[sensor], resources=resources,
        executor=dg.in_process_executor,
    )  # fmt: skip
    gc.freeze()
    return found


def dg_hours(hours: int) -> Any:
    return importlib.import_module("datetime").timedelta(hours=hours)


CHECKS = {
    "not_null__id": "Every value is there. id is never empty.",
    "unique__id": "No two rows have the same values. id is different in each row.",
    "in_range__qty": "Values are between two bounds. qty is between 0 and 1000.",
    "in_set__status": "Values are among those that are listed. status is one of DONE, RUN, HOLD.",
    "non_negative__qty": "Values are 0 or more. qty is not below 0. The share of good rows is at least 0.99.",
    "volume": "About as many rows as when the partition was extracted before, and as on the weekday in earlier weeks."
    " A warning: the rows are published nevertheless; `max_shrink` would stop them.",
    "undated": "Every row of the source belongs to a partition. Rows without a date, with text that is no date, or"
    " before the first day are never extracted. Counted once for all days of a run; if there are any, the days are"
    " published nevertheless.",
    "reconciled": "The warehouse holds what the source holds, day by day. Run it with `etl verify`.",
}
DESCRIPTIONS = {
    "extract": "The source rows of {}, unchanged.",
    "transfer": "{}, refined and checked.",
    "load": "{} in the warehouse.",
}
KINDS = {"extract": {"sqlite", "parquet"}, "transfer": {"polars", "parquet"}, "load": {"duckdb"}}
RESOURCES = {"extract": ("lake", "source"), "transfer": ("lake",), "load": ("lake", "warehouse")}


OWN = """
import dagster as dg


@dg.asset(key_prefix=["{tenant}", "own"], group_name="CD", deps=[["{tenant}", "load", "pipeline_0"]])
def coverage() -> None: ...


defs = dg.Definitions.merge(defs, dg.Definitions(assets=[coverage]))
"""


def write_project(root: Path, count: int, shards: int, *, own_python: bool = False) -> None:
    """The same tenants as YAML."""
    rules = [
        {"column": "id", "type": "not_null"},
        {"column": "id", "type": "unique"},
        {"column": "qty", "type": "in_range", "min": 0, "max": 1000},
        {"column": "status", "type": "in_set", "values": ["DONE", "RUN", "HOLD"]},
        {"column": "qty", "type": "non_negative", "severity": "warning", "mostly": 0.99},
    ]
    pipeline = {
        "source_table": "orders", "date_column": "day", "partitions": {"start": "2026-01-01"}, "has_transfer": True,
        "save_to_trino": True, "quality": {"rules": rules},
        "sla": {
            "freshness": {"deadline": "0 9 * * *", "max_age_hours": 30}, "max_failure_rate": 0.1, "min_row_count": 1,
            "max_execution_time_seconds": 3600, "max_consecutive_failures": 3,
        },
    }  # fmt: skip
    (root / "pyproject.toml").write_text(f"[tool.etl]\nshards = {shards}\n" if shards else "")
    (root / "tenants").mkdir()
    (root / "tenants" / "__init__.py").write_text("")  # found before a package `tenants` of another project
    for number in range(count):
        output = {"target_schema": f"schema_{number:03}", "mode": "replace_partition"}
        tenant = f"tenant_{number:03}"
        names = [f"pipeline_{each}" for each in range(PIPELINES)]
        pipelines = {name: {**pipeline, "trino_output": {"target_table": name, **output}} for name in names}
        found = {
            "id": tenant, "name": tenant, "group": "CD", "owners": ["team:planning"], "tags": {"domain": "shop"},
            "assets": {"pipelines": pipelines},
            "jobs": {"daily_etl": {"selection": "*", "schedule": {"cron": "0 6 * * *"}}},
            "notifications": [{"type": "log", "on": ["sla", "failure"]}],
        }  # fmt: skip
        folder = root / "tenants" / tenant
        (folder / "transforms").mkdir(parents=True)
        (folder / "config.yaml").write_text(json.dumps({"tenant": found}))
        (folder / "definitions.py").write_text(
            f'from etl import build_tenant_definitions\n\ndefs = build_tenant_definitions("{tenant}")\n'
            + (OWN.format(tenant=tenant) if own_python else "")
        )
        for name in names:
            (folder / "transforms" / f"{name}.py").write_text(
                f"import polars as pl\n\n\ndef {name}({name}: pl.LazyFrame) -> pl.LazyFrame:\n    return {name}\n"
            )


if __name__ == "__main__":
    main()
