"""Two tenants whose texts, rows, errors and secrets are canaries, with a past in the event log and in the lake."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from dagster import DagsterInstance

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.lake.lake import PLACEHOLDER_FOOTER, ObjectRef, Provenance, open_lake
from etl.portal.gather import Gathering
from etl.promises.freshness import State
from etl.promises.judge import PromiseVerdict
from etl.promises.state_log import StateLog
from etl.settings import Settings
from etl.sla.config import AlertLevel
from etl.trial.trouble import TenantTrouble
from tests.running.promised_world import World, make_config, make_settings, publish

NOW = datetime(2026, 1, 10, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
HOSTILE = "\u202e<script>alert('x')</script> & \"quoted\" 이름 🙂 <img src=x onerror=alert(1)>"
SLA = {"freshness": {"deadline": "0 9 * * *", "timezone": "Asia/Seoul"}, "max_failure_rate": 0.4}


@dataclass
class Portal:
    """The world, and a look at it."""

    settings: Settings
    instance: DagsterInstance
    configs: dict[str, TenantConfig | EtlError]
    troubles: dict[str, EtlError] = field(default_factory=dict)
    """Of tenants that have a configuration all the same."""

    def gathering(self, now: datetime = NOW, **more: Any) -> Gathering:
        configs = {name: each if isinstance(each, TenantConfig) else None for name, each in self.configs.items()}
        errors = {name: each for name, each in self.configs.items() if isinstance(each, EtlError)} | self.troubles
        troubles = {name: TenantTrouble(name, each) for name, each in errors.items()}
        return Gathering(self.settings, self.instance, now, configs, troubles, **more)


def canary(tenant: str, what: str) -> str:
    return f"{tenant}canary{what}"


def config_of(tenant: str, **more: Any) -> TenantConfig:
    orders: Mapping[str, Any] = {
        "description": f"{canary(tenant, 'description')} {HOSTILE}",
        "date_column": "day",
        "partitions": {"start": "2026-01-01", "timezone": "Asia/Seoul"},
        "sla": SLA,
        "undated": "ignore",
        "volume": "off",
        "quality": {"rules": [{"column": canary(tenant, "column"), "type": "not_null", "description": HOSTILE}]},
    }
    text = f"{canary(tenant, 'about')} {HOSTILE}"
    return make_config(tenant, {"orders": orders}, name=f"{tenant} {HOSTILE}", description=text, **more)


def make_portal(folder: Path, tenants: tuple[str, ...] = ("alice", "bob")) -> Portal:
    """Eight of nine days are there; the run of the ninth failed with an error that holds a value."""
    instance, settings = DagsterInstance.ephemeral(), make_settings(folder)
    log = StateLog(settings.data_dir / "sla.sqlite")
    for tenant in tenants:
        world = World(instance, tenant)
        check = f"not_null__{canary(tenant, 'column')}"
        for number in range(1, 9):
            day, at = f"2026-01-{number:02}", datetime(2026, 1, number, 21, tzinfo=UTC)
            world.run("orders", at, at + HOUR / 6, partition=day, checks=[(check, True)], rows=1000 + number)
            publish(settings, tenant, "orders", day)
        if tenant == tenants[0]:
            error = f"invalid value '{canary(tenant, 'value')}' from db.{canary(tenant, 'host')}.internal"
            at = datetime(2026, 1, 9, 21, tzinfo=UTC)
            world.run("orders", at, at + HOUR / 6, partition="2026-01-09", error=error)
        else:
            at = datetime(2026, 1, 9, 21, tzinfo=UTC)
            world.run("orders", at, at + HOUR / 6, partition="2026-01-09", checks=[(check, True)])
            publish(settings, tenant, "orders", "2026-01-09")
        at = NOW - 3 * DAY
        while at < NOW:
            broken = tenant == tenants[0] and at.day == 8 and at.hour < 6
            state = State.BROKEN if broken else State.ON_TRACK
            log.record([PromiseVerdict(tenant, "orders", "deadline", state, "", AlertLevel.ERROR)], at)
            at += HOUR * 5 / 6
    return Portal(settings, instance, {each: config_of(each) for each in tenants})


def publish_rows(settings: Settings, tenant: str, pipeline: str, partition: str | None) -> None:
    """Publish an object of three rows, with its footer."""
    lake = open_lake(settings)
    ref = ObjectRef(tenant=tenant, stage="extract", pipeline=pipeline, partition=partition)
    with lake.draft(ref, "run") as draft:
        pl.DataFrame({"id": [1, 2, 3]}).write_parquet(draft, metadata=dict(PLACEHOLDER_FOOTER))
        said = Provenance(
            tenant=tenant, stage="extract", pipeline=pipeline, partition=partition, run_id="run", config_hash="", rows=3,
            audit="passed", rows_read=3, rows_quarantined=0, created_at=NOW,
        )  # fmt: skip
        lake.publish(ref, draft, said)


def make_shop(portal: Portal) -> None:
    """Add a tenant as the documentation shows it: seventy days of orders without one, and a table of customers."""
    world, log = World(portal.instance, "shop"), StateLog(portal.settings.data_dir / "sla.sqlite")
    world.words["in_range__amount"] = "in_range of `amount` (min 1)"
    first = NOW.date() - timedelta(days=70)
    checks = ["not_null__order_id", "unique__order_id", "in_range__amount"]
    for number in range(70):
        day = first + timedelta(days=number)
        at = datetime(day.year, day.month, day.day, 21, 40, tzinfo=UTC)
        if number == 52:
            continue
        rows = (640 if day.weekday() > 4 else 1150) + number * 37 % 130
        key = day.isoformat()
        world.run("orders", at, at + HOUR / 12, partition=key, rows=rows, checks=[(each, True) for each in checks])
        world.run("orders", at + HOUR / 12, at + HOUR / 6, partition=key, rows=rows, stages=("load",))
        publish(portal.settings, "shop", "orders", day.isoformat())
    at = NOW - HOUR * 3
    world.run("customers", at, at + HOUR / 20, rows=4210, checks=[("unique__customer_id", True)])
    publish_rows(portal.settings, "shop", "customers", None)
    at = NOW - 40 * DAY
    while at < NOW:
        back = (NOW - at).days
        states = {"deadline": State.BROKEN if back in (11, 17) and at.hour < 8 else State.ON_TRACK}
        states |= {"failure_rate": State.BROKEN if back == 25 else State.ON_TRACK, "min_row_count": State.ON_TRACK}
        log.record(
            [PromiseVerdict("shop", "orders", each, now, "", AlertLevel.ERROR) for each, now in states.items()], at
        )  # type: ignore[arg-type]
        at += HOUR * 5 / 6
    rules = [
        {"column": "order_id", "type": "not_null"},
        {"column": "order_id", "type": "unique"},
        {"column": "amount", "type": "in_range", "min": 1, "description": "An order costs something."},
    ]
    orders = {
        "description": "Orders of the web shop, by the day on which they were placed.",
        "date_column": "day",
        "partitions": {"start": first.isoformat(), "timezone": "Asia/Seoul"},
        "save_to_trino": True,
        "sla": {**SLA, "min_row_count": 100},
        "undated": "ignore",
        "volume": "off",
        "quality": {"rules": rules},
    }
    customers = {
        "description": "All customers, as they are now.",
        "volume": "off",
        "quality": {"rules": [{"column": "customer_id", "type": "unique"}]},
    }
    text = "Orders and customers of the web shop, every morning before the first meeting."
    portal.configs["shop"] = make_config(
        "shop", {"orders": orders, "customers": customers}, name="Web shop", description=text
    )
