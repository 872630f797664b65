"""`etl check`: checks every tenant's configuration and code, and whether the built definitions keep the conventions.

Belongs here: the command, which locations are checked, and comparing tenants with each other. Not here: checking one
location (`checking`), connecting (`connect`), the text (`check_text`), the rules (`etl.conventions`).
"""

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape

from etl.cli.asked import asked_tenants
from etl.cli.check_text import CheckText, rules_table, show_rule
from etl.cli.checking import Checking, findings_of_error
from etl.cli.connect import Tried, shown, try_out
from etl.cli.locations import gone, unserved
from etl.cli.tables import print_table
from etl.config.config_loader import list_tenants, load_tenant, tenants_listed_once
from etl.config.shared_jobs import shared_job_names
from etl.config.shared_prefixes import shared_prefixes
from etl.config.shared_tables import shared_tables
from etl.config.tenant_config import TenantConfig
from etl.conventions.location import JudgedLocation
from etl.conventions.registry import finding, rule_named
from etl.conventions.reports.github import github_report
from etl.conventions.reports.junit import junit_report
from etl.conventions.reports.report import CheckReport, json_report
from etl.conventions.reports.sarif import sarif_report
from etl.dbt.ownership import dbt_place, shared_dbt_schemas
from etl.errors import ConfigError, EtlError, NothingExamined
from etl.platform import platform_of
from etl.project import find_project
from etl.quality.whole_file import write_whole
from etl.quotas.quotas_file import mistakes_of, read_quotas
from etl.resources.warehouse import refused_warehouse
from etl.settings import Environment, Settings, load_settings

Format = Literal["text", "json", "sarif", "junit", "github"]
_WRITERS: dict[str, Callable[[CheckReport], str]] = {
    "json": json_report,
    "sarif": sarif_report,
    "junit": junit_report,
    "github": github_report,
}
_SHARED = "all tenants"


class _Asked(NamedTuple):
    """One location to be checked."""

    name: str
    check: Callable[[], JudgedLocation]


