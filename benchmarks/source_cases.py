"""PostgreSQL -> one Parquet file: ours, the floor, and the usual tools. Imports happen inside a case: its process pays.

Belongs here: the table, the cases, the check of what they wrote. Not here: measuring (`measure.py`).
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))
from measure import Case

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresServer

Context = Mapping[str, str]
TABLE = """
CREATE TABLE lineitem AS SELECT
  (i / 4)::bigint AS l_orderkey, ((i * 7919) % 200000)::bigint AS l_partkey, ((i * 104729) % 10000)::int AS l_suppkey,
  (i % 4 + 1)::int AS l_linenumber, (i % 50 + 1)::numeric(15,2) AS l_quantity,
  (((i * 31) % 10000000) / 100.0)::numeric(15,2) AS l_extendedprice, ((i % 11) / 100.0)::numeric(15,2) AS l_discount,
  ((i % 9) / 100.0)::numeric(15,2) AS l_tax, (ARRAY['A','N','R'])[(i % 3)::int + 1]::char(1) AS l_returnflag,
  (ARRAY['O','F'])[(i % 2)::int + 1]::char(1) AS l_linestatus, date '1992-01-01' + (i % 2526)::int AS l_shipdate,
  date '1992-01-31' + (i % 2466)::int AS l_commitdate, date '1992-01-03' + (i % 2554)::int AS l_receiptdate,
  (ARRAY['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'])[(i % 4)::int + 1]::varchar(25) AS l_shipinstruct,
  (ARRAY['AIR','FOB','MAIL','RAIL','REG AIR','SHIP','TRUCK'])[(i % 7)::int + 1]::varchar(10) AS l_shipmode,
  substr(md5(i::text) || md5((i * 3)::text), 1, 10 + (i % 34)::int)::varchar(44) AS l_comment
FROM generate_series(0::bigint, {rows} - 1) AS i
"""


@contextlib.contextmanager
def prepare_server(rows: int) -> "Iterator[tuple[PostgresServer, str]]":
    """A PostgreSQL of our own with the table, analysed, and the URL of a user who may read it."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from tests.servers.postgres import serving

    # the table fits into the server's buffers, as it would with the quarter of the memory that its manual advises
    with serving(shared_buffers="4GB", log_statement="none", max_wal_size="8GB", autovacuum="off") as server:
        server.run(
            TABLE.format(rows=rows), "VACUUM ANALYZE lineitem", "CHECKPOINT",
            "CREATE ROLE bench LOGIN PASSWORD 'bench'", "GRANT SELECT ON lineitem TO bench",
        )  # fmt: skip
        # a plain password: not every peer decodes the one that the tests use
        yield server, f"postgresql://bench:bench@127.0.0.1:{server.port}/src"


@contextlib.contextmanager
def prepare(rows: int, folder: Path) -> Iterator[dict[str, str]]:
    """The server with the table; the context is passed to every case's process."""
    with prepare_server(rows) as (_, url):
        yield {"url": url, "rows": str(rows), "folder": str(folder)}


def check(case: Case, context: Context) -> str:
    """What is wrong with the rows that a case wrote, or nothing; its output is removed."""
    import pyarrow.parquet as pq

    out = _out(context, case.name)
    if case.floor:
        return ""
    files = [out] if out.is_file() else sorted(each for each in out.rglob("*") if _is_parquet(each))
    found = sum(pq.read_metadata(each).num_rows for each in files)
    shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
    return "" if found == int(context["rows"]) else f"WROTE {found:,} ROWS"


