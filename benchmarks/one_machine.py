"""How much one partition one machine can carry: each stage of a pipeline by itself, from PostgreSQL to the warehouses.

    TMPDIR=/a/large/disk python benchmarks/one_machine.py --rows 1000000 6000000 30000000 --json OUT

One partition of 16 typed columns. Each stage is a process of its own: its wall and CPU seconds, its peak memory with
all imports, and the CPU seconds that PostgreSQL and Trino used meanwhile. The stages follow each other, so that each
has what the stage before it left. Starts PostgreSQL, and for the stages of a cluster also Trino and SeaweedFS.
30 million rows need 20 GB of disk.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from measure import Case, once, server_seconds
from movement_trino import seconds_of
from source_cases import TABLE

Context = Mapping[str, str]
DAY = "2026-01-01"
RULES = [
    {"column": "l_orderkey", "type": "not_null"},
    {"column": "l_quantity", "type": "in_range", "min": 1, "max": 50},
    {"column": "l_returnflag", "type": "in_set", "values": ["A", "N", "R"]},
    {"type": "expression", "expression": "l_discount <= l_extendedprice + 1"},
]
UNIQUE = {"columns": ["l_orderkey", "l_linenumber"], "type": "unique"}
REFINED = '''"""lines, refined."""

import polars as pl


def {name}(lines: pl.LazyFrame) -> pl.LazyFrame:
    """The net price, which needs nothing but the row itself{also}."""
    net = pl.col("l_extendedprice").cast(pl.Float64) * (1 - pl.col("l_discount").cast(pl.Float64))
    return lines.with_columns(net.alias("net")){sort}
'''
SOURCES = """
version: 2
sources:
  - name: raw
    schema: shop
    meta:
      external_location: "read_parquet('{{ env_var('ETL_LAKE_DIR') }}/acme/extract/{name}/**/data.parquet')"
    tables: [{name: lines}]
