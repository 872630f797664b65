"""A Trino with tables of Iceberg on this machine: `make trino` serves one, `make demo-trino` runs a demo tenant on one.

All servers listen on loopback only, and everything that they hold is gone when they stop. While `make trino` runs, the
file `.data/trino/env` has the variables by which any tenant of this project finds it.
"""

import contextlib
import dataclasses
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from _pytest.outcomes import OutcomeException

from tests.e2e.on_trino import Project, make_project
from tests.servers import postgres, seaweed, trino
from tests.servers.trino import Catalog, TrinoServer

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / ".data" / "trino"
CATALOG = "iceberg"
ETL = Path(sys.executable).parent / "etl"
SHOWN = 5
_PYICEBERG = str.maketrans({".": "__", "-": "_"})


@contextlib.contextmanager
def serving() -> Iterator[tuple[TrinoServer, Catalog]]:
    """Start the object store, the catalog's database and Trino, and make the catalog."""
    began = time.monotonic()
    print("starting PostgreSQL, SeaweedFS and Trino; the first time, they are fetched (about 650 MB)", flush=True)
    with postgres.serving() as database, seaweed.serving() as store, trino.serving(database, store) as server:
        catalog = server.make_catalog(CATALOG)
        print(f"started in {time.monotonic() - began:.0f} s", flush=True)
        yield server, catalog


def serve() -> None:
    """Serve until Ctrl-C, and say where."""
    ends = {signal.SIGINT, signal.SIGTERM}
    with serving() as (server, catalog):
        signal.pthread_sigmask(
            signal.SIG_BLOCK, ends
        )  # a signal ends the wait below, and this process ends the servers
        FOLDER.mkdir(parents=True, exist_ok=True)
        said = {"port": server.port, "pid": server.pid, "postgres": server.postgres.port}
        described, variables = FOLDER / "server.json", FOLDER / "env"
        for path, text in (
            (described, json.dumps({**said, "store": dataclasses.asdict(server.store)})),
            (variables, "".join(f"{name}={shlex.quote(value)}\n" for name, value in environ(server, catalog).items())),
        ):
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
        try:
            print(
                f"\n  Trino           http://127.0.0.1:{server.port}/ui (any user), catalog {CATALOG}\n"
                f"  object store    {catalog.store.endpoint}, the tables are below {catalog.warehouse}\n"
                f"  catalog         PostgreSQL on 127.0.0.1:{server.postgres.port}, database {CATALOG}\n\n"
                f"With `set -a; . {variables.relative_to(PROJECT)}; set +a`, a tenant with `warehouse: {{type: trino}}`"
                " uses it.\n`make demo-trino` in another terminal runs a demo tenant on it."
                " Ctrl-C stops it; its tables are gone then.",
                flush=True,
            )
            signal.sigwait(ends)
        finally:
            described.unlink(missing_ok=True)
            variables.unlink(missing_ok=True)


def environ(server: TrinoServer, catalog: Catalog) -> dict[str, str]:
    """Return the variables by which the product, dbt and PyIceberg find the server and the catalog."""
    found = {"TRINO_HOST": "127.0.0.1", "TRINO_PORT": str(server.port), "TRINO_CATALOG": catalog.name}
    prefix = f"PYICEBERG_CATALOG__{catalog.name.upper()}__"
    return found | {prefix + name.translate(_PYICEBERG).upper(): value for name, value in catalog.properties.items()}


def demo(tenant: str) -> None:
    """Run a demo tenant on the Trino of `make trino`, or on one of its own."""
    with running() or serving() as (server, catalog):
        shutil.rmtree(FOLDER / "demo", ignore_errors=True)
        project = make_project(FOLDER / "demo", [tenant], server=server, catalog=catalog)
        _etl(project, "demo", "--tenant", tenant)
        _etl(project, "verify", tenant)
        show(server, catalog)
        place = project.root.relative_to(PROJECT) / "tenants" / tenant / "config.yaml"
        print(f"\nthe tenant's file, as it runs on Trino: {place}")


def running() -> contextlib.AbstractContextManager[tuple[TrinoServer, Catalog]] | None:
    """Return the server of `make trino`, if one is there, with a catalog of this demo's own."""
    path = FOLDER / "server.json"
    if not path.is_file():
        return None
    server = trino.described(json.loads(path.read_text(encoding="utf-8")))
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/v1/info", timeout=5):
            print(f"using the Trino of `make trino` on port {server.port}", flush=True)
    except OSError:
        return None
    return contextlib.nullcontext((server, server.make_catalog(f"demo_{int(time.time())}")))


def show(server: TrinoServer, catalog: Catalog) -> None:
    """Print what Trino shows: each table with its rows, and the first rows of one of them."""
    own = ("information_schema", "system")
    found = server.rows(
        f"SELECT table_schema, table_name, table_type FROM {catalog.name}.information_schema.tables"
        f" WHERE table_schema NOT IN {own} AND table_schema NOT LIKE 'etl@_%' ESCAPE '@' ORDER BY 1, 2"
    )
    print("\nWhat Trino shows:")
    for schema, table, kind in found:
        ((rows,),) = server.rows(f'SELECT count(*) FROM {catalog.name}."{schema}"."{table}"')
        print(f"  {f'{catalog.name}.{schema}.{table}':<55}{rows:>10,} rows{'  (view)' if kind == 'VIEW' else ''}")
    schema, table, _ = next((each for each in found if each[0].startswith("dbt_") and each[2] != "VIEW"), found[0])
    place = f'{catalog.name}."{schema}"."{table}"'
    print(f"\nSELECT * FROM {catalog.name}.{schema}.{table} LIMIT {SHOWN}:")
    for row in server.rows(f"SELECT * FROM {place} ORDER BY 1, 2 LIMIT {SHOWN}"):
        print("  " + ", ".join(map(str, row)))


def _etl(project: Project, *arguments: str) -> None:
    path = f"{ETL.parent}{os.pathsep}{os.environ['PATH']}"
    said = {**os.environ, **project.environ, "PATH": path}
    done = subprocess.run([ETL, *arguments], cwd=project.root, env=said, check=False)
    if done.returncode:
        sys.exit(f"`etl {' '.join(arguments)}` ended with {done.returncode}")


def main() -> None:
    """Do what the first argument says."""
    try:
        serve() if sys.argv[1:] == ["serve"] else demo(sys.argv[2])
    except OutcomeException as missing:
        sys.exit(str(missing))
    except KeyboardInterrupt:
        sys.exit("stopped")


if __name__ == "__main__":
    main()
