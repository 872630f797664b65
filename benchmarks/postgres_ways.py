"""Ways out of PostgreSQL that the product does not take, beside the one it takes: what each costs, and what it changes.

    python benchmarks/postgres_ways.py --rows 2000000 --repeats 3
    python benchmarks/postgres_ways.py --rows 6000000 --repeats 3 --only ours two_ranges pages_4000

Each case is a process of its own, the cases run in turns, and each writes the table of `source_cases.py` into one
Parquet file. The CPU seconds of the server are those of all its processes. A file whose rows differ from ours is named,
by the digest that `etl verify` compares with. `ours` is the default path; most other cases are the default path with
one thing changed, so that what they cost is due to that thing.

Two more decoders of binary COPY for Python need an environment of their own, because they are linked with old versions
of Arrow; without `--others` they are left out:

    python -m venv others
    others/bin/pip install "psycopg[binary]" psycopg2-binary postgres-copy-binary pgeon

`pgpq` is not among them: it only encodes Arrow for COPY into PostgreSQL, and has no decoder.
"""

# ruff: noqa: SLF001  the default path is measured with one private thing of it changed

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from measure import Case, once, server_seconds
from source_cases import prepare_server

Context = Mapping[str, str]


def _out(context: Context, name: str) -> Path:
    return Path(context["folder"]) / f"{name}.parquet"


def _floor(context: Context) -> None:
    psql = shutil.which("psql") or "/usr/lib/postgresql/15/bin/psql"
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execv(psql, [psql, "-q", context["url"], "-c", "COPY lineitem TO STDOUT (FORMAT binary)"])


def _ours(
    name: str, title: str, change: Callable[[Any, Any], None] = lambda *_: None, *settings: str, query: bool = False
) -> Case:
    """The default path. `change` gets its modules `writer` and `postgres_duckdb`; `settings` are DuckDB's."""

    def run(context: Context) -> None:
        from etl.source import postgres_duckdb, reading, writer

        attach = postgres_duckdb._attach

        def attach_with(connection: Any, *rest: Any) -> None:
            for each in settings:
                connection.execute(f"SET {each}")
            attach(connection, *rest)

        postgres_duckdb._attach = attach_with
        change(writer, postgres_duckdb)
        origin = {"query": "SELECT * FROM lineitem"} if query else {"table": "lineitem"}
        reading.extract_to_parquet(
            context["url"], reading.ExtractRequest.model_validate(origin), _out(context, name), footer={}
        )

    return Case(name, title, run)


def _parquet(old: str, new: str) -> Callable[[Any, Any], None]:
    def change(writer: Any, _: Any) -> None:
        writer.PARQUET = writer.PARQUET.replace(old, new)

    return change


def _rows_in_group(rows: int) -> Callable[[Any, Any], None]:
    def change(writer: Any, _: Any) -> None:
        writer.ROW_GROUP_ROWS = rows

    return change


def _readers(number: int) -> Callable[[Any, Any], None]:
    def change(_: Any, postgres_duckdb: Any) -> None:
        postgres_duckdb.PAGE_READERS = number

    return change


def _no_search(_: Any, postgres_duckdb: Any) -> None:
    """Do not look for NaN: not exact, and here only to show what looking costs."""
    pages = postgres_duckdb._pages
    postgres_duckdb._pages = lambda connection, plan, request: pages(
        connection, replace(plan, columns=tuple(replace(each, guard="") for each in plan.columns)), request
    )


