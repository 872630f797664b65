"""`etl check --connect`: connects to what a tenant's configuration names, and says what works.

Belongs here: which places a tenant uses, trying each of them, the table. Not here: whether the configuration can work
(`check`), what a place needs (`etl.source`, `etl.lake`, `etl.warehouse`), comparing rows (`verify`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from rich.table import Table

from etl.config.tenant_config import TenantConfig
from etl.conventions.registry import finding
from etl.conventions.rule import CheckFinding
from etl.errors import EtlError, SourceError
from etl.lake.lake import open_lake
from etl.pipeline.extract import extract_request
from etl.pipeline.stage import StageRun, lake_place
from etl.resources.rdb import rdb_resource
from etl.resources.warehouse import warehouse_of_tenant
from etl.settings import Settings
from etl.source.reading import planned_schema


class Tried(NamedTuple):
    """One place of a tenant that was tried."""

    tenant: str
    place: str
    answer: str
    error: EtlError | None = None

    def findings(self) -> Iterator[CheckFinding]:
        """Yield what is wrong with the place."""
        if self.error is not None:
            yield finding("place-not-usable", self.error.problem, self.error.hint, subject=self.place)


def try_out(config: TenantConfig, settings: Settings) -> Iterator[Tried]:
    """Connect to the source, the lake and the warehouse of a tenant, as far as its pipelines use them."""
    pipelines = config.pipelines.values()
    if not config.enabled or not pipelines:
        return
    yield _tried(config, "source", lambda: _source(config, settings))
    yield _tried(config, "lake", lambda: _lake(config, settings))
    if any(each.save_to_trino for each in pipelines) or config.dbt.enabled:
        yield _tried(config, "warehouse", lambda: warehouse_of_tenant(config).open(config).try_out())


def shown(found: Sequence[Tried]) -> Table:
    """Return the table of what was tried."""
    table = Table("tenant", "place", "connected", "answer")
    for each in found:
        table.add_row(each.tenant, each.place, "[red]no[/]" if each.error else "[green]yes[/]", each.answer)
    return table


def _tried(config: TenantConfig, place: str, connect: Callable[[], str]) -> Tried:
    try:
        return Tried(config.id, place, connect())
    except EtlError as error:
        return Tried(config.id, place, "", EtlError(f"{config.id}: {place}: {error.problem}", error.hint))


def _source(config: TenantConfig, settings: Settings) -> str:
    """Ask for the columns of each pipeline. The demo source is made by the first run that needs it."""
    demo = settings.demo_dir / f"{config.id}.sqlite"
    if config.uses_demo_source() and not demo.exists():
        return "the demo source, which the first run makes"
    url = rdb_resource(config, str(demo)).url(config)
    for pipeline in config.pipelines.values():
        key = pipeline.scheme.first  # any key: a query may need a window
        run = StageRun(config=config, pipeline=pipeline, partition=key, run_id="check", settings=settings)
        try:
            planned_schema(url, extract_request(run))
        except SourceError as error:
            raise SourceError(f"pipeline `{pipeline.name}`: {error.problem}", error.hint) from error
    return f"{len(config.pipelines)} pipelines can be read"


def _lake(config: TenantConfig, settings: Settings) -> str:
    place = lake_place(config)
    places = {each.save_to_s3 and bool(place.bucket) for each in config.pipelines.values()}
    answers = []
    for in_bucket in sorted(places):
        with closing(open_lake(settings, place if in_bucket else None)) as lake:
            answers.append(lake.try_out(config.id))
    return ", ".join(answers)
