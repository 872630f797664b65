"""A small tenant with several pipelines, whose plan can be made, applied in this process, and compared with what happened."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from dagster import AssetKey, DagsterEventType, DagsterInstance

from etl.cli.plan import wanted_runs
from etl.config import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.definitions import definitions_of
from etl.pipeline.stage import lake_of
from etl.planning.applied_state import Applied, Begun, read_applied, read_begun, write_applied
from etl.planning.describe import describe
from etl.planning.description import Description
from etl.planning.plan import Surroundings, TenantPlan, make_plan
from etl.settings import load_settings
from tests.tiny_project import DAYS, TinyProject, make_project

NOW = datetime(2026, 2, 1, tzinfo=UTC)
SUMMARY = '''"""summary, of the orders."""

import polars as pl


def summary(orders: pl.LazyFrame) -> pl.LazyFrame:
    """The amount of a day."""
    return orders.select(pl.len().alias("orders"), pl.col("amount").sum())
'''
DAILY = {"start": DAYS[0], "end": DAYS[-1], "timezone": "Asia/Seoul"}
QUIET = {"volume": "off", "undated": "ignore"}
TENANT: dict[str, Any] = {
    "source_database": {"host": "${ACME_DB_HOST}", "password": "${ACME_DB_PASSWORD}"},
    "notifications": [{"type": "log"}, {"type": "slack", "url": "${ACME_SLACK_URL}", "on": ["failure"]}],
    "assets": {
        "pipelines": {
            "orders": {
                **QUIET,
                "owners": ["team:orders"],
                "sla": {"min_row_count": 1, "freshness": {"max_age_hours": 26}},
                "quality": {
                    "rules": [
                        {"column": "order_id", "type": "not_null"},
                        {"column": "order_id", "type": "unique"},
                        {"column": "amount", "type": "in_range", "min": 0},
                    ]
                },
            },
            "summary": {
                **QUIET,
                "source_table": "orders",
                "date_column": "created_at",
                "partitions": DAILY,
                "has_transfer": True,
                "transfer_inputs": ["orders"],
            },
            "names": {
                **QUIET,
                "source_table": "orders",
                "columns": ["order_id", "name"],
                "save_to_trino": True,
                "trino_output": {"target_schema": "shop", "mode": "append"},
            },
        }
    },
}


class World:
    """The project, and the ways to look at it."""

    def __init__(self, project: TinyProject) -> None:
        self.project = project

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """Let this process look at the project."""
        for name, value in self.project.environ.items():
            patch.setenv(name, value)

    @property
    def config(self) -> TenantConfig:
        return load_tenant("acme", load_settings())

    def described(self) -> Description:
        return describe(self.config, definitions_of(self.config), load_settings())

    @contextmanager
    def instance(self) -> Iterator[DagsterInstance]:
        with DagsterInstance.from_config(str(self.project.data / "dagster")) as opened:
            yield opened

    def plan(self, **more: Any) -> TenantPlan:
        config, new = self.config, self.described()
        applied, begun = self.applied()
        with self.instance() as instance:
            around = Surroundings(config, load_settings(), instance, NOW, **more)
            old = applied.description if applied else None
            return make_plan(around, old, new, "what was applied", is_first=applied is None, begun=begun)

    def applied(self) -> tuple[Applied | None, Begun | None]:
        with lake_of(self.config, load_settings()) as lake:
            return read_applied("acme", lake), read_begun("acme", lake)

    def record(self) -> None:
        config = self.config
        with lake_of(config, load_settings()) as lake:
            write_applied(config, lake, self.described(), "test")

    def run(
        self, pipeline: str, stages: tuple[str, ...], first: str | None, last: str | None, *, reload: bool = False
    ) -> Any:
        """Make these stages of a pipeline by a real run of Dagster, in this process."""
        return self._run({pipeline: stages}, first, last, reload=reload)

    def _run(
        self, wanted: Mapping[str, tuple[str, ...]], first: str | None, last: str | None, *, reload: bool = False
    ) -> Any:
        tags = {"etl/reload": "true"} if reload else {}
        if first is not None and last is not None:
            ends = ("start", "end")
            tags |= {f"dagster/asset_partition_range_{end}": key for end, key in zip(ends, (first, last), strict=True)}
        job = definitions_of(self.config).resolve_implicit_global_asset_job_def()
        known = job.asset_layer.selected_asset_keys
        keys = [AssetKey(["acme", stage, name]) for name, stages in wanted.items() for stage in stages]
        rejected = [AssetKey(["acme", "quarantine", name]) for name, stages in wanted.items() if "transfer" in stages]
        keys += [each for each in rejected if each in known]
        with self.instance() as instance:
            return job.execute_in_process(instance=instance, asset_selection=keys, tags=tags, raise_on_error=False)

    def run_everything(self) -> None:
        """Every partition of every pipeline, those with the same partitions in one run."""
        together: dict[tuple[Any, ...], dict[str, tuple[str, ...]]] = {}
        for name, each in self.config.pipelines.items():
            keys = each.scheme.keys(NOW)
            together.setdefault((keys[0], keys[-1]), {})[name] = each.stages
        for (first, last), wanted in sorted(together.items(), key=lambda each: "summary" in each[1]):
            self._run(wanted, first, last)

    def apply(self, plan: TenantPlan) -> list[Any]:
        """What `etl plan --apply` runs, in this process."""
        return [
            self.run(each.pipeline, each.stages, wanted.first, wanted.last, reload=each.reload)
            for each, wanted in wanted_runs(plan)
        ]

    def objects(self) -> dict[str, str]:
        """The version of each object that readers see, without the applied state."""
        found = {}
        for path in self.project.published():
            key = path.relative_to(self.project.data / "lake").as_posix()
            if "/plan/" not in key:
                found[key] = json.loads(pq.read_metadata(path).metadata[b"etl"])["version"]
        return found

    def table(self, name: str) -> list[tuple[Any, ...]]:
        with closing(duckdb.connect(str(self.project.data / "warehouse" / "acme.duckdb"), read_only=True)) as db:
            return sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=str)

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        with closing(duckdb.connect(str(self.project.data / "warehouse" / "acme.duckdb"), read_only=True)) as db:
            names = db.execute(
                "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_schema NOT LIKE 'etl%'"
            ).fetchall()
        return {name: self.table(name) for (name,) in names}

    def edit(self, changes: Mapping[str, Any]) -> None:
        """The tenant with `changes` laid over it."""
        self.project.write_tenant(merged(TENANT, changes))


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """As `laid_over`, but a None stays, because it is laid over the tiny project's own tenant afterwards."""
    found = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], value) if both else value
    return found