def check(
    tenant: Annotated[list[str] | None, typer.Argument(help="Tenants to check. Default: all.")] = None,
    module: Annotated[
        str | None, typer.Option(help="Check a hand-written code location instead, e.g. my_project.definitions.")
    ] = None,
    source: Annotated[
        list[Path] | None, typer.Option(help="Check only the text of Python files instead: a file or a folder.")
    ] = None,
    env: Annotated[
        Environment | None,
        typer.Option(help="Check as this environment, and list every variable that is not set there."),
    ] = None,
    connect: Annotated[
        bool,
        typer.Option(
            "--connect",
            help="Also connect to each tenant's source, lake, warehouse, secrets and receivers of messages, and compare"
            " clocks. A small object and a table are made and removed; no message is sent.",
        ),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail the check, too.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds that the Python of one location may take; 0: any.")] = 120,
    format_: Annotated[Format, typer.Option("--format", help="How findings are written.")] = "text",
    output: Annotated[Path | None, typer.Option(help="Write the findings to this file.")] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules, and check nothing.")] = False,
    rule: Annotated[str | None, typer.Option(help="Explain one rule, and check nothing.")] = None,
) -> None:
    """Load tenants and check that they keep the conventions.

    Python is checked by its text, too; `# etl: allow RULE (reason)` allows one place. A warning never fails the check.

    Exit code 1: violations. 2: a tenant cannot be loaded, or with --connect something does not answer as a run needs.
    3: there was nothing to check, or a tenant has no asset.
    """
    if rules or rule is not None:
        _explain(rule)
        return
    if (module is not None) + bool(source) + bool(tenant) > 1:
        raise EtlError("tenants, --module and --source are three ways to say what is checked", "give one of them")
    if env is not None:
        os.environ["DAGSTER_ENVIRONMENT"] = env
    settings = _settings(needs_project=module is None and not source)
    with tenants_listed_once(settings) as tenants:
        platform = platform_of(settings.project_dir, os.environ)
        checking = Checking(platform, settings.project_dir, tenants, timeout)
        asked = _asked(tenant or (), module, source or (), checking, settings)
        report = CheckReport([], settings.project_dir, settings.environment, strict=strict)
        shows = format_ == "text" and output is None
        text = CheckText(report, len(asked), findings=shows)
        tried: list[Tried] = []
        for each in asked:
            text.begin(each.name)
            location = each.check()
            if connect and each.name in checking.configs:
                tried += _connected(location, checking.configs[each.name], settings)
            report.locations.append(location)
            text.end(location)
            gc.freeze()  # the definitions stay until the end: the collector need not search them again and again
        if not source and not any(each.assets or each.jobs or each.findings for each in report.locations):
            raise NothingExamined(
                f"nothing was examined: {', '.join(each.name for each in asked)} has no asset",
                "a tenant with `enabled: false` has no assets; name one that is switched on",
            )
        if module is None and not source:
            _compare(report, text, settings, {each.name for each in asked}, checking.configs, every=not tenant)
    if tried and shows:
        print_table(Console(), shown(tried))
    _write(report, format_, output)
    if shows:
        text.summary()
    sys.exit(report.exit_code)


def _explain(rule: str | None) -> None:
    console = Console(highlight=False)
    if rule is None:
        print_table(console, rules_table())
    else:
        show_rule(rule_named(rule), console)


def _settings(*, needs_project: bool) -> Settings:
    """Return the settings. Code that is no project of this product has the conventions of its own folder."""
    if needs_project or find_project(os.environ) is not None:
        return load_settings()
    here = Path.cwd()
    return Settings(project_dir=here, data_dir=here / ".data")


def _asked(
    tenants: Sequence[str], module: str | None, sources: Sequence[Path], checking: Checking, settings: Settings
) -> list[_Asked]:
    if module is not None:
        return [_Asked(module, lambda: checking.module(module))]
    if sources:
        return [_Asked(str(path), partial(checking.folder, path)) for path in sources]
    return [_Asked(name, partial(checking.tenant, name, settings)) for name in asked_tenants(settings, tenants)]


def _compare(
    report: CheckReport,
    text: CheckText,
    settings: Settings,
    names: set[str],
    built: Mapping[str, TenantConfig],
    *,
    every: bool,
) -> None:
    """Note what two tenants would share, tenants that no location serves, and, for all, locations without a tenant."""
    together = JudgedLocation(_SHARED, is_location=False)
    for error in _shared_places(settings, names, built):
        together.add(findings_of_error(error, settings.project_dir))
    together.add(finding("not-served", each.problem, each.hint) for each in unserved(settings))
    for error in _wrong_quotas(settings, None if every else names):
        together.add(findings_of_error(error, settings.project_dir))
    if every:
        workspace = settings.project_dir / "workspace.yaml"
        together.add(finding("location", each.problem, each.hint, path=workspace, line=1) for each in gone(settings))
    if together.findings:
        report.locations.append(together)
        text.end(together)


def _wrong_quotas(settings: Settings, names: set[str] | None) -> Sequence[ConfigError]:
    """Return what is wrong with the platform's file of quotas, as far as it is about these tenants; None: about all."""
    try:
        quotas = read_quotas(settings)
    except ConfigError as error:
        return [error]
    if quotas is None:
        return []
    if names is not None:
        return [quotas.mistake_of(each) for each in sorted(quotas.mistaken & names)]
    return mistakes_of(quotas, settings)


def _write(report: CheckReport, format_: Format, output: Path | None) -> None:
    if format_ == "text" and output is None:
        return
    content = _WRITERS[format_](report)
    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content.encode("utf-8", "replace"))  # each text in it is scrubbed by itself
        sys.stdout.buffer.flush()
        return
    try:
        write_whole(output, content)
    except OSError as error:
        raise EtlError(
            f"{output} cannot be written: {error.strerror}", "name a file in a folder that exists"
        ) from error
    Console(stderr=True, highlight=False).print(f"{len(report.findings)} findings are written to {escape(str(output))}")


def _connected(location: JudgedLocation, config: TenantConfig, settings: Settings) -> list[Tried]:
    """Try the places of a tenant that was built, and note what does not answer."""
    tried = list(try_out(config, settings))
    location.add(finding for each in tried for finding in each.findings())
    return tried


def _shared_places(settings: Settings, names: set[str], built: Mapping[str, TenantConfig]) -> list[ConfigError]:
    """Return warehouses that cannot work, and places that two tenants would write to.

    All tenants are compared, not only checked ones. `built` are the configurations that are known already.
    """
    configs: list[TenantConfig] = []
    for each in list_tenants(settings):
        with suppress(ConfigError):  # reported by the check of the tenant, if it is one of the checked ones
            configs.append(built.get(each) or load_tenant(each, settings))
    places = [dbt_place(each, settings) for each in configs]
    unfit = [(frozenset({each.id}), error) for each in configs if (error := refused_warehouse(each, settings))]
    found = (
        *shared_tables(configs),
        *shared_prefixes(configs),
        *shared_job_names(configs),
        *shared_dbt_schemas(configs, places),
        *unfit,
    )
    return [error for tenants, error in found if tenants & names]
