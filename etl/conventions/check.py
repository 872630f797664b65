"""Checks the conventions for definitions: groups, tiers, kinds, tags, names, files, secrets, and no automatic rerun.

Belongs here: the rules about definitions, hand-written ones too, and where their values are configured. Not here: rules
about data (`etl.quality`), nor how findings are shown (`etl.cli.check`).
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType

from dagster import (
    AssetsDefinition,
    AssetSpec,
    ConfigurableResource,
    Definitions,
    EnvVar,
    GraphDefinition,
    JobDefinition,
    OpDefinition,
)
from pydantic import BaseModel, ConfigDict

from etl.conventions.kinds import ALLOWED_KINDS
from etl.platform import Conventions
from etl.running.compat import NodeHandle
from etl.secrets.in_clear import is_secret


class Violation(BaseModel):
    """One violation of a convention."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str
    problem: str
    remedy: str


def violations(definitions: Definitions, conventions: Conventions) -> Iterator[Violation]:
    """Yield all violations of the conventions in a code location."""
    for each in definitions.assets or ():
        if isinstance(each, AssetsDefinition):
            yield from _retry_of_asset(each)
            yield from _function_violations(each)
            for spec in each.specs:
                yield from _spec_violations(spec, conventions)
        elif isinstance(each, AssetSpec):
            yield from _spec_violations(each, conventions)
    for job in definitions.resolve_all_job_defs():
        yield from _job_violations(job)
    for schedule in definitions.schedules or ():
        if "dagster/max_retries" in (getattr(schedule, "tags", None) or {}):
            yield Violation(
                subject=f"schedule {schedule.name}",
                problem="its runs are run again on failure",
                remedy="remove dagster/max_retries",
            )
    for key, resource in (definitions.resources or {}).items():
        if isinstance(resource, ConfigurableResource):
            yield from _resource_violations(key, resource)


def file_violations(paths: Iterable[Path], conventions: Conventions) -> Iterator[Violation]:
    """Yield files that are longer than the conventions allow."""
    for path in sorted(set(paths)):
        count = len(path.read_text(encoding="utf-8", errors="replace").splitlines())
        if count > conventions.max_file_lines:
            yield Violation(
                subject=path.name,
                problem=f"has {count} lines, {conventions.max_file_lines} are allowed",
                remedy="divide it by subject or by tier",
            )


def files_of(definitions: Definitions) -> set[Path]:
    """Return the source files of a location's assets."""
    functions = (_function(each) for each in definitions.assets or () if isinstance(each, AssetsDefinition))
    return {path for each in functions if each and (path := Path(each.__code__.co_filename)).is_file()}


def _job_violations(job: JobDefinition) -> Iterator[Violation]:
    subject = f"job {job.name}"
    if "dagster/max_retries" in {**job.tags, **job.run_tags}:
        yield Violation(subject=subject, problem="is run again on failure", remedy="remove dagster/max_retries")
    if not job.name.startswith("__"):  # Dagster's own job of all assets would only repeat the assets' violations
        for name in _retried(job, job.graph, None):
            yield Violation(subject=subject, problem=f"`{name}` has a retry policy", remedy="remove it: fail at once")


def _retried(job: JobDefinition, graph: GraphDefinition, parent: NodeHandle | None) -> Iterator[str]:
    """Yield the steps that have a retry policy, at any depth of the graph."""
    for node in graph.nodes:
        handle = NodeHandle(node.name, parent)
        if isinstance(node.definition, GraphDefinition):
            yield from _retried(job, node.definition, handle)
        elif job.get_retry_policy_for_handle(handle) is not None:
            yield str(handle)


def _retry_of_asset(assets: AssetsDefinition) -> Iterator[Violation]:
    policy = assets.is_executable and isinstance(assets.node_def, OpDefinition) and assets.node_def.retry_policy
    for spec in assets.specs if policy else ():
        yield Violation(
            subject=spec.key.to_user_string(), problem="has a retry policy", remedy="remove it: fail at once"
        )


def _function(assets: AssetsDefinition) -> FunctionType | None:
    """Return the hand-written function of an asset, or None if the asset has no such function."""
    compute = assets.node_def.compute_fn if isinstance(assets.node_def, OpDefinition) else None
    function = getattr(compute, "decorated_fn", None)
    return function if isinstance(function, FunctionType) else None


def _function_violations(assets: AssetsDefinition) -> Iterator[Violation]:
    """A function must have its asset's name, unless it is made inside another function, as in a factory."""
    function = _function(assets) if assets.is_executable else None
    specs = list(assets.specs)
    if function is None or len(specs) != 1 or "<locals>" in function.__qualname__:
        return
    key = specs[0].key
    if function.__name__ != key.path[-1]:
        yield Violation(
            subject=key.to_user_string(),
            problem=f"its function is called `{function.__name__}`",
            remedy=f"call it `{key.path[-1]}`, or the asset `{function.__name__}`",
        )


def _resource_violations(key: str, resource: ConfigurableResource) -> Iterator[Violation]:  # type: ignore[type-arg]
    """Yield secrets that are written in the code. The value itself is never shown."""
    for field in type(resource).model_fields:
        value = getattr(resource, field)
        if isinstance(value, str) and not isinstance(value, EnvVar) and is_secret(field, value):
            yield Violation(
                subject=f"resource {key}", problem=f"`{field}` is a secret in clear", remedy='dg.EnvVar("...")'
            )


def _spec_violations(spec: AssetSpec, conventions: Conventions) -> Iterator[Violation]:
    subject = spec.key.to_user_string()
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
    if not re.fullmatch(conventions.name_pattern, spec.key.path[-1]):
        yield Violation(
            subject=subject,
            problem=f"name `{spec.key.path[-1]}` is not allowed",
            remedy=f"names match {conventions.name_pattern}: lowercase letters, digits and underscores",
        )


def _kind_violations(subject: str, kinds: set[str], conventions: Conventions) -> Iterator[Violation]:
    if len(kinds) > conventions.max_kinds:
        yield Violation(
            subject=subject, problem=f"has {len(kinds)} kinds", remedy=f"keep {conventions.max_kinds} at most"
        )
    for kind in sorted(kinds):
        if kind in conventions.tiers:
            yield Violation(
                subject=subject, problem=f"kind `{kind}` is a tier", remedy="write it only in the tag `data_tier`"
            )
        elif kind not in (ALLOWED_KINDS if conventions.kinds is None else conventions.kinds):
            yield Violation(
                subject=subject, problem=f"kind `{kind}` is not an allowed one", remedy="see etl/conventions/kinds.py"
            )
