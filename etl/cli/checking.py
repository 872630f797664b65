"""Checks one tenant, one hand-written code location or one folder: loads it, and judges what was loaded.

Belongs here: loading what `etl check` examines, and errors of loading as findings. Not here: the rules
(`etl.conventions`), which locations are checked and how findings are shown (`check`, `check_text`).
"""

import importlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from dagster import Definitions

from etl.cli.locations import served_with_others
from etl.cli.time_limit import OutOfTimeError, time_limit
from etl.config.config_loader import CONFIG_FILE
from etl.config.leaving import leaving_raises
from etl.config.tenant_config import TenantConfig
from etl.conventions.location import (
    JudgedLocation,
    allowed_left_out,
    count_assets,
    judge_definitions,
    resolved_jobs,
)
from etl.conventions.registration import package_files
from etl.conventions.registry import finding
from etl.conventions.rule import CheckFinding
from etl.conventions.source_file import python_files, without_tests
from etl.conventions.source_rules import JudgedSource, judge_source
from etl.conventions.variables import (
    NamedVariable,
    missing_from_example,
    not_set,
    variables_not_set,
    variables_of_code,
    variables_of_tenant,
)
from etl.definitions import built_config, load_location, tried_out
from etl.errors import ConfigError, DbtError, EtlError
from etl.platform import Platform
from etl.settings import Settings
from etl.trial.trial_process import ChangesProcessError, EndsProcessError

_PLACE = re.compile(r"^(?P<problem>.*?) at (?P<file>[^\s:]+):(?P<line>\d+):(?P<column>\d+)(?P<rest>.*)$", re.DOTALL)
_DBT_FILE = re.compile(r"[\w./-]+\.(?:sql|ya?ml)\b")
_DBT_LINE = re.compile(r"\bline (\d+)")
_RAISED = re.compile(r"^(?P<file>[^\n:]+\.py):(?P<line>\d+): ")


@dataclass(frozen=True)
class Checking:
    """What all locations of one check have in common."""

    platform: Platform
    project_dir: Path
    tenants: tuple[str, ...] = ()
    seconds: float = 0.0
    """The most that a location's own Python may take; 0 is no limit."""
    configs: dict[str, TenantConfig] = field(default_factory=dict)
    """The configurations of the tenants that were built."""

    def tenant(self, name: str, settings: Settings) -> JudgedLocation:
        """Check a tenant: its file, its Python, the definitions of both, and the variables that they name."""
        folder = (settings.tenants_dir / name).resolve()
        with _timed(JudgedLocation(name, path=folder / CONFIG_FILE)) as location:
            source = judge_source(without_tests(python_files(folder), folder), folder, self.platform.conventions)
            location.files = len(source.files)
            unset = self._not_set(name, settings)
            with _given(unset):
                hurts = self._hurts(name, settings)
                if hurts is not None:
                    location.add(findings_of_error(hurts, self.project_dir, "location"))
                    built = None
                else:
                    built = self._built(lambda: load_location(name), location, source, self.project_dir)
            found = list(source.findings)
            config = built_config(name) if built is not None else None
            if built is not None and config is not None:
                self.configs[name] = config
                found += self._judged(built, location, source, of_tenant=True)
                if not location.assets and not location.jobs and config.enabled:
                    problem = f"nothing was examined: {name} has no asset"
                    location.add([finding("nothing-examined", problem)])
            if unset and (config is None or config.enabled):
                location.add([variables_not_set(name, settings.environment, unset)])
            named = [*variables_of_tenant(name, settings, config), *variables_of_code(source.files)]
            found += missing_from_example(named, self.project_dir, self.tenants)
            location.add(allowed_left_out(found, source, built=built is not None))
        return location

    def module(self, name: str) -> JudgedLocation:
        """Check a hand-written code location: the module's `defs`, and the files of its package."""
        with _timed(JudgedLocation(name)) as location:
            built = self._built(lambda: _imported(name), location, JudgedSource(), self.project_dir)
            if built is None:
                return location
            folder, files = package_files(built, name)
            source = judge_source(sorted(files), folder, self.platform.conventions)
            location.files = len(source.files)
            found = [*source.findings, *self._judged(built, location, source, of_tenant=False)]
            found += missing_from_example(variables_of_code(source.files), self.project_dir, self.tenants)
            location.add(allowed_left_out(found, source, built=True))
            if not location.assets and not location.jobs:
                fix = "give `Definitions` in `defs` an asset or a job"
                location.add([finding("nothing-examined", f"nothing was examined: {name} has no asset", fix)])
        return location

    def folder(self, path: Path) -> JudgedLocation:
        """Check the text of a file, or of all Python files below a folder, and import nothing."""
        with _timed(JudgedLocation(str(path))) as location:
            here = path.resolve()
            if not here.exists():
                raise EtlError(f"there is no file or folder {path}", "name one below the current folder")
            folder = here if here.is_dir() else here.parent
            files = list(python_files(here)) if here.is_dir() else [here]
            files = list(without_tests(files, folder)) or files
            source = judge_source(files, folder, self.platform.conventions)
            location.files = len(source.files)
            location.add(allowed_left_out(source.findings, source, built=False))
            if not source.files and not source.findings:
                location.add([_no_python(path, here)])
        return location

    def _hurts(self, name: str, settings: Settings) -> EtlError | None:
        """Return why the tenant's own Python must not be imported here: it would end this process, or not come back.

        A tenant that has a location for itself may change its process.
        """
        for error in tried_out([name], settings, self.seconds).values():
            shares = isinstance(error, ChangesProcessError) and name in served_with_others(settings)
            if shares or isinstance(error, EndsProcessError):
                return error
        return None

    def _not_set(self, name: str, settings: Settings) -> list[NamedVariable]:
        """Return the variables that a tenant needs and the environment lacks. In dev, a demo takes their place."""
        if settings.environment == "dev":
            return []
        return not_set(variables_of_tenant(name, settings, None), os.environ)

    def _built(
        self, load: Callable[[], Definitions], location: JudgedLocation, source: JudgedSource, project: Path
    ) -> Definitions | None:
        """Return the definitions; if they cannot be built, note why. What the code prints goes to stderr."""
        try:
            with redirect_stdout(sys.stderr), time_limit(self.seconds, location.name, project):
                definitions = load()
                definitions.get_repository_def()  # Dagster refuses some definitions only when it serves the location
                return definitions
        except OutOfTimeError as error:
            location.add([finding("location", error.problem, error.hint, path=error.path, line=error.line)])
        except EtlError as error:
            location.add(findings_of_error(error, project))
        except SyntaxError as error:
            path = Path(error.filename or "").resolve()
            if not any(each.rule == "syntax-error" and each.path == path for each in source.findings):
                location.add(
                    [finding("syntax-error", f"{error.msg}", path=path, line=error.lineno, column=error.offset)]
                )
        except (Exception, SystemExit) as error:  # noqa: BLE001  a person's own code may raise anything
            place = _own_place(error, project)
            problem = f"{location.name} cannot be built: {type(error).__name__}: {error}"
            location.add([finding("location", problem, path=place[0], line=place[1])])
        return None

    def _judged(
        self, definitions: Definitions, location: JudgedLocation, source: JudgedSource, *, of_tenant: bool
    ) -> list[CheckFinding]:
        jobs = resolved_jobs(definitions)
        location.assets, location.jobs = count_assets(definitions), len(jobs)
        return judge_definitions(definitions, jobs, source, self.platform.conventions, of_tenant=of_tenant)