def _two_ranges(context: Context) -> None:
    """Two statements over two connections of one exported snapshot, half of the pages each, side by side.

    Each statement says for every row whether one of its `numeric` values is NaN, so that no search goes before. Each
    writes a file of its own: one file would need more work, so this is the least that the way can cost.
    """
    from concurrent.futures import ThreadPoolExecutor

    from etl.source import writer
    from etl.source.contract import ExtractRequest
    from etl.source.database_url import parse
    from etl.source.postgres_catalogue import connect, plan
    from etl.sql import literal

    source, request, folder = parse(context["url"]), ExtractRequest(table="lineitem"), _out(context, "two_ranges")
    made, extension = plan(source, request), writer.extension_path("postgres_scanner")
    folder.mkdir()
    carriers = ", ".join(f'"{each.name}" AS c{i}' for i, each in enumerate(made.columns))
    nan = " OR ".join(each.guard for each in made.columns if each.guard)
    # what the default path does with columns that DuckDB's own reader keeps
    columns = [replace(each, restore=f"c{i}") if each.guard else each for i, each in enumerate(made.columns)]
    refused = writer.complain("nan", "a number", "holds NaN", "c0")

    def copy(where: str, snapshot: str, path: Path) -> None:
        with writer.writing_engine(path, len(columns), extension=extension) as duck:
            login = f"{context['url']}?options=-c%20jit%3Doff%20-c%20default_transaction_read_only%3Don"
            duck.execute(f"ATTACH {literal('duckdb', login)} AS source (TYPE postgres)")
            duck.execute("BEGIN")
            pin = literal("duckdb", f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            duck.execute(f"CALL postgres_execute('source', {pin})")
            sql = f"SELECT {carriers}, coalesce({nan}, false) AS nan FROM lineitem WHERE {where}"
            rows = f"postgres_query('source', {literal('duckdb', sql)})"
            select = f"SELECT {writer.restored(columns)} FROM (SELECT * REPLACE ({refused} AS c0) FROM {rows})"
            writer.copy_to_parquet(duck, select, len(columns), path, {})
            duck.execute("ROLLBACK")

    with connect(source, request) as keeper, ThreadPoolExecutor(2) as threads:
        sql = "SELECT pg_export_snapshot(), pg_relation_size('lineitem') / 8192 / 2"
        snapshot, half = keeper.execute(sql).fetchone()
        wheres = (f"ctid < '({half},0)'", f"ctid >= '({half},0)'")
        done = [threads.submit(copy, each, snapshot, folder / f"{i}.parquet") for i, each in enumerate(wheres)]
        for each in done:
            each.result()


def _adbc(context: Context) -> None:
    """ADBC in a stream. It has no type for `numeric`, which therefore travels as text and is cast back strictly."""
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    numbers = {"l_quantity", "l_extendedprice", "l_discount", "l_tax"}
    with adbc.connect(context["url"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'lineitem'::regclass AND attnum > 0")
        names = [row[0] for row in cursor.fetchall()]
        cursor.execute(f"SELECT {', '.join(f'{n}::text AS {n}' if n in numbers else n for n in names)} FROM lineitem")
        reader = cursor.fetch_record_batch()
        fields = [pa.field(each.name, pa.decimal128(15, 2)) if each.name in numbers else each for each in reader.schema]
        schema = pa.schema(fields)
        with pq.ParquetWriter(_out(context, "adbc"), schema, compression="zstd", compression_level=1) as writer:
            for batch in reader:
                columns = [
                    pc.cast(column, field.type) if field.name in numbers else column
                    for column, field in zip(batch.columns, schema, strict=True)
                ]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _psycopg(context: Context) -> None:
    """Binary COPY read in Python and thrown away: what any decoder that is fed by psycopg costs before it decodes."""
    import psycopg

    copying = "COPY lineitem TO STDOUT (FORMAT binary)"
    with psycopg.connect(context["url"]) as connection, connection.cursor() as cursor, cursor.copy(copying) as copy:
        for _ in copy:
            pass


def _copy_binary(context: Context) -> None:
    """The only Rust decoder of binary COPY for Python. It takes the whole table as one piece of memory."""
    import io

    import psycopg2
    import pyarrow as pa
    import pyarrow.parquet as pq
    from postgres_copy_binary import decode_buffer

    with closing(psycopg2.connect(context["url"])) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'lineitem'"
            " ORDER BY ordinal_position"
        )
        names, types = zip(*cursor.fetchall(), strict=True)
        buffer = io.BytesIO()
        cursor.copy_expert("COPY lineitem TO STDOUT (FORMAT binary)", buffer)
        columns = decode_buffer(buffer.getvalue(), types)
    table = pa.Table.from_arrays(columns, names=names)
    pq.write_table(table, _out(context, "copy_binary"), compression="zstd", compression_level=1)


def _pgeon(context: Context) -> None:
    import pgeon
    import pyarrow.parquet as pq

    table = pgeon.copy_query(context["url"], "SELECT * FROM lineitem")
    pq.write_table(table, _out(context, "pgeon"), compression="zstd", compression_level=1)


CASES = [
    Case("floor_copy", "floor: binary `COPY` to nowhere", _floor, floor=True),
    _ours("ours", "the default path"),
    _ours("statement", "one statement, numbers as text (what a `query` takes)", query=True),
    _ours("readers_1", "one reader", _readers(1)),
    _ours("readers_4", "four readers", _readers(4), "pg_pool_max_connections = 8"),
    _ours("pages_100", "tasks of 100 pages instead of 1,000", lambda *_: None, "pg_pages_per_task = 100"),
    _ours("pages_4000", "tasks of 4,000 pages", lambda *_: None, "pg_pages_per_task = 4000"),
    _ours("pages_16000", "tasks of 16,000 pages", lambda *_: None, "pg_pages_per_task = 16000"),
    _ours("no_ctid", "one statement instead of page ranges", lambda *_: None, "pg_use_ctid_scan = false"),
    _ours("text_protocol", "text protocol", lambda *_: None, "pg_use_text_protocol = true"),
    _ours("no_search", "no search for NaN (not exact)", _no_search),
    Case("two_ranges", "two statements of one snapshot, NaN told by each row", _two_ranges),
    _ours("snappy", "Parquet: snappy", _parquet("zstd, COMPRESSION_LEVEL 1", "snappy")),
    _ours("lz4", "Parquet: lz4", _parquet("zstd, COMPRESSION_LEVEL 1", "lz4_raw")),
    _ours("uncompressed", "Parquet: not compressed", _parquet("zstd, COMPRESSION_LEVEL 1", "uncompressed")),
    _ours("zstd_3", "Parquet: zstd level 3", _parquet("LEVEL 1", "LEVEL 3")),
    _ours("version_1", "Parquet: encodings of version 1", _parquet("VERSION V2", "VERSION V1")),
    _ours("dictionary_1", "Parquet: no dictionaries", _parquet("LIMIT 1000", "LIMIT 1")),
    _ours("dictionary_20000", "Parquet: dictionaries of 20,000", _parquet("LIMIT 1000", "LIMIT 20000")),
    _ours("groups_122880", "Parquet: row groups of 122,880", _rows_in_group(122_880)),
    _ours("groups_30720", "Parquet: row groups of 30,720", _rows_in_group(30_720)),
    Case("adbc", "ADBC, a stream, numbers as text", _adbc),
    Case("psycopg", "psycopg, binary `COPY` thrown away", _psycopg),
    Case("copy_binary", "postgres-copy-binary (Rust)", _copy_binary, peer=True),
    Case("pgeon", "pgeon (C++)", _pgeon, peer=True),
]


def _digest(out: Path) -> tuple[dict[str, int], float]:
    """The digest of the rows, and the megabytes. The files of other decoders may have wider decimals."""
    import polars as pl

    from etl.pipeline.digest import digest

    files = sorted(out.glob("*")) if out.is_dir() else [out]
    frame = pl.scan_parquet(files)
    exact = frame.cast({pl.Decimal: pl.Decimal(38, 2)})
    return digest(exact), sum(each.stat().st_size for each in files) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", nargs="+", help="names of cases; the floor and `ours` always run")
    parser.add_argument("--others", help="the Python of an environment with the other decoders; see above")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        next(each for each in CASES if each.name == asked.case).run(json.loads(os.environ["BENCH_CONTEXT"]))
        return
    always = ("floor_copy", "ours")
    cases = [each for each in CASES if not asked.only or each.name in (*always, *asked.only)]
    cases = [each for each in cases if asked.others or not each.peer]
    found: dict[str, list[tuple[float, float, float, float]]] = {each.name: [] for each in cases}
    notes: dict[str, str] = {}
    sizes: dict[str, float] = {}
    reference: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="etl-bench-") as folder, prepare_server(asked.rows) as (server, url):
        context = {"url": url, "rows": str(asked.rows), "folder": folder}
        for turn in range(asked.repeats):
            for case in cases:
                if case.name in notes:
                    continue
                before = server_seconds(server)
                try:
                    wall, cpu, peak = once(Path(__file__), case, asked.others if case.peer else sys.executable, context)
                except RuntimeError as error:
                    notes[case.name] = " ".join(str(error)[-200:].split())
                    print(f"  {turn + 1}/{asked.repeats} {case.name}: {error}", flush=True)
                    continue
                found[case.name].append((wall, cpu, server_seconds(server) - before, peak))
                print(f"  {turn + 1}/{asked.repeats} {case.name}: {found[case.name][-1]}", flush=True)
                out = _out(context, case.name)
                if out.exists():
                    if turn == 0:
                        rows, sizes[case.name] = _digest(out)
                        reference = reference or rows
                        if rows != reference:
                            notes[case.name] = "differs from ours: " + ", ".join(
                                name or "whole rows" for name in rows if rows[name] != reference.get(name)
                            )
                            print(case.name, notes[case.name])
                    shutil.rmtree(out) if out.is_dir() else out.unlink()
    print(f"| {asked.rows:,} rows | wall s | client CPU s | server CPU s | both, over ours | peak MB | file MB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    middle = {
        name: [statistics.median(each) for each in zip(*runs, strict=True)] for name, runs in found.items() if runs
    }
    ours = middle["ours"][1] + middle["ours"][2]
    for case in cases:
        if case.name not in middle:
            print(f"| {case.title} | | | | | | | {notes.get(case.name, '')}")
            continue
        wall, cpu, server_cpu, peak = middle[case.name]
        size = f"{sizes[case.name]:.0f}" if case.name in sizes else ""
        cells = f"{wall:.2f} | {cpu:.2f} | {server_cpu:.2f} | {(cpu + server_cpu) / ours:.2f} | {peak:.0f} | {size}"
        print(f"| {case.title} | {cells} | {notes.get(case.name, '')}")


if __name__ == "__main__":
    main()