def make_world(root: Path) -> World:
    project = make_project(root, TENANT)
    project.write_transform(SUMMARY, "summary")
    return World(project)


@contextmanager
def prepared(root: Path) -> Iterator[World]:
    """The small tenant in a folder, which the block may run; then everything is recorded as applied."""
    world = make_world(root)
    with pytest.MonkeyPatch.context() as patch:
        world.use(patch)
        yield world
        world.record()


def copied(source: Path, root: Path, patch: pytest.MonkeyPatch) -> World:
    """A copy of such a folder, with this process looking at it."""
    shutil.copytree(source, root)
    world = World(TinyProject(root / "project", root / "data"))
    world.use(patch)
    return world


def made(result: Any) -> set[tuple[str, str | None, int]]:
    """What a run has made of the lake and of tables: asset, partition, rows."""
    found = set()
    for event in result.all_events:
        if event.event_type == DagsterEventType.ASSET_MATERIALIZATION:
            one = event.step_materialization_data.materialization
            names = ("dagster/partition_row_count", "dagster/row_count")
            rows = next(one.metadata[name].value for name in names if name in one.metadata)
            found.add((one.asset_key.to_user_string(), one.partition, rows))
    return found


def failed_rows(result: Any) -> dict[str, int]:
    """By check and partition, how many rows the check named as bad."""
    found = {}
    for event in result.all_events:
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            one = event.asset_check_evaluation_data
            key = f"{one.asset_key.to_user_string()}:{one.check_name} {one.partition}"
            found[key] = one.metadata["failed"].value if "failed" in one.metadata else -1
    return found


def steady(text: str) -> str:
    """A plan's text without what is another on each machine."""
    return re.sub(r"about [\d.]+ (s|min|h) ", "about N s ", text)