def _is_parquet(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _out(context: Context, name: str) -> Path:
    return Path(context["folder"]) / f"{name}.parquet"


def _floor(context: Context) -> None:
    psql = shutil.which("psql") or "/usr/lib/postgresql/15/bin/psql"
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.execv(psql, [psql, "-q", context["url"], "-c", "COPY lineitem TO STDOUT (FORMAT binary)"])


def _ours(name: str, mode: str, *, hide: tuple[str, ...] = ()) -> Case:
    def run(context: Context) -> None:
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        from etl.source import postgres, reading

        if "extension" in hide:
            postgres.extension_path = lambda _: None
        every_day = {"column": "l_shipdate", "start": "1990-01-01T00:00Z", "end": "2030-01-01T00:00Z"}
        origin = {"query": "SELECT * FROM lineitem"} if name == "etl_query" else {"table": "lineitem"}
        window = every_day if name == "etl_window" else None
        request = reading.ExtractRequest.model_validate({**origin, "mode": mode, "window": window})
        reading.extract_to_parquet(context["url"], request, _out(context, name), footer={})

    titles = {
        "etl_fast": "etl, fast",
        "etl_exact": "etl, exact",
        "etl_window": "etl, exact, as one window",
        "etl_query": "etl, exact, as one statement",
        "etl_cursor": "etl, without any fast driver (cursor)",
    }
    return Case(name, titles[name], run, most_rows=1_000_000 if name == "etl_cursor" else 10**12)


def _bare_duckdb(context: Context) -> None:
    """The library that `etl, fast` is built on, with nothing around it: no types looked up, no NaN looked for."""
    import duckdb
    from duckdb_extension_postgres_scanner import __path__ as package

    extension = next(Path(package[0]).rglob("postgres_scanner.duckdb_extension"))
    with duckdb.connect(config={"threads": 2, "allow_unsigned_extensions": True}) as connection:
        connection.execute(f"LOAD '{extension}'")
        connection.execute(f"ATTACH '{context['url']}' AS source (TYPE postgres, READ_ONLY)")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(
            f"COPY source.public.lineitem TO '{_out(context, 'bare_duckdb')}' (FORMAT parquet, COMPRESSION zstd)"
        )


def _sqlalchemy_polars(context: Context) -> None:
    import polars as pl
    import sqlalchemy as sa

    engine = sa.create_engine(context["url"].replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        frame = pl.read_database("SELECT * FROM lineitem", connection)
    frame.write_parquet(_out(context, "peer_sqlalchemy_polars"), compression="zstd")


def _dlt(name: str, backend: str) -> Case:
    def run(context: Context) -> None:
        folder = _out(context, name)
        shutil.rmtree(folder, ignore_errors=True)
        os.environ["DLT_DATA_DIR"] = str(folder) + ".dlt"
        os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
        import dlt
        from dlt.sources.sql_database import sql_table

        url = context["url"].replace("postgresql://", "postgresql+psycopg2://")
        table = sql_table(credentials=url, table="lineitem", backend=backend, chunk_size=100_000)
        shutil.rmtree(str(folder) + ".dlt", ignore_errors=True)
        pipeline = dlt.pipeline(
            "bench", destination=dlt.destinations.filesystem(bucket_url=folder.as_uri()), dataset_name="d",
            pipelines_dir=str(folder) + ".dlt",
        )  # fmt: skip
        pipeline.run(table, loader_file_format="parquet", write_disposition="replace")
        shutil.rmtree(str(folder) + ".dlt", ignore_errors=True)

    most = 1_000_000 if backend == "sqlalchemy" else 10**12
    return Case(
        name, f"dlt, {'default' if backend == 'sqlalchemy' else backend} back end", run, peer=True, most_rows=most
    )


def _sling(context: Context) -> None:
    import subprocess

    import sling_linux_amd64  # the program in a wheel; the package `sling` downloads one, wherever it runs

    sling = Path(sling_linux_amd64.__path__[0]) / "bin" / "sling-linux-amd64"
    environ = {
        **os.environ, "SLING_DISABLE_TELEMETRY": "true", "SRC": context["url"] + "?sslmode=disable",
        "SLING_HOME_DIR": context["folder"], "NO_COLOR": "1",
    }  # fmt: skip
    out = _out(context, "peer_sling")
    command = [str(sling), "run", "--src-conn", "SRC", "--src-stream", "public.lineitem", "--tgt-object", out.as_uri()]
    done = subprocess.run(command, env=environ, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit((done.stdout + done.stderr).decode(errors="replace")[-1200:])


CASES = [
    Case("floor_copy", "floor: COPY TO STDOUT, binary, to nowhere", _floor, floor=True),
    _ours("etl_fast", "fast"),
    _ours("etl_exact", "exact"),
    _ours("etl_window", "exact"),
    _ours("etl_query", "exact"),
    _ours("etl_cursor", "exact", hide=("extension",)),
    Case("bare_duckdb", "bare DuckDB extension, nothing checked", _bare_duckdb),
    Case("peer_sqlalchemy_polars", "SQLAlchemy and Polars", _sqlalchemy_polars, most_rows=1_000_000),
    _dlt("peer_dlt_connectorx", "connectorx"),
    _dlt("peer_dlt_pyarrow", "pyarrow"),
    _dlt("peer_dlt_default", "sqlalchemy"),
    Case("peer_sling", "sling", _sling, peer=True),
]
