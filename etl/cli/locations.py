"""Which tenants the code locations of workspace.yaml serve.

Belongs here: from an entry of workspace.yaml to tenants. Not here: loading a location (`runs`), building one
(`etl.definitions`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from etl.cli.workspace_errors import wrong_workspace
from etl.config.config_loader import list_tenants
from etl.config.shards import shard_members, shard_number, shards_of
from etl.config.yaml_word import yaml_word
from etl.errors import ConfigError, EtlError
from etl.running.compat import (
    CodeLocationOrigin,
    LoadableTargetOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    WorkspaceFileTarget,
)
from etl.settings import Settings

ALL = "etl.all"


def origins_of(settings: Settings) -> Sequence[CodeLocationOrigin]:
    """Return the code locations that workspace.yaml names.

    Without such a file, as in a project of `dg` that has tenants as components, each tenant is a location of its own.
    """
    path = settings.project_dir / "workspace.yaml"
    if not path.is_file():
        return [_own_location(tenant, settings) for tenant in list_tenants(settings)]
    try:
        return WorkspaceFileTarget([str(path)]).create_origins()
    except Exception as error:  # Dagster raises errors of several kinds for a file that it cannot read
        raise wrong_workspace(path, error) from error


def _own_location(tenant: str, settings: Settings) -> CodeLocationOrigin:
    target = LoadableTargetOrigin(
        module_name=f"tenants.{tenant}.definitions", attribute="defs", working_directory=str(settings.project_dir)
    )
    return ManagedGrpcPythonEnvCodeLocationOrigin(target, tenant)


def location_of(tenant: str, origins: Sequence[CodeLocationOrigin], settings: Settings) -> str | None:
    """Return the name of the location that has the tenant's name, or else of one that serves the tenant."""
    names = [each.location_name for each in origins]
    if tenant in names:
        return tenant
    return next((each.location_name for each in origins if tenant in tenants_of_origin(each, settings)), None)


def tenants_of_origin(origin: CodeLocationOrigin, settings: Settings) -> tuple[str, ...]:
    """Return the tenants that a location serves, as far as its entry in workspace.yaml says it."""
    every = list_tenants(settings)
    target = origin.loadable_target_origin if isinstance(origin, ManagedGrpcPythonEnvCodeLocationOrigin) else None
    if target is None:
        return ()
    module, file, attribute = target.module_name or "", Path(target.python_file or "").parts, target.attribute or "defs"
    if module != ALL:
        own = {each: (f"tenants.{each}.definitions", ("tenants", each, "definitions.py")) for each in every}
        return tuple(each for each, (name, parts) in own.items() if module == name or file[-3:] == parts)
    if attribute == "defs":
        return every
    try:
        return shard_members(every, int(attribute.removeprefix("shard_")), shards_of(settings))
    except (ConfigError, ValueError):
        return ()


def served_with_others(settings: Settings) -> frozenset[str]:
    """Return the tenants that share a code location with another tenant, as far as workspace.yaml says it."""
    try:
        served = [tenants_of_origin(each, settings) for each in origins_of(settings)]
    except EtlError:  # told by `unserved`
        return frozenset()
    return frozenset(tenant for tenants in served if len(tenants) > 1 for tenant in tenants)


def gone(settings: Settings) -> Iterator[EtlError]:
    """Yield an error for each location of workspace.yaml whose Python file is gone, as after a tenant is removed."""
    path = settings.project_dir / "workspace.yaml"
    if not path.is_file():
        return
    try:
        origins = origins_of(settings)
    except EtlError:  # told by `unserved`
        return
    for name, file in _without_files(origins, settings):
        yield EtlError(
            f"workspace.yaml names the location {name}, and there is no {file}: Dagster shows a location that cannot be"
            " loaded",
            f"remove the entry of {name} from workspace.yaml, or restore the file",
        )


def _without_files(origins: Sequence[CodeLocationOrigin], settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the locations whose file is gone, and the file. Where a module of another package is, is not known."""
    for each in origins:
        target = each.loadable_target_origin if isinstance(each, ManagedGrpcPythonEnvCodeLocationOrigin) else None
        if target is None:
            continue
        folder = settings.project_dir / (target.working_directory or ".")
        name = target.python_file or ""
        if target.module_name and target.module_name.startswith("tenants."):
            name = f"{target.module_name.replace('.', '/')}.py"
        as_package = folder / name.removesuffix(".py") / "__init__.py"
        if name and not (folder / name).is_file() and not as_package.is_file():
            yield each.location_name, name


def unserved(settings: Settings) -> Iterator[EtlError]:
    """Yield a warning for each tenant that no location of workspace.yaml serves.

    Nothing is said if the file has a location of another kind, such as a module that merges tenants by hand.
    """
    path = settings.project_dir / "workspace.yaml"
    if not path.is_file():
        return
    try:
        origins = origins_of(settings)
    except EtlError as error:
        yield error
        return
    lost = {each for each, _ in _without_files(origins, settings)}
    found = {
        each.location_name: tenants_of_origin(each, settings) for each in origins if each.location_name not in lost
    }
    every = list_tenants(settings)
    if not all(tenants or name in every for name, tenants in found.items()):
        return
    served = {*found, *(each for tenants in found.values() for each in tenants)}
    shards = shards_of(settings)
    for tenant in every:
        if tenant in served:
            continue
        if shards:
            number = shard_number(tenant, shards)
            entry = f"`module_name: etl.all`, `attribute: shard_{number}`, `location_name: shard_{number}`"
        else:
            entry = (
                f"`module_name: tenants.{tenant}.definitions`, `attribute: defs`, `location_name: {yaml_word(tenant)}`"
            )
        yield EtlError(
            f"no code location of workspace.yaml serves tenant {tenant}: `make dev` shows nothing of it",
            f"add an entry `python_module` with {entry} and `working_directory: .`",
        )
