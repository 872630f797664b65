"""Makes a tenant from a database, or adds tables of its database to a tenant.

Belongs here: the order of the steps, and whose variable may be named. Not here: proposing (`survey`), files
(`tenant_files`), showing (`etl.cli.new_from`).
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from etl.config.changed_file import behind_last_pipeline, check_text, read_config, write_config
from etl.config.config_loader import list_tenants, load_tenant
from etl.config.ownership import checked_url
from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.config.yaml_word import yaml_word
from etl.errors import ConfigError, EtlError
from etl.onboarding.limits import Limits
from etl.onboarding.survey import Existing, Progress, Survey, refuse_nothing, survey
from etl.onboarding.tenant_files import refuse_existing, write_tenant
from etl.onboarding.tenant_text import Identity, whole_file, with_pipelines
from etl.onboarding.zones import Zone, zone_of
from etl.partitions.zones import zone_names
from etl.platform import platform_of
from etl.secrets.namespace import refusal
from etl.secrets.ownership import may_name, prefix_of
from etl.settings import Settings
from etl.source.reading import home_schema, require_known
from etl.suggest import hint

_ID = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Asked:
    """What a person asked for."""

    patterns: Sequence[str] = ()
    """The tables: patterns such as `order*` or `sales.*`. None: all."""
    timezone: str | None = None
    limits: Limits = field(default_factory=Limits)


def make_from_database(
    settings: Settings, identity: Identity, asked: Asked, on_begin: Callable[[], None], on_progress: Progress
) -> tuple[Survey, TenantConfig]:
    """Make the folder of a new tenant from the database whose URL a variable holds. After an error nothing is left."""
    if not _ID.fullmatch(identity.tenant):
        raise EtlError(
            f"`{identity.tenant}` cannot be a tenant's id", "lowercase letters, digits and underscores, a letter first"
        )
    refuse_existing(settings, identity.tenant)
    url = _url_of(settings, identity.tenant, identity.variable)
    # What only the identity can make wrong, such as the group, is found before the database is read.
    check_text(settings, identity.tenant, _without_pipelines(identity))
    asked_zone = _known_zone(asked.timezone)
    on_begin()
    zone = zone_of(url, asked_zone)
    found = survey(url, asked.patterns, asked.limits, zone, on_progress=on_progress)
    refuse_nothing(found)
    text = whole_file(identity, found, asked.limits, datetime.now(UTC).date())
    config = check_text(settings, identity.tenant, text)
    write_tenant(settings, identity.tenant, text)
    return found, config


def add_from_database(
    settings: Settings, tenant: str, asked: Asked, on_begin: Callable[[], None], on_progress: Progress
) -> tuple[Survey, TenantConfig]:
    """Add tables of a tenant's own database to its file, which keeps every line and comment that it has."""
    config = load_tenant(tenant, settings)
    if config.source_database is None or config.uses_demo_source():
        missing = config.source_database.missing(config.namespace()) if config.source_database else ()
        what = f"{', '.join(missing)} is not set" if missing else f"tenant {tenant} names no `source_database`"
        raise ConfigError(f"{what}, so there is no database to read", "set it in `.env`, or write `source_database`")
    before = read_config(settings, tenant)
    behind_last_pipeline(before, lambda _: "", f"tenants/{tenant}/config.yaml")  # refused before the database is read
    url = checked_url(config.source_database.resolve_url(config.namespace()), tenant, settings, config.origin.platform)
    schema = config.source_database.schema_name
    asked_zone = _known_zone(asked.timezone)
    on_begin()
    zone = (None if asked_zone else _zone_in_use(config)) or zone_of(url, asked_zone)
    found = survey(
        url,
        asked.patterns,
        asked.limits,
        zone,
        existing=[_existing(each, schema, url) for each in config.assets.pipelines.values()],
        schema=schema,
        on_progress=on_progress,
    )
    if not found.proposals:
        if not found.covered:
            refuse_nothing(found)
        return found, config
    text = with_pipelines(before, found, f"tenants/{tenant}/config.yaml")
    config = check_text(settings, tenant, text)
    write_config(settings, tenant, before, text)
    return found, config


def _url_of(settings: Settings, tenant: str, variable: str) -> str:
    """Return the URL that the variable holds, if the tenant may name the variable and read the database."""
    example = f"{prefix_of(tenant)}DB_URL"
    if "://" in variable or not re.fullmatch(r"\w+", variable):
        raise EtlError(
            "`--from` takes the name of a variable, not a URL: a URL in a command can be read by others",
            f"write {example}=dialect://user:password@host/database into `.env`, and give `--from {example}`",
        )
    platform, tenants = platform_of(settings.project_dir, os.environ), list_tenants(settings)
    if not may_name(variable, tenant, tenants, platform.shared_variables):
        problem, remedy = refusal(variable, tenant, tenants)
        raise ConfigError(problem, f"{remedy}; for example {example}")
    url = os.environ.get(variable, "")
    if not url:
        own = [each for each in os.environ if each.startswith(prefix_of(tenant))]
        near = hint(variable, own, "variables") if own else ""
        raise ConfigError(
            f"the variable {variable} is not set",
            near or f"write {variable}=dialect://user:password@host/database into the file `.env` of the project",
        )
    require_known(url)
    return checked_url(url, tenant, settings, platform)


def _known_zone(name: str | None) -> str | None:
    if name is not None and name not in zone_names():
        raise EtlError(f"`{name}` is no time zone", hint(name, sorted(zone_names()), "time zones"))
    return name


def _zone_in_use(config: TenantConfig) -> Zone | None:
    """Return the zone of the tenant's partitions, or else of its schedules, if all of them have the same."""
    partitions = {each.partitions.timezone for each in config.assets.pipelines.values() if each.partitions}
    schedules = {each.schedule.timezone for each in config.jobs.values() if each.schedule}
    for zones, whose in ((partitions, "partitions"), (schedules, "schedules")):
        if len(zones) == 1:
            return Zone(zones.pop(), f"the zone of the tenant's other {whose}", is_guess=False)
    return None


def _existing(pipeline: PipelineConfig, schema: str | None, url: str) -> Existing:
    return Existing(
        name=pipeline.name,
        place=(pipeline.source_schema or schema or home_schema(url), pipeline.source_table or ""),
        columns=pipeline.columns or None,
        is_partitioned=pipeline.partitions is not None,
        personal=tuple(pipeline.pii_columns),
        refers_to=tuple(each.rule.to for each in pipeline.quality.rules if each.rule.type == "foreign_key"),
    )


def _without_pipelines(identity: Identity) -> str:
    return f"tenant:\n  id: {yaml_word(identity.tenant)}\n  group: {identity.group}\n"
