"""The database into which dbt writes a tenant's models, according to the dbt profile.

Belongs here: reading the target of a profiles.yml, and opening its database for reading. Not here: writing the profile
for dbt (`project`), what dbt may write there (`ownership`).
"""

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import yaml

from etl.dbt.project import TenantDbt
from etl.errors import DbtError
from etl.warehouse.choice import warehouse_of_profile
from etl.warehouse.contract import Warehouse


def target_output(project: TenantDbt) -> Mapping[str, Any]:
    """Return the tenant's target from the profile, with `env_var(...)` as it is written."""
    own = project.has_own_profile
    path = (project.folder if own else project.folder.parent) / "profiles.yml"
    profiles = _yaml(path)
    wanted = _yaml(project.folder / "dbt_project.yml").get("profile") if own else next(iter(profiles), None)
    profile: Any = profiles.get(str(wanted))
    output: Any = ((profile or {}).get("outputs") or {}).get(project.target)
    return output if isinstance(output, Mapping) else {}


def _yaml(path: Path) -> Mapping[str, Any]:
    return _loaded(path, path.stat().st_mtime_ns) if path.is_file() else {}


@lru_cache(maxsize=256)
def _loaded(path: Path, _changed: int) -> Mapping[str, Any]:
    """Read the file once for each of its versions, because every location reads the shared profiles.yml."""
    found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found if isinstance(found, Mapping) else {}


def target_type(project: TenantDbt) -> str:
    """Return `duckdb`, `postgres`, `trino` or another type of dbt; empty if no profile has the target."""
    return str(target_output(project).get("type", ""))


def is_file_of_tenant(project: TenantDbt) -> bool:
    """Whether dbt writes into the DuckDB file that is the tenant's own."""
    output = target_output(project)
    return output.get("type") == "duckdb" and "ETL_DUCKDB_PATH" in str(output.get("path", ""))


def open_target(project: TenantDbt) -> Warehouse | None:
    """Return the database for reading; None if loads cannot write into it. No connection is opened."""
    output = target_output(project)
    value = partial(_text, project, output)
    kind = target_type(project)
    return warehouse_of_profile(kind, value, project.tenant, folder=project.folder, lock_dir=project.lock_dir)


def _text(project: TenantDbt, output: Mapping[str, Any], *names: str) -> str:
    """Return a value of the target, resolved with the variables of dbt's process."""
    from jinja2.exceptions import TemplateError  # noqa: PLC0415  dbt's own; only a run of dbt needs it
    from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415

    found = next((output[name] for name in names if name in output), "")
    environ = project.full_environ()

    def env_var(name: str, default: str | None = None) -> str:
        value = environ.get(name, default)
        if value is None:
            raise DbtError(
                f"tenant {project.tenant}: the environment variable {name}, which the target `{project.target}` of"
                " profiles.yml names, is not set",
                f"set {name}, or name another `dbt: {{target: ...}}`",
            )
        return value

    jinja = SandboxedEnvironment(autoescape=False)
    jinja.globals["env_var"] = env_var
    jinja.filters.update(dict.fromkeys(("as_text", "as_bool", "as_native", "as_number"), str))
    try:
        return jinja.from_string(str(found)).render()
    except TemplateError as error:
        raise DbtError(
            f"tenant {project.tenant}: `{names[0]}` of the target `{project.target}` cannot be read: {error}",
            "correct profiles.yml",
        ) from error


def schema_of(project: TenantDbt) -> str | None:
    """Return the default schema of models, if it is known without running dbt."""
    named = project.environ.get("ETL_DBT_SCHEMA")
    written = str(target_output(project).get("schema", ""))
    return named or (written if written and "{" not in written else None)


def database_of(project: TenantDbt) -> tuple[str, ...]:
    """Return a key of the database: tenants with the same key write into one database; an own file has its own key."""
    if is_file_of_tenant(project):
        return ("file", project.tenant)
    place = project.folder if project.has_own_profile else project.folder.parent
    return ("target", str(place), project.target)
