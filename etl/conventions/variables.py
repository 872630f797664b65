"""The variables of the environment that tenants' files and code name, and whether `.env.example` lists them.

Belongs here: `env-example`, `variable-not-set`. Not here: who owns a variable (`etl.secrets.ownership`), the refusal of
a tenant whose variables are not set (`etl.config.config_loader`).
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from etl.config.config_loader import CONFIG_FILE
from etl.config.overrides import KEYS_RESOLVED_IN_RUNS, for_environment
from etl.config.ownership import texts
from etl.config.yaml_source import Node, parse
from etl.conventions.registry import finding
from etl.conventions.rule import CheckFinding
from etl.conventions.source_file import SourceFile
from etl.conventions.syntax import constant_text, dotted_name, last_name
from etl.errors import ConfigError
from etl.secrets.in_clear import is_secret_variable
from etl.secrets.ownership import PROCESS_VARIABLES, matches, owner_of
from etl.secrets.stores import DEFAULT_KEY, variable_of
from etl.secrets.template import secrets_of, split_secret, variables_of
from etl.settings import Environment, Settings

EXAMPLE = ".env.example"
_LINE = re.compile(r"^\s*(?:#\s*)?(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=", re.MULTILINE)
_READS = frozenset({"os.getenv", "os.environ.get", "getenv", "environ.get"})


@dataclass(frozen=True)
class NamedVariable:
    """A variable, and where it is named. `needed` says that it has no default."""

    name: str
    path: Path
    line: int
    column: int
    needed: bool


def variables_of_tenant(tenant: str, settings: Settings, environment: Environment, store: str) -> list[NamedVariable]:
    """Return the variables that a tenant's file names for an environment, also if the file has mistakes.

    With the store `env`, the variables of its secrets are among them.
    """
    path = settings.tenants_dir / tenant / CONFIG_FILE
    try:
        root = parse(path.read_bytes()).root
    except OSError:
        return []
    if root is None or not isinstance(root.value, dict):
        return []
    inner = root.value.get("tenant")
    if inner is not None and isinstance(inner.value, dict):
        root = Node({**root.value, **inner.value}, inner.mark, keys={**root.keys, **inner.keys})
    tree = for_environment(root, environment)
    found: dict[str, NamedVariable] = {}
    for key, node in tree.value.items() if isinstance(tree.value, dict) else ():
        for _, text in texts(node, (key,)) if key in KEYS_RESOLVED_IN_RUNS else ():
            for name, default in _names(text.text, tenant, store):
                known = found.get(name)
                if known is None or (default is None and not known.needed):
                    found[name] = NamedVariable(name, path, text.mark.line, text.mark.column, default is None)
    return list(found.values())


def variables_of_code(files: Iterable[SourceFile]) -> Iterator[NamedVariable]:
    """Yield the variables that Python files name: `EnvVar(...)`, `os.getenv(...)`, `os.environ[...]`."""
    for file in files:
        for node in file.nodes(ast.Call, ast.Subscript):
            if isinstance(node, ast.Call):
                named = dotted_name(node) in _READS or last_name(node) == "EnvVar" or dotted_name(node).endswith("EnvVar.int")
                name = constant_text(node.args[0]) if named and node.args else None
                needed = len(getattr(node, "args", ())) < 2 and not node.keywords  # noqa: PLR2004  the second is a default
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
        listed = set(_LINE.findall(path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        listed = set()
    every = tuple(tenants)
    told: set[str] = set()
    for each in named:
        optional = not each.needed and owner_of(each.name, every) is not None
        if each.name in listed or each.name in told or optional or matches(each.name, PROCESS_VARIABLES):
            continue
        told.add(each.name)
        line = f"# {each.name}=" if is_secret_variable(each.name, "x" * 8) else f"# {each.name}=..."
        yield finding(
            "env-example",
            f"the variable {each.name} is not in {EXAMPLE}" + ("" if path.is_file() else ", which does not exist"),
            f"add the line: {line}",
            path=each.path,
            line=each.line,
            column=each.column,
        )


def not_set(named: Iterable[NamedVariable], environ: Mapping[str, str]) -> list[NamedVariable]:
    """Return the variables without a default that the environment does not have."""
    return [each for each in named if each.needed and not environ.get(each.name)]


def _names(text: str, tenant: str, store: str) -> Iterator[tuple[str, str | None]]:
    yield from variables_of(text)
    for reference in secrets_of(text) if store == "env" else ():
        name, key = split_secret(reference)
        try:
            yield variable_of(tenant, name, key or DEFAULT_KEY), None
        except ConfigError:
            continue  # its own finding says that the store cannot hold the name
