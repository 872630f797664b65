"""The conventions that the product checks: groups, tiers, kinds, tags, names, and that nothing is run again by itself.

Belongs here: the rules about definitions, hand-written ones too, and where their values are configured. Does not: rules
about data (`etl.quality`), nor how findings are shown (`etl.cli.check`).
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from dagster import AssetsDefinition, Definitions
from dagster._core.definitions.dependency import NodeHandle
from pydantic import BaseModel, ConfigDict, ValidationError

from etl.errors import ConfigError
from etl.factories.kinds import ALLOWED_KINDS

NAME = re.compile(r"[a-z][a-z0-9_]*")


class Conventions(BaseModel):
    """`[tool.etl.conventions]` of pyproject.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: tuple[str, ...] = ("CD", "DS", "IS", "SS", "NPS")
    tiers: tuple[str, ...] = ("bronze", "silver", "gold")
    kinds: tuple[str, ...] = ALLOWED_KINDS
    required_tags: tuple[str, ...] = ("data_tier",)
    max_kinds: int = 3
    max_file_lines: int = 1500


class Violation(BaseModel):
    """One thing that does not keep a convention."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str
    problem: str
    remedy: str


def load_conventions(project_dir: Path) -> Conventions:
    """The project's conventions; those of the guidelines where pyproject.toml says nothing."""
    path = project_dir / "pyproject.toml"
    if not path.is_file():
        return Conventions()
    table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("etl", {}).get("conventions", {})
    try:
        return Conventions.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"[tool.etl.conventions] in {path}: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            f"known keys: {', '.join(Conventions.model_fields)}",
        ) from error


def violations(definitions: Definitions, conventions: Conventions) -> Iterator[Violation]:
    """Everything in a code location that does not keep the conventions."""
    for each in definitions.assets or ():
        if isinstance(each, AssetsDefinition):
            yield from _asset_violations(each, conventions)
    for job in definitions.resolve_all_job_defs():
        subject = f"job {job.name}"
        if "dagster/max_retries" in {**job.tags, **job.run_tags}:
            yield Violation(subject=subject, problem="is run again on failure", remedy="remove dagster/max_retries")
        for node in job.nodes:
            if job.get_retry_policy_for_handle(NodeHandle(node.name, None)) is not None:
                yield Violation(
                    subject=subject, problem=f"`{node.name}` has a retry policy", remedy="remove it: fail at once"
                )


def _asset_violations(assets: AssetsDefinition, conventions: Conventions) -> Iterator[Violation]:
    retries = assets.is_executable and assets.node_def is not None and getattr(assets.node_def, "retry_policy", None)
    for spec in assets.specs:
        subject = spec.key.to_user_string()
        if retries:
            yield Violation(subject=subject, problem="has a retry policy", remedy="remove it: fail at once")
        if spec.group_name not in conventions.groups:
            yield Violation(
                subject=subject,
                problem=f"group `{spec.group_name or 'default'}` is not allowed",
                remedy=f"one of {', '.join(conventions.groups)}",
            )
        for tag in conventions.required_tags:
            if tag not in spec.tags:
                yield Violation(subject=subject, problem=f"tag `{tag}` is missing", remedy=f"add the tag `{tag}`")
        tier = spec.tags.get("data_tier")
        if tier is not None and tier not in conventions.tiers:
            yield Violation(
                subject=subject,
                problem=f"data_tier `{tier}` is not a tier",
                remedy=f"one of {', '.join(conventions.tiers)}",
            )
        yield from _kind_violations(subject, spec.kinds, conventions)
        if not NAME.fullmatch(spec.key.path[-1]):
            yield Violation(
                subject=subject,
                problem=f"name `{spec.key.path[-1]}` is not lowercase",
                remedy="lowercase letters, digits and underscores",
            )


def _kind_violations(subject: str, kinds: set[str], conventions: Conventions) -> Iterator[Violation]:
    if len(kinds) > conventions.max_kinds:
        yield Violation(
            subject=subject, problem=f"has {len(kinds)} kinds", remedy=f"keep {conventions.max_kinds} at most"
        )
    for kind in sorted(kinds):
        if kind in conventions.tiers:
            yield Violation(
                subject=subject, problem=f"kind `{kind}` is a tier", remedy="say it in the tag `data_tier` only"
            )
        elif kind not in conventions.kinds:
            yield Violation(
                subject=subject, problem=f"kind `{kind}` is not an allowed one", remedy="see etl/factories/kinds.py"
            )
