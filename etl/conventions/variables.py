"""The variables of the environment that tenants' files and code name, and whether `.env.example` lists them.

Belongs here: `env-example`, `variable-not-set`. Not here: who owns a variable (`etl.secrets.ownership`), the refusal of
a tenant whose variables are not set (`etl.config.config_loader`).
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.config.config_loader import CONFIG_FILE
from etl.config.findings import KeyPath
from etl.config.overrides import KEYS_RESOLVED_IN_RUNS, for_environment
from etl.config.ownership import texts
from etl.config.tenant_config import TenantConfig
from etl.config.yaml_source import Mark, Node, parse
from etl.conventions.registry import finding
from etl.conventions.rule import CheckFinding
from etl.conventions.source_file import SourceFile
from etl.conventions.syntax import constant_text, dotted_name, last_name
from etl.errors import ConfigError
from etl.onboarding.example_variables import EXAMPLE, listed_in
from etl.platform import platform_of
from etl.secrets.contract import DEFAULT_KEY
from etl.secrets.environment import variable_of
from etl.secrets.ownership import PROCESS_VARIABLES, matches, owner_of
from etl.secrets.template import secrets_of, split_secret, variables_of
from etl.settings import Settings

_READS = frozenset({"os.getenv", "os.environ.get", "getenv", "environ.get"})


@dataclass(frozen=True)
class NamedVariable:
    """A variable, and where it is named. `needed` says that it has no default."""

    name: str
    path: Path
    line: int
    column: int
    needed: bool


def variables_of_tenant(tenant: str, settings: Settings, config: TenantConfig | None) -> list[NamedVariable]:
    """Return the variables that a tenant's file names for this environment.

    Without `config`, the file has mistakes, and is read as far as it can be. If secrets are looked up in the
    environment, their variables are among them.
    """
    store = (
        platform_of(settings.project_dir, {}).secrets.store if config is None else config.origin.platform.secrets.store
    )
    path = settings.tenants_dir / tenant / CONFIG_FILE
    found: dict[str, NamedVariable] = {}
    for text, place in _texts_of_file(path, settings) if config is None else texts_of_config(config):
        for name, default in _names(text, tenant, store):
            known = found.get(name)
            if known is None or (default is None and not known.needed):
                found[name] = NamedVariable(name, path, place.line, place.column, default is None)
    return list(found.values())


def texts_of_config(config: TenantConfig) -> Iterator[tuple[str, Mark]]:
    """Yield the templates of a configuration, with the places of their keys."""
    waiting: list[tuple[KeyPath, object]] = [
        ((key,), value)
        for key, value in config.model_dump(mode="json", by_alias=True, include=set(KEYS_RESOLVED_IN_RUNS)).items()
    ]
    places = config.origin.places
    while waiting:
        path, value = waiting.pop(0)
        if isinstance(value, dict):
            waiting += [((*path, key), each) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), each) for index, each in enumerate(value)]
        elif isinstance(value, str) and "${" in value:
            known = (places[path[:length]] for length in range(len(path), -1, -1) if path[:length] in places)
            yield value, next(known, Mark())


def _texts_of_file(path: Path, settings: Settings) -> Iterator[tuple[str, Mark]]:
    """Yield the same of a file whose configuration is not known."""
    try:
        root = parse(path.read_bytes()).root
    except OSError:
        return
    if root is None or not isinstance(root.value, dict):
        return
    inner = root.value.get("tenant")
    if inner is not None and isinstance(inner.value, dict):
        root = Node({**root.value, **inner.value}, inner.mark, keys={**root.keys, **inner.keys})
    tree = for_environment(root, settings.environment)
    for key, node in tree.value.items() if isinstance(tree.value, dict) else ():
        if key in KEYS_RESOLVED_IN_RUNS:
            yield from ((text.text, text.mark) for _, text in texts(node, (key,)))


def variables_of_code(files: Iterable[SourceFile]) -> Iterator[NamedVariable]:
    """Yield the variables that Python files name: `EnvVar(...)`, `os.getenv(...)`, `os.environ[...]`."""
    for file in files:
        for node in file.nodes(ast.Call, ast.Subscript):
            if isinstance(node, ast.Call):
                named = (
                    dotted_name(node) in _READS
                    or last_name(node) == "EnvVar"
                    or dotted_name(node).endswith("EnvVar.int")
                )
                name = constant_text(node.args[0]) if named and node.args else None
                needed = len(node.args) <= 1 and not node.keywords  # the second would be a default
            else:
                is_environment = dotted_name(node.value) in ("os.environ", "environ") and isinstance(node.ctx, ast.Load)
                name, needed = constant_text(node.slice) if is_environment else None, True
            if name:
                yield NamedVariable(name, file.path, node.lineno, node.col_offset + 1, needed)


def missing_from_example(
    named: Iterable[NamedVariable], project_dir: Path, tenants: Iterable[str]
) -> Iterator[CheckFinding]:
    """Yield the variables that `.env.example` does not list.

    A tenant's own variable with a default is optional, and so are the variables of the system and the platform.
    """
    path = project_dir / EXAMPLE
    try:
        listed = listed_in(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        listed = set()
    every = tuple(tenants)
    missing: dict[Path, list[NamedVariable]] = {}
    told: set[str] = set()
    for each in named:
        optional = not each.needed and owner_of(each.name, every) is not None
        if each.name in listed or each.name in told or optional or matches(each.name, PROCESS_VARIABLES):
            continue
        told.add(each.name)
        missing.setdefault(each.path, []).append(each)
    for variables in missing.values():
        first = variables[0]
        verb = "is" if len(variables) == 1 else "are"
        problem = f"{', '.join(each.name for each in variables)} {verb} not in {EXAMPLE}"
        problem += "" if path.is_file() else ", which does not exist"
        lines = ", ".join(f"# {each.name}=" for each in variables)
        fix = f"add to {EXAMPLE}: {lines}, with examples of values, but of no password"
        yield finding("env-example", problem, fix, path=first.path, line=first.line, column=first.column)


def not_set(named: Iterable[NamedVariable], environ: Mapping[str, str]) -> list[NamedVariable]:
    """Return the variables without a default that the environment does not have."""
    return [each for each in named if each.needed and not environ.get(each.name)]


def variables_not_set(tenant: str, environment: str, unset: Sequence[NamedVariable]) -> CheckFinding:
    """Return one finding that lists all variables which a tenant needs and the environment does not have."""
    first = unset[0]
    count = "1 variable that" if len(unset) == 1 else f"{len(unset)} variables that"
    verb = "is" if len(unset) == 1 else "are"
    problem = f"{tenant} needs {count} {verb} not set in {environment}: {', '.join(each.name for each in unset)}"
    return finding("variable-not-set", problem, path=first.path, line=first.line, column=first.column)


def _names(text: str, tenant: str, store: str) -> Iterator[tuple[str, str | None]]:
    yield from variables_of(text)
    for reference in secrets_of(text) if store == "env" else ():
        name, key = split_secret(reference)
        try:
            yield variable_of(tenant, name, key or DEFAULT_KEY), None
        except ConfigError:
            continue  # its own finding says that the store cannot hold the name
