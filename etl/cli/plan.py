"""`etl plan`: what a change of a tenant's files will do, before anything runs; with `--apply` it is done.

Belongs here: the command, and starting the back-fills of a plan. Not here: making a plan (`etl.planning`).
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from dagster import DagsterInstance, Definitions
from rich.console import Console

from etl.cli.asked import asked_tenants
from etl.cli.demo_source import make_source
from etl.cli.home import opened_instance
from etl.cli.launching import run_wanted
from etl.cli.messages import Wanted
from etl.cli.runs import runs_of
from etl.cli.signals import Interrupted, interruptible
from etl.cli.simulate import show_simulation
from etl.config.config_loader import list_tenants, load_tenant
from etl.config.secrets import learn_tenant
from etl.definitions import load_location, tried_out
from etl.errors import EtlError, NothingExamined
from etl.pipeline.stage import lake_of
from etl.planning.applied_state import Applied, Begun, forget_tenant, read_applied, read_begun
from etl.planning.apply import Applying, files_of, refuse_losses
from etl.planning.backfills import BackFill
from etl.planning.describe import describe
from etl.planning.description import Description
from etl.planning.gone import LakeMaker, removed_tenants
from etl.planning.plan import Surroundings, TenantPlan, make_plan, removed_tenant
from etl.planning.revision import RevisionAnswer, describe_revision
from etl.planning.show_markdown import markdown_of
from etl.planning.show_text import text_of
from etl.planning.verdicts import EXAMINED
from etl.resources.run_worker import release_dead_runs
from etl.running import naming
from etl.settings import Settings, load_settings
from etl.trial.trial_process import EndsProcessError

Format = Literal["text", "markdown", "json"]
_FAILED, _WRONG, _UNKNOWN = 1, 2, 3


def plan(
    tenant: Annotated[list[str] | None, typer.Argument(help="Tenants to plan. Default: all.")] = None,
    against: Annotated[
        str | None, typer.Option(help="Compare with this revision of git, such as main or HEAD~1.")
    ] = None,
    state: Annotated[
        bool, typer.Option("--state", help="Compare with what was applied last. This is the default.")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Run what has to be made again, and record what was applied.")
    ] = False,
    allow: Annotated[bool, typer.Option("--allow", help="Let --apply do what is destructive.")] = False,
    format_: Annotated[Format, typer.Option("--format", help="text, markdown for a pull request, or json.")] = "text",
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 1 if anything has changed, as `git diff --exit-code`.")
    ] = False,
    examine: Annotated[
        int | None,
        typer.Option(help="Judge new rules over this many of the newest partitions. Default: 3.", min=1, max=1000),
    ] = None,
    connect: Annotated[
        bool, typer.Option("--connect", help="Ask the sources which columns a changed query has.")
    ] = False,
    simulate: Annotated[
        str | None,
        typer.Option(help="Say what a back-fill of the tenant for this range, FROM/TO, will do to the other tenants."),
    ] = None,
) -> None:
    """Show what a change of a tenant's files will do before anything runs, and with --apply do it.

    Nothing is changed without --apply. Exit code 0: the plan is shown, or applied. 1: with --exit-code, something has
    changed; with --apply, a run did not succeed; with --simulate, a promise would be broken. 2: a tenant cannot be
    loaded, or --apply needs --allow. 3: the plan could not be compared with what was asked, or what a simulation needs
    is not known.
    """
    if against is not None and (state or apply):
        other = "--state" if state else "--apply"
        raise EtlError(f"--against beside {other}", "--apply begins from what was applied: leave --against out")
    if allow and not apply:
        raise EtlError("--allow without --apply", "--allow only matters for --apply")
    settings, console = load_settings(), Console()
    if simulate is not None:
        _simulate(simulate, tenant or (), settings, console, alone=not (apply or against), format_=format_)
        return
    command = _Command(settings, console, against, examine or EXAMINED, connect, tenant or ())
    names = _names(settings, tenant or (), command)
    found: list[TenantPlan] = []
    with opened_instance(settings) as instance:
        for name in names:
            made = command.planned(name, instance)
            if made is None:
                continue
            found.append(made.plan)
            if format_ == "text":
                console.print(text_of(made.plan), highlight=False, soft_wrap=True)
            if apply:
                command.apply(made, instance, allow=allow)
    if format_ == "markdown":
        sys.stdout.write("\n".join(markdown_of(each) for each in found))
    elif format_ == "json":
        sys.stdout.write("[" + ",\n".join(each.model_dump_json() for each in found) + "]\n")
    command.end(changed=exit_code and any(not each.is_empty for each in found))


def _simulate(
    asked: str, tenants: Sequence[str], settings: Settings, console: Console, *, alone: bool, format_: Format
) -> None:
    if len(tenants) != 1 or not alone:
        raise EtlError(
            "--simulate is about a back-fill of one tenant", "etl plan TENANT --simulate 2024-11-30/2026-11-29"
        )
    asked_tenants(settings, tenants)
    with opened_instance(settings) as instance:
        worse = show_simulation(tenants[0], asked, settings, instance, console, as_json=format_ == "json")
    if worse:
        raise typer.Exit(_FAILED)


@dataclass
class _Made:
    """A plan with the two sides that it was made from."""

    plan: TenantPlan
    new: Description
    applied: Applied | None = None
    begun: Begun | None = None
    files: str = ""
    """A hash of the files that `new` was described from."""
    place: LakeMaker | None = None
    """Where the applied state of a tenant is that was removed."""


class _Command:
    """One call of the command. Problems of one tenant do not keep the others from being planned."""

    def __init__(
        self,
        settings: Settings,
        console: Console,
        against: str | None,
        examined: int,
        connects: bool,
        only: Sequence[str],
    ) -> None:
        self._settings, self._console, self._against = settings, console, against
        self._examined, self._connects = examined, connects
        self.revision: RevisionAnswer | None = None
        if against is not None:
            self.revision = describe_revision(against, (), settings)
        looks = against is None and not ({*only} and {*only} <= {*list_tenants(settings)})
        self.removed: Mapping[str, LakeMaker] = removed_tenants(settings) if looks else {}
        self._wrong: list[EtlError] = []
        self._unknown: list[EtlError] = []
        self._failed = False

    def planned(self, name: str, instance: DagsterInstance) -> _Made | None:
        """TenantPlan one tenant; None if that is not possible, which is noted."""
        try:
            return self._planned(name, instance)
        except NothingExamined as error:
            self._note(error, self._unknown)
        except EtlError as error:
            self._note(error, self._wrong)
        return None

    def _planned(self, name: str, instance: DagsterInstance) -> _Made | None:
        settings = self._settings
        if self.revision is not None and not (settings.tenants_dir / name / "config.yaml").is_file():
            gone = removed_tenant(self.revision.descriptions[name], f"`{self._against}`")
            return _Made(gone, self.revision.descriptions[name])
        if name in self.removed:
            return self._removed(name, self.removed[name])
        config = load_tenant(name, settings)
        learn_tenant(config)
        files = files_of(config, settings)
        begun: Begun | None = None
        new = describe(config, _built(name, settings), settings)
        applied: Applied | None = None
        if self.revision is not None:
            if name in self.revision.problems:
                raise NothingExamined(
                    f"tenant {name} cannot be loaded in the revision `{self._against}`: {self.revision.problems[name]}",
                    "compare with another revision, or with what was applied",
                )
            old, words = self.revision.descriptions.get(name), f"`{self._against}`"
        else:
            with lake_of(config, settings) as lake:
                applied, begun = read_applied(name, lake), read_begun(name, lake)
            old = applied.description if applied else None
            words = f"what was applied at {applied.at:%Y-%m-%d %H:%M} UTC" if applied else "nothing"
        around = Surroundings(config, settings, instance, datetime.now(UTC), self._examined, self._connects)
        made = make_plan(around, old, new, words, is_first=self.revision is None and applied is None, begun=begun)
        return _Made(made, new, applied, begun, files)

    def _removed(self, name: str, place: LakeMaker) -> _Made:
        with place() as lake:
            applied = read_applied(name, lake)
        if applied is None:
            raise NothingExamined(f"tenant {name}: its applied state is gone", "plan again")
        words = f"what was applied at {applied.at:%Y-%m-%d %H:%M} UTC"
        return _Made(removed_tenant(applied.description, words), applied.description, applied, place=place)

    def apply(self, made: _Made, instance: DagsterInstance, *, allow: bool) -> None:
        """Run the back-fills of a plan, and record what has succeeded."""
        if made.plan.is_empty and made.applied is not None:
            return
        try:
            if not allow:
                refuse_losses(made.plan)
            self._apply(made, instance)
        except NothingExamined as error:
            self._note(error, self._unknown)
        except EtlError as error:
            self._note(error, self._wrong)

    def _apply(self, made: _Made, instance: DagsterInstance) -> None:
        if made.place is not None:
            with made.place() as lake:
                forget_tenant(made.plan.tenant, lake)
            self._console.print(f"[green]applied[/] {made.plan.tenant}: it is gone", highlight=False)
            return
        config = load_tenant(made.plan.tenant, self._settings)
        applying = Applying(config, self._settings, made.new, made.applied, made.begun, made.files)
        if made.plan.backfills:
            applying.begin()
        failed = self._run(made.plan, instance)
        self._failed |= bool(failed)
        applying.end(failed)
        if failed:
            self._console.print(
                f"applied, without {', '.join(failed)}: plan again when that is mended", style="red", highlight=False
            )
        else:
            self._console.print(f"[green]applied[/] {made.plan.tenant}", highlight=False)

    def _run(self, plan: TenantPlan, instance: DagsterInstance) -> list[str]:
        """Run the back-fills in order. Return the pipelines of which a run did not succeed."""
        failed: list[str] = []
        if not plan.backfills:
            return failed
        make_source(plan.tenant, self._settings, self._console)
        with interruptible() as signals:
            try:
                release_dead_runs(instance)
                with runs_of(instance, self._settings, {plan.tenant}) as runs:
                    for each, wanted in wanted_runs(plan):
                        more = {naming.RELOAD_TAG: "true"} if each.reload else {}
                        if run_wanted(plan.tenant, wanted, more, instance, runs, signals, self._console):
                            failed.append(each.pipeline)
            except Interrupted as why:
                self._console.print(f"{why}: nothing was recorded; the next plan says so", highlight=False)
                raise typer.Exit(why.exit_code) from why
        return [*dict.fromkeys(failed)]

    def _note(self, error: EtlError, among: list[EtlError]) -> None:
        among.append(error)
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)

    def end(self, *, changed: bool) -> None:
        """End the command with its exit code."""
        if self._wrong:
            raise typer.Exit(_WRONG)
        if self._unknown:
            raise typer.Exit(_UNKNOWN)
        if self._failed or changed:
            raise typer.Exit(_FAILED)


def _built(tenant: str, settings: Settings) -> Definitions:
    for error in tried_out([tenant], settings).values():
        if isinstance(error, EndsProcessError):
            raise error
    try:
        return load_location(tenant)
    except EtlError:
        raise
    except (Exception, SystemExit) as error:  # a tenant's own code may raise anything
        what = f"{tenant} cannot be built: {type(error).__name__}: {error}"
        raise EtlError(what, "correct the code that raises this error; see `etl check`") from error


def wanted_runs(plan: TenantPlan) -> Iterator[tuple[BackFill, Wanted]]:
    """Yield the runs of a plan, each with its back-fill."""
    for each in plan.backfills:
        for first, last in each.ranges or ((None, None),):
            yield each, Wanted(pipelines=(each.pipeline,), stages=each.stages, first=first, last=last)


def _names(settings: Settings, only: Sequence[str], command: _Command) -> tuple[str, ...]:
    """Return the tenants to plan: those that are named, or all, also those that only the other side has."""
    before = command.revision.descriptions if command.revision else command.removed
    gone = [each for each in before if not (settings.tenants_dir / each / "config.yaml").is_file()]
    if only:
        here = [each for each in only if each not in gone]
        named = asked_tenants(settings, here) if here else ()
        return tuple(each for each in only if each in gone or each in named)
    if gone and not list_tenants(settings):
        return tuple(gone)
    return (*asked_tenants(settings), *gone)