"""
MODELS = {
    "models/staging/sources.yml": SOURCES,
    "models/marts/refined.sql": """
        select *, cast(l_extendedprice as double) * (1 - cast(l_discount as double)) as net_price
        from {{ source('raw', 'lines') }}
        """,
    "models/marts/by_mode.sql": """
        select l_shipmode, count(*) as lines, sum(net_price) as net from {{ ref('refined') }} group by l_shipmode
        """,
    "models/marts/marts.yml": """
        version: 2
        models:
          - name: refined
            columns: [{name: l_orderkey, data_tests: [not_null]}]
        """,
}


@dataclass(frozen=True)
class Stage:
    """What one stage took at one size."""

    stage: str
    title: str
    rows: int
    megabytes: float
    wall: float
    cpu: float
    peak_mb: float
    server_cpu: float


def make_project(folder: Path) -> Any:
    """A tenant with one partition of 16 columns, and the dbt project."""
    from tests.dbt.projects import write_dbt
    from tests.tiny_project import make_project as tiny

    lines = {
        "source_table": "lineitem",
        "date_column": "l_shipped",
        "partitions": {"start": DAY, "end": DAY, "timezone": "UTC"},
        "has_transfer": True,
        "save_to_trino": True,
        "trino_output": {"target_table": "lines", "target_schema": "shop"},
        "quality": {"engine": "polars", "rules": RULES},
    }
    refined = {**lines, "transfer_inputs": ["lines"], "save_to_trino": False, "trino_output": None}
    keyed = {**refined, "quality": {"engine": "polars", "rules": [*RULES, UNIQUE]}}
    ordered = {**refined, "quality": None}
    pipelines = {"orders": None, "lines": lines, "keyed": keyed, "ordered": ordered}
    changes = {"assets": {"pipelines": pipelines}, "dbt": {"enabled": True}, "source_database": None}
    project = tiny(folder, changes)
    project.write_transform(REFINED.format(name="lines", also="", sort=""), "lines")
    project.write_transform(REFINED.format(name="keyed", also="", sort=""), "keyed")
    ordering = {"also": ", in the order of the parts", "sort": '.sort("l_partkey", "l_orderkey")'}
    project.write_transform(REFINED.format(name="ordered", **ordering), "ordered")
    (project.root / "tenants" / "acme" / "transforms" / "orders.py").unlink()
    write_dbt(project, MODELS)
    return project


def _run(pipeline: str = "lines") -> Any:
    from etl.config import load_tenant
    from etl.pipeline.stage import StageRun
    from etl.settings import load_settings

    settings = load_settings()
    found = load_tenant("acme", settings)
    return StageRun(config=found, pipeline=found.pipelines[pipeline], partition=DAY, run_id="bench", settings=settings)


def _extract(context: Context) -> None:
    from etl.pipeline.extract import extract

    _expect(context, extract(_run(), context["url"]).rows)


def _transfer(context: Context, pipeline: str = "lines") -> None:
    from etl.pipeline.transfer import transfer

    _expect(context, transfer(_run(pipeline)).rows)


def _publish(context: Context) -> None:
    """The upload alone: what a stage adds for a lake in a bucket, where the local lake renames a file."""
    from etl.lake.s3_store import S3Store
    from etl.settings import S3Settings

    run, store = _run(), json.loads(context["store"])
    keys = {"access_key_id": store["access_key"], "secret_access_key": store["secret_key"]}
    there = S3Store(S3Settings(endpoint_url=store["endpoint"], **keys), store["bucket"], "lake")
    if not there.put("data.parquet", run.lake.local_copy(run.ref("transfer")), None):
        raise RuntimeError("the object was not uploaded")


def _warehouse(context: Context, kind: str) -> Any:
    from pydantic import SecretStr

    from etl.settings import load_settings
    from etl.warehouse.choice import open_warehouse
    from etl.warehouse.contract import TrinoPlace, WarehousePlace

    if kind == "postgres":
        place = WarehousePlace(type="postgres", url=SecretStr(context["url"]))
    elif kind == "trino":
        there = json.loads(context["trino"])
        iceberg = {name: SecretStr(value) for name, value in there.pop("iceberg").items()}
        place = WarehousePlace(type="trino", trino=TrinoPlace(**there, iceberg=iceberg))
    else:
        place = WarehousePlace()
    return open_warehouse(place, load_settings(), "acme")


def _load(context: Context, kind: str) -> None:
    from etl.pipeline.load import load

    found = load(_run(), _warehouse(context, kind))
    if not found.detail["changed"] or found.detail["rows_after"] != int(context["rows"]):
        raise RuntimeError(f"the load says {found.detail}")


def _dbt(context: Context, target: str) -> None:
    from etl.config import load_tenant
    from etl.dbt.build import build
    from etl.dbt.project import parse, tenant_dbt
    from etl.dbt.warm import warm_dbt_of_run
    from etl.settings import load_settings

    if target == "trino":
        there = json.loads(context["trino"])
        names = {"TRINO_HOST": there["host"], "TRINO_PORT": str(there["port"]), "TRINO_CATALOG": there["catalog"]}
        os.environ.update(names)
    settings = load_settings()
    config = load_tenant("acme", settings)
    project = tenant_dbt(config.model_copy(update={"dbt": config.dbt.model_copy(update={"target": target})}), settings)
    parse(project)
    with warm_dbt_of_run("bench"):
        result = build(project, ["acme"], {}, "bench", lambda _line: None)
        Path(context["peak"]).write_text(str(peak_of_children()))
    if result.problem or len(result.nodes) != 3:
        raise RuntimeError(f"dbt says {result}")


def peak_of_children() -> float:
    """The largest peak of the processes that this one has started and that still run, in megabytes."""
    peaks = [0.0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            said = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:  # it has ended
            continue
        if int(said["PPid"]) == os.getpid() and "VmHWM" in said:
            peaks.append(int(said["VmHWM"].split()[0]) / 1024)
    return max(peaks)


def _verify(context: Context, kind: str) -> None:
    from etl.pipeline.verify import reconcile

    run = _run()
    found = reconcile(
        run.config, run.pipeline, context["url"], _warehouse(context, kind), run.settings, max_rows=int(context["rows"])
    )
    if found.differences or found.not_compared or not found.days:
        raise RuntimeError(f"verify says {found}")


def _expect(context: Context, rows: int) -> None:
    if rows != int(context["rows"]):
        raise RuntimeError(f"{rows} rows came out")


CASES = [
    Case("import", "nothing but the imports", lambda _: _run().lake, floor=True),
    Case("extract", "extract from PostgreSQL, published locally", _extract),
    Case("transfer", "transfer by rows, four rules, published locally", _transfer),
    Case("unique", "the same with a fifth rule, `unique`", lambda c: _transfer(c, "keyed"), most_rows=6_000_000),
    Case("sort", "transfer that sorts all rows, no rules", lambda c: _transfer(c, "ordered"), most_rows=6_000_000),
    Case("publish", "the upload into a bucket", _publish),
    Case("load-duckdb", "load into DuckDB", lambda c: _load(c, "duckdb")),
    Case("load-postgres", "load into PostgreSQL", lambda c: _load(c, "postgres")),
    Case("load-trino", "load into Trino", lambda c: _load(c, "trino")),
    Case("dbt-duckdb", "dbt on DuckDB: a table of all rows, a sum, a test", lambda c: _dbt(c, "dev")),
    Case("dbt-trino", "dbt on Trino: the same", lambda c: _dbt(c, "trino")),
    Case("verify-duckdb", "verify all values, DuckDB", lambda c: _verify(c, "duckdb")),
    Case("verify-trino", "verify all values, Trino", lambda c: _verify(c, "trino"), most_rows=6_000_000),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", type=int, default=[1_000_000])
    parser.add_argument("--only", nargs="+", help="names of cases; each needs the ones before it")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        next(each for each in CASES if each.name == asked.case).run(json.loads(os.environ["BENCH_CONTEXT"]))
        return
    results: list[Stage] = []
    for rows in asked.rows:
        chosen = [each for each in CASES if rows <= each.most_rows and (not asked.only or each.name in asked.only)]
        results += measure(rows, chosen)
        if asked.json:
            asked.json.parent.mkdir(parents=True, exist_ok=True)
            asked.json.write_text(
                json.dumps({"cores": os.cpu_count(), "results": [asdict(each) for each in results]}, indent=1) + "\n"
            )
    print("| stage | rows | object MB | wall s | CPU s | peak MB | CPU s of the servers |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for each in results:
        print(
            f"| {each.title} | {each.rows:,} | {each.megabytes:.0f} | {each.wall:.1f} | {each.cpu:.1f}"
            f" | {each.peak_mb:.0f} | {each.server_cpu:.1f} |"
        )


def measure(rows: int, cases: list[Case]) -> list[Stage]:
    from tests.servers import postgres, trino

    needs_cluster = any("trino" in each.name or each.name == "publish" for each in cases)
    found: list[Stage] = []
    with tempfile.TemporaryDirectory(prefix="etl-bench-") as name, ExitStack() as stack:
        server = stack.enter_context(
            postgres.serving(shared_buffers="1GB", log_statement="none", max_wal_size="8GB", autovacuum="off")
        )
        shipped = f"timestamptz '{DAY} 00:00+00' + interval '1 day' * (i::float8 / {{rows}}) AS l_shipped"
        table = TABLE.replace("date '1992-01-03' + (i % 2554)::int AS l_receiptdate", shipped)
        grants = ("GRANT SELECT ON lineitem TO reader", "GRANT CREATE ON DATABASE src TO reader")
        server.run(table.format(rows=rows), "VACUUM ANALYZE lineitem", "CHECKPOINT", *grants)
        peak_file = Path(name) / "peak"
        context = {"url": server.url, "rows": str(rows), "peak": str(peak_file)}
        cluster = None
        if needs_cluster:
            store = stack.enter_context(trino.seaweed.serving())
            store.client().create_bucket(Bucket="lake")
            context["store"] = json.dumps({**asdict(store), "bucket": "lake"})
        if any("trino" in each.name for each in cases):
            cluster = stack.enter_context(trino.serving(server, store))
            catalog = cluster.make_catalog("bench")
            place = {"host": "127.0.0.1", "port": cluster.port, "catalog": "bench", "iceberg": catalog.properties}
            context["trino"] = json.dumps(place)
        project = make_project(Path(name))
        os.environ |= {**project.environ, "PYTHONWARNINGS": "ignore"}
        for case in cases:
            before = server_seconds(server) + (seconds_of(cluster.pid) if cluster else 0)
            peak_file.write_text("0")
            wall, cpu, peak = once(Path(__file__), case, sys.executable, context)
            peak = max(peak, float(peak_file.read_text()))
            servers = server_seconds(server) + (seconds_of(cluster.pid) if cluster else 0) - before
            objects = [each.stat().st_size for each in (project.data / "lake").rglob("data.parquet")]
            megabytes = max(objects, default=0) / 1e6
            found.append(Stage(case.name, case.title, rows, megabytes, wall, cpu, peak, servers))
            print(
                f"  {rows:,} {case.name}: {wall:.1f} s, {cpu:.1f} CPU s, {peak:.0f} MB, servers {servers:.1f}",
                flush=True,
            )
    return found


if __name__ == "__main__":
    main()
