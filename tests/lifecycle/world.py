"""Two tenants whose ids begin alike, with rows, rejected rows, tables, runs, state, messages and variables of both."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, DagsterRun

from etl.config.config_loader import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.definitions import definitions_of
from etl.last_good import keep
from etl.notify.outbox import Outbox
from etl.pipeline.quarantine import discard, rejected_rows
from etl.portal.build import build_pages
from etl.portal.gather import Gathering
from etl.promises.state_log import StateLog
from etl.settings import Settings, load_settings
from tests.tiny_project import DAYS, TinyProject, make_project

TENANTS = ("acme", "acme_eu")
ROWS = 8
PERSON = "4711003"
"""The person is in each day of each tenant: a good row, and on the last day a rejected row too."""


def canary(tenant: str) -> str:
    """A text that stands in every row of a tenant."""
    return f"CANARY{tenant.replace('_', '').upper()}X"


def pipelines(tenant: str, **output: Any) -> dict[str, Any]:
    table = {"target_table": f"{tenant}_orders", "target_schema": "shop", **output}
    quality = {
        "engine": "polars",
        "on_failure": "quarantine",
        "rules": [{"column": "amount", "type": "in_range", "max": 100}],
    }
    return {"orders": {"trino_output": table, "quality": quality}}


@dataclass(frozen=True)
class World:
    """A project of both tenants, in the environment of this process."""

    project: TinyProject

    @property
    def settings(self) -> Settings:
        return load_settings()

    def config(self, tenant: str) -> TenantConfig:
        return load_tenant(tenant, self.settings)

    @property
    def folders(self) -> tuple[Path, Path]:
        return self.project.root, self.project.data

    @contextmanager
    def instance(self) -> Iterator[DagsterInstance]:
        with DagsterInstance.get() as instance:
            yield instance

    def run(self, tenant: str, *, stages: tuple[str, ...] = (), job: str = "all") -> Any:
        """A run of Dagster in this process: all days, of all stages or some."""
        tags = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}
        found = definitions_of(self.config(tenant)).resolve_job_def(f"{tenant}_{job}")
        keys = [key for key in found.asset_layer.selected_asset_keys if not stages or key.path[1] in stages]
        with self.instance() as instance:
            return found.execute_in_process(instance=instance, asset_selection=keys, tags=tags, raise_on_error=False)

    def runs(self, tenant: str) -> list[DagsterRun]:
        with self.instance() as instance:
            return [each for each in instance.get_runs() if each.tags.get("tenant") == tenant]


def make_source(path: Path, tenant: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE orders (order_id INTEGER, name TEXT, person TEXT, amount REAL, created_at TIMESTAMP)")
        for day, date in enumerate(DAYS, start=1):
            for row in range(ROWS):
                bad = row == ROWS - 1 or (row == 3 and day == len(DAYS))
                values = (
                    day * 100 + row,
                    f"{canary(tenant)}{row}",
                    f"471100{row}",
                    999.0 if bad else row,
                    f"{date} 0{row}:00:00",
                )
                db.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", values)
            db.execute(
                "INSERT INTO orders VALUES (?, ?, ?, ?, ?)",
                (day * 100 + 50, f"{canary(tenant)}3", PERSON, 1.0, f"{date} 12:00:00"),
            )


def make_world(root: Path, **changes: Any) -> World:
    """The project with everything in it. The environment must name it."""
    project = make_project(root)
    for tenant in TENANTS:
        about = {"description": f"Data of {canary(tenant)}", "assets": {"pipelines": pipelines(tenant)}}
        project.write_tenant({**about, **changes}, tenant=tenant)
        source = project.data / "demo" / f"{tenant}.sqlite"
        source.unlink(missing_ok=True)
        make_source(source, tenant)
    entries = "".join(
        f"  - python_module:\n      module_name: tenants.{tenant}.definitions\n      attribute: defs\n"
        f"      location_name: {tenant}\n      working_directory: .\n"
        for tenant in TENANTS
    )
    (project.root / "workspace.yaml").write_text(f"load_from:\n{entries}")
    (project.root / ".env").write_text(
        "".join(f"{tenant.upper()}_DB_PASSWORD={canary(tenant)}password\n" for tenant in TENANTS) + "SHARED=1\n"
    )
    return World(project)


def fill(world: World) -> None:
    """Runs, and what sensors and people leave behind."""
    for tenant in TENANTS:
        done = world.run(tenant)
        assert done.success, [each.message for each in done.all_events if each.is_failure]
    rejected = list(rejected_rows(world.config("acme"), world.settings))
    discard(world.config("acme"), world.settings, rejected[0], f"{canary('acme')} why")
    for tenant in TENANTS:
        keep(tenant, world.settings)
    with world.instance() as instance:
        configs = {tenant: world.config(tenant) for tenant in TENANTS}
        gathering = Gathering(world.settings, instance, datetime.now(UTC), {**configs})
        built = build_pages(gathering, world.project.data / "portal")
    assert sorted(built.pages) == sorted(TENANTS), built
    _leave_behind(world)


def _leave_behind(world: World) -> None:
    data = world.settings.data_dir
    Outbox(data / "notify.sqlite")
    StateLog(data / "sla.sqlite")
    with closing(sqlite3.connect(data / "notify.sqlite")) as db, db:
        for tenant in TENANTS:
            row = db.execute(
                "INSERT INTO incidents (scope, key, covers, body, opened_at) VALUES (?, ?, '[]', ?, ?)",
                (tenant, f"{tenant}:orders", f"{canary(tenant)} is late", datetime.now(UTC).isoformat()),
            )
            db.execute(
                "INSERT INTO messages (incident, scope, target, transition, body) VALUES (?, ?, 'ops', 'broken', ?)",
                (row.lastrowid, tenant, f"{canary(tenant)} is late"),
            )
    with closing(sqlite3.connect(data / "sla.sqlite")) as db, db:
        for tenant in TENANTS:
            db.execute(
                "INSERT INTO states (tenant, pipeline, promise, state, begin, seen) VALUES (?, 'orders', ?, 'ok', 1, 2)",
                (tenant, canary(tenant)),
            )
    for tenant in TENANTS:
        draft = data / "staging" / tenant / "extract" / "orders" / "dead.1.abcd"
        draft.mkdir(parents=True)
        (draft / "alive.lock").touch()
        (draft / "data.parquet").write_bytes(f"half a file {canary(tenant)}".encode())
    log = data / "dagster" / "storage"
    for tenant in TENANTS:
        for run in world.runs(tenant):
            (log / run.run_id / "compute_logs").mkdir(parents=True, exist_ok=True)
            (log / run.run_id / "compute_logs" / "x.out").write_text(f"printed {canary(tenant)}")