def _no_python(path: Path, here: Path) -> CheckFinding:
    """Say what was looked for in a folder in which it was not found."""
    notebooks = sum(1 for _ in here.rglob("*.ipynb")) if here.is_dir() else 0
    many = f"{notebooks} notebooks" if notebooks > 1 else "a notebook"
    aside = f", only {many} (.ipynb), which `etl check` does not read" if notebooks else ""
    return finding(
        "nothing-examined",
        f"nothing was examined: {path} has no Python file{aside}",
        "name a file, or a folder that has files `*.py`; hidden folders, environments and built files are left out"
        + ("; move the code of a notebook into a `.py` file to have it checked" if notebooks else ""),
    )


def findings_of_error(error: EtlError, project_dir: Path, rule: str = "configuration") -> list[CheckFinding]:
    """Return an error as findings: one for each problem of a file, with its line."""
    if isinstance(error, DbtError):
        return [_of_dbt(error, project_dir)]
    if isinstance(error, ConfigError) and error.problems:
        return [_placed(each, error.hint, project_dir, rule) for each in error.problems]
    return [_placed(error.problem, error.hint, project_dir, rule)]


def _of_dbt(error: DbtError, project_dir: Path) -> CheckFinding:
    """Return the finding at the file that dbt names, if there is one."""
    for name in _DBT_FILE.findall(error.problem):
        for folder in sorted((project_dir / "dbt_projects").glob("*")):
            for path in (folder / name, folder / "models" / name):
                if path.is_file():
                    line = _DBT_LINE.search(error.problem)
                    return finding(
                        "dbt-project", error.problem, error.hint, path=path, line=int(line[1]) if line else 1
                    )
    return finding("dbt-project", error.problem, error.hint)


def _placed(problem: str, hint: str, project_dir: Path, rule: str) -> CheckFinding:
    if match := _PLACE.match(problem):
        path = (project_dir / match["file"]).resolve()
        rest = match["rest"]
        text = match["problem"] + rest
        return finding(rule, text, hint, path=path, line=int(match["line"]), column=int(match["column"]))
    if match := _RAISED.match(problem):
        return finding(rule, problem, hint, path=(project_dir / match["file"]).resolve(), line=int(match["line"]))
    return finding(rule, problem, hint)


def _own_place(error: BaseException, project: Path) -> tuple[Path | None, int | None]:
    """Return the last place in a file of the project through which the error came."""
    found: tuple[Path | None, int | None] = (None, None)
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if path.is_relative_to(project) and not {"site-packages", "dist-packages"} & set(path.parts):
            found = (path, trace.tb_lineno)
        trace = trace.tb_next
    return found


def _imported(name: str) -> Definitions:
    """Return the definitions of a module that is found from the current folder, or in its folder `src`."""
    for each in (".", "src"):
        folder = str(Path(each).resolve())
        if Path(folder).is_dir() and folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        with leaving_raises():
            module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise EtlError(
            f"{name} cannot be imported: {error}", "run this where `python -c 'import ...'` finds the module"
        ) from error
    found = getattr(module, "defs", None)
    if callable(found):  # `@dg.definitions`, as `dg` writes it
        found = found()
    if not isinstance(found, Definitions):
        raise EtlError(f"{name} has no `defs`", "name a module whose `defs` is a Dagster Definitions")
    Definitions.validate_loadable(found)
    return found


@contextmanager
def _given(unset: Sequence[NamedVariable]) -> Iterator[None]:
    """Give the variables a value within the block, so that all else can be checked. No definition holds the value."""
    names = [each.name for each in unset]
    os.environ.update({name: f"etl-check-{name.lower()}" for name in names})
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)


@contextmanager
def _timed(location: JudgedLocation) -> Iterator[JudgedLocation]:
    began = time.monotonic()
    yield location
    location.seconds = time.monotonic() - began
