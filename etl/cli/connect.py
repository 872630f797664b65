"""`etl check --connect`: connects to what a tenant's configuration names, and says what works.

Belongs here: which places a tenant uses, trying each of them and its clock, the table. Not here: whether the
configuration can work (`check`), what a place needs (`etl.source`, `etl.lake`, `etl.warehouse`), comparing rows
(`verify`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

from rich.markup import escape
from rich.table import Table

from etl.config.tenant_config import TenantConfig
from etl.conventions.registry import finding
from etl.conventions.rule import CheckFinding
from etl.conventions.variables import texts_of_config
from etl.errors import EtlError, SourceError
from etl.lake.lake import open_lake
from etl.notify.reaching import try_target
from etl.notify.targets import NotificationConfig
from etl.pipeline.extract import extract_request
from etl.pipeline.named_columns import require_named
from etl.pipeline.stage import StageRun, lake_place
from etl.plural import counted
from etl.resources.rdb import rdb_resource
from etl.resources.warehouse import warehouse_of_tenant
from etl.secrets.template import interpolate, secrets_of
from etl.settings import Settings
from etl.source.rights import source_clock, try_to_read
from etl.warehouse.contract import Answer

CLOCKS_DIFFER = 5.0
"""From this many seconds on, the difference between two clocks is told."""


class Tried(NamedTuple):
    """One place of a tenant that was tried."""

    tenant: str
    place: str
    answer: str
    error: EtlError | None = None
    seconds_ahead: float | None = None
    """By how much the place's clock is ahead of this machine's, if it has one."""

    def findings(self) -> Iterator[CheckFinding]:
        """Yield what is wrong with the place."""
        if self.error is not None:
            yield finding("place-not-usable", self.error.problem, self.error.hint, subject=self.place)
        if self.clock_differs():
            ahead = self.seconds_ahead or 0.0
            problem = (
                f"the clock of the {self.place} is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
            )
            yield finding("clock-differs", problem, subject=self.place)

    def clock_differs(self) -> bool:
        """Whether the clocks differ by so much that rows can fall into a wrong partition."""
        return self.seconds_ahead is not None and abs(self.seconds_ahead) >= CLOCKS_DIFFER


def try_out(config: TenantConfig, settings: Settings) -> Iterator[Tried]:
    """Connect to what a tenant names, as far as its pipelines use it. No message is sent."""
    pipelines = config.pipelines.values()
    if not config.enabled or not pipelines:
        return
    if secrets := _secrets_of(config):
        yield _tried(config, "secrets", lambda: _secrets(config, secrets))
    yield _tried(config, "source", lambda: _source(config, settings))
    yield _tried(config, "lake", lambda: Answer(_lake(config, settings)))
    if any(each.save_to_trino for each in pipelines) or config.dbt.enabled:
        schemas = sorted(
            {each.trino_output.target_schema for each in pipelines if each.save_to_trino and each.trino_output}
        )
        yield _tried(config, "warehouse", lambda: warehouse_of_tenant(config).open(config).try_out(schemas))
    for number, target in enumerate(config.notifications, start=1):
        yield _tried(config, f"{target.type} {number}", partial(_target, config, target))


def shown(found: Sequence[Tried]) -> Table:
    """Return the table of what was tried."""
    table = Table("tenant", "place", "connected", "clock", "answer")
    for each in found:
        clock = "" if each.seconds_ahead is None else f"{each.seconds_ahead:+.1f} s"
        clock = f"[yellow]{clock}[/]" if each.clock_differs() else clock
        table.add_row(
            each.tenant, each.place, "[red]no[/]" if each.error else "[green]yes[/]", clock, escape(each.answer)
        )
    return table


def _tried(config: TenantConfig, place: str, connect: Callable[[], Answer]) -> Tried:
    try:
        answer = connect()
    except EtlError as error:
        return Tried(config.id, place, "", EtlError(f"{config.id}: {place}: {error.problem}", error.hint))
    return Tried(config.id, place, answer.words, None, answer.seconds_ahead)


def _source(config: TenantConfig, settings: Settings) -> Answer:
    """Run the statement of each pipeline with a condition that no row fulfils."""
    demo = settings.demo_dir / f"{config.id}.sqlite"
    url = rdb_resource(config, str(demo)).url(config)
    if config.uses_demo_source() and not demo.exists():
        return Answer("the demo source, which the first run makes")
    for pipeline in config.pipelines.values():
        key = pipeline.scheme.first  # any key: a query may need a window
        run = StageRun(config=config, pipeline=pipeline, partition=key, run_id="check", settings=settings)
        try:
            columns = try_to_read(url, extract_request(run))
            if pipeline.published_stage == "extract":  # what a transform makes is not known before it runs
                require_named(pipeline, columns)
        except EtlError as error:
            raise SourceError(f"pipeline `{pipeline.name}`: {error.problem}", error.hint) from error
    return Answer(f"{counted(len(config.pipelines), 'pipeline')} can be read", source_clock(url))


def _secrets_of(config: TenantConfig) -> list[str]:
    return sorted({secret for text, _ in texts_of_config(config) for secret in secrets_of(text)})


def _secrets(config: TenantConfig, references: Sequence[str]) -> Answer:
    """Look up every secret. No value is shown."""
    namespace = config.namespace()
    for each in references:
        namespace[each]
    return Answer(f"{len(references)} can be read")


def _target(config: TenantConfig, target: NotificationConfig) -> Answer:
    values = config.namespace()
    return Answer(try_target(target, lambda template: interpolate(template, values)))


def _lake(config: TenantConfig, settings: Settings) -> str:
    place = lake_place(config)
    places = {each.save_to_s3 and bool(place.bucket) for each in config.pipelines.values()}
    answers = []
    for in_bucket in sorted(places):
        with closing(open_lake(settings, place if in_bucket else None)) as lake:
            answers.append(lake.try_out(config.id))
    return ", ".join(answers)
