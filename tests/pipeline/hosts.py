"""Two hosts at work on one bucket: each with a data folder and rules of its own, and a reader that trusts nobody."""

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from etl.config import load_tenant
from etl.errors import EtlError
from etl.pipeline.extract import extract
from etl.pipeline.stage import StageRun
from etl.settings import load_settings
from tests.servers.object_store import ObjectStore
from tests.tiny_project import DAYS, ROWS_PER_DAY, TinyProject, make_project

DAY = DAYS[0]
BASE = "lake"


@dataclass(frozen=True)
class Host:
    """A project with a data folder of its own; everything in it can be handed to another process."""

    project: TinyProject
    more_environ: Mapping[str, str]

    def judge_by(self, limit: float | None) -> None:
        """Reject amounts above the limit; None: no rule, so that everything is published."""
        rules = [] if limit is None else [{"column": "amount", "type": "in_range", "max": limit}]
        changes = {"has_transfer": False, "quality": {"on_failure": "quarantine", "rules": rules}}
        storage = {"bucket": self.more_environ["ACME_TEST_BUCKET"], "base_path": BASE}
        self.project.write_tenant({"storage": storage, "assets": {"pipelines": {"orders": changes}}})

    def extract(self, run_id: str) -> str:
        """Extract the day; gives what was refused, or nothing."""
        settings = load_settings({**self.project.environ, **self.more_environ})
        config = load_tenant("acme", settings)
        pipeline = config.pipelines["orders"]
        run = StageRun(config=config, pipeline=pipeline, partition=DAY, run_id=run_id, settings=settings)
        try:
            extract(run, f"sqlite:///{self.project.source}")
        except EtlError as error:
            return error.problem
        finally:
            run.close()
        return ""


def make_host(folder: Path, store: ObjectStore, bucket: str) -> Host:
    return Host(make_project(folder), {**store.environ, "ACME_TEST_BUCKET": bucket})


def extract_in_process(host: Host, run_id: str, fault: str) -> None:
    """The target of a process that may be told to die or to hang at a point."""
    os.environ.update({**host.project.environ, **host.more_environ})
    if fault:
        os.environ["ETL_FAULT"] = fault
    host.extract(run_id)


def seen(store: ObjectStore, bucket: str) -> tuple[int, int, str] | None:
    """Good and rejected rows and their run, as a reader goes from one to the other; a mixture is an error."""
    client = store.client()
    while True:
        good = _get(client, bucket, f"{BASE}/acme/extract/orders/dt={DAY}/data.parquet")
        if good is None:
            return None
        said, rows = good
        if said["rejected"] is None:
            assert rows.height == said["rows_read"] == ROWS_PER_DAY
            return rows.height, 0, said["run_id"]
        place = f"{BASE}/acme/extract_quarantine/orders/dt={DAY}/{said['rejected']['name']}.parquet"
        rejected = _get(client, bucket, place)
        if rejected is None:
            again = _get(client, bucket, f"{BASE}/acme/extract/orders/dt={DAY}/data.parquet")
            assert again is not None
            assert again[0] != said, "the published object names rejected rows that are not there"
            continue
        assert rejected[0]["version"] == said["rejected"]["version"]
        assert rejected[0]["run_id"] == said["run_id"]
        assert rejected[1]["_run_id"].unique().to_list() == [said["run_id"]]
        both = pl.concat([rows["order_id"], rejected[1]["order_id"]])
        assert both.n_unique() == both.len() == said["rows_read"] == ROWS_PER_DAY
        return rows.height, rejected[1].height, said["run_id"]


def _get(client: Any, bucket: str, key: str) -> tuple[dict[str, Any], pl.DataFrame] | None:
    try:
        content = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except client.exceptions.NoSuchKey:
        return None
    said: dict[str, Any] = json.loads(pq.read_metadata(io.BytesIO(content)).metadata[b"etl"])
    return said, pl.read_parquet(io.BytesIO(content))


def orphans(store: ObjectStore, bucket: str) -> int:
    """Rejected objects beside the one that may be named."""
    return max(0, sum("_quarantine/" in each for each in store.keys(bucket)) - 1)
