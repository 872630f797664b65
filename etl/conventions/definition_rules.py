"""Judges built definitions: groups, tiers, kinds, tags, names, jobs, secrets, and no automatic rerun.

Belongs here: the rules about single definitions, hand-written ones too. Not here: rules across definitions
(`dependencies`, `registration`), rules about the text of files (`source_rules`), rules about data (`etl.quality`), and
how findings are shown (`etl.cli.check`).
"""

import re
from collections.abc import Iterator, Mapping
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
    TableSchema,
)

from etl.conventions.kinds import ALLOWED_KINDS
from etl.conventions.registry import finding
from etl.conventions.rule import CheckFinding
from etl.platform import Conventions
from etl.running.compat import NodeHandle
from etl.secrets.in_clear import is_secret
from etl.suggest import did_you_mean

_RETRY_TAG = "dagster/max_retries"
_TIER = "data_tier"
_PERSONAL = re.compile(
    r"(?:\w+_)?(?:e_?mail|phone|mobile|telephone|ssn|passport|birth_?(?:date|day)|date_of_birth|dob|iban|national_id"
    r"|resident_registration|social_security|credit_card|first_name|last_name|full_name|surname|home_address)"
    r"(?:_(?:address|number|no|nr))?",
    re.IGNORECASE,
)
Place = tuple[Path, int, int]


def violations(definitions: Definitions, jobs: list[JobDefinition], conventions: Conventions) -> Iterator[CheckFinding]:
    """Yield all violations by single definitions of a code location. `jobs` are the location's resolved jobs."""
    for each in definitions.assets or ():
        if isinstance(each, AssetsDefinition | AssetSpec):
            yield from _asset_violations(each, conventions)
    for job in jobs:
        yield from _job_violations(job)
    for schedule in definitions.schedules or ():
        if _RETRY_TAG in (getattr(schedule, "tags", None) or {}):
            yield finding("retry-tag", "its runs are run again on failure", subject=f"schedule {schedule.name}")
    for key, resource in (definitions.resources or {}).items():
        if isinstance(resource, ConfigurableResource):
            yield from _resource_violations(key, resource)


def _asset_violations(each: AssetsDefinition | AssetSpec, conventions: Conventions) -> Iterator[CheckFinding]:
    place = place_of(each) if isinstance(each, AssetsDefinition) else None
    if isinstance(each, AssetsDefinition):
        for found in (*_retry_of_asset(each), *_function_violations(each)):
            yield _at(found, place)
    for spec in each.specs if isinstance(each, AssetsDefinition) else [each]:
        for found in _spec_violations(spec, conventions):
            yield _at(found, place or _place_in_spec(spec))


def function_of(assets: AssetsDefinition) -> FunctionType | None:
    """Return the hand-written function of an asset, or None if the asset has no such function."""
    if not assets.is_executable or not isinstance(assets.node_def, OpDefinition):
        return None
    function = getattr(assets.node_def.compute_fn, "decorated_fn", None)
    return function if isinstance(function, FunctionType) else None


def place_of(assets: AssetsDefinition) -> Place | None:
    """Return the file of a hand-written asset, and its lines from the first decorator to the `def`."""
    function = function_of(assets)
    if function is None or "<locals>" in function.__qualname__:
        return None
    code = function.__code__
    path = Path(code.co_filename).resolve()
    first = code.co_firstlineno
    body = min((line for _, _, line in code.co_lines() if line is not None and line > first), default=first)
    return (path, first, max(first, body - 1)) if path.is_file() else None


def _place_in_spec(spec: AssetSpec) -> Place | None:
    """Return the place that the asset itself names as its code: for a tenant, the line of its YAML."""
    references = spec.metadata.get("dagster/code_references")
    for each in getattr(references, "code_references", ()):
        path, line = getattr(each, "file_path", None), getattr(each, "line_number", None)
        if path is not None:
            return Path(path).resolve(), line or 1, line or 1
    return None


def _at(found: CheckFinding, place: Place | None) -> CheckFinding:
    if place is None:
        return found
    return found.model_copy(update={"path": place[0], "line": place[1], "end_line": place[2]})


def _job_violations(job: JobDefinition) -> Iterator[CheckFinding]:
    subject = f"job {job.name}"
    tags = {**job.tags, **job.run_tags}
    if _RETRY_TAG in tags:
        yield finding("retry-tag", "it is run again on failure", subject=subject)
    if job.name.startswith("__"):
        return  # Dagster's own: nobody wrote it, and its steps are those of the assets
    for name in _retried(job, job.graph, None):
        yield finding("retry-policy", f"its step `{name}` has a retry policy", subject=subject)
    if not (job.description or "").strip():
        yield finding("job-without-description", "it has no description", subject=subject)
    if not _own_tags(tags):
        yield finding("job-without-tags", "it has no tags", subject=subject)


def _own_tags(tags: Mapping[str, str]) -> set[str]:
    return {each for each in tags if not each.lstrip(".").startswith("dagster/")}


def _retried(job: JobDefinition, graph: GraphDefinition, parent: NodeHandle | None) -> Iterator[str]:
    """Yield the steps that have a retry policy, at any depth of the graph."""
    for node in graph.nodes:
        handle = NodeHandle(node.name, parent)
        if isinstance(node.definition, GraphDefinition):
            yield from _retried(job, node.definition, handle)
        elif job.get_retry_policy_for_handle(handle) is not None:
            yield str(handle)


def _retry_of_asset(assets: AssetsDefinition) -> Iterator[CheckFinding]:
    policy = assets.is_executable and isinstance(assets.node_def, OpDefinition) and assets.node_def.retry_policy
    for spec in assets.specs if policy else ():
        yield finding("retry-policy", "it has a retry policy", subject=spec.key.to_user_string())


def _function_violations(assets: AssetsDefinition) -> Iterator[CheckFinding]:
    """A function must have its asset's name, unless it is made inside another function, as in a factory."""
    function = function_of(assets)
    specs = list(assets.specs)
    if function is None or len(specs) != 1 or "<locals>" in function.__qualname__:
        return
    key = specs[0].key
    if function.__name__ != key.path[-1]:
        yield finding(
            "name-differs",
            f"its function is called `{function.__name__}`",
            f"call it `{key.path[-1]}`, or the asset `{function.__name__}`",
            subject=key.to_user_string(),
        )


def _resource_violations(key: str, resource: ConfigurableResource) -> Iterator[CheckFinding]:  # type: ignore[type-arg]
    """Yield secrets that are written in the code. The value itself is never shown."""
    for field in type(resource).model_fields:
        value = getattr(resource, field)
        if isinstance(value, str) and not isinstance(value, EnvVar) and is_secret(field, value):
            yield finding("secret-in-resource", f"`{field}` is a secret in clear", subject=f"resource {key}")


def _spec_violations(spec: AssetSpec, conventions: Conventions) -> Iterator[CheckFinding]:
    subject = spec.key.to_user_string()
    if spec.group_name not in conventions.groups:
        group = spec.group_name or "default"
        problem = f"group `{group}` is not allowed{did_you_mean(group, conventions.groups)}"
        yield finding("group-not-allowed", problem, f"one of {', '.join(conventions.groups)}", subject=subject)
    yield from _tag_violations(subject, spec.tags, conventions)
    yield from _kind_violations(subject, spec.kinds, conventions)
    if not re.fullmatch(conventions.name_pattern, spec.key.path[-1]):
        problem = f"name `{spec.key.path[-1]}` is not allowed"
        fix = f"names match {conventions.name_pattern}: lowercase letters, digits and underscores"
        yield finding("name-pattern", problem, fix, subject=subject)
    if "pii" not in spec.tags and (columns := _personal_columns(spec)):
        yield finding(
            "pii-tag", f"{', '.join(columns)} may be about people, and the tag `pii` is missing", subject=subject
        )


def _tag_violations(subject: str, tags: Mapping[str, str], conventions: Conventions) -> Iterator[CheckFinding]:
    for tag in conventions.required_tags:
        if tag not in tags:
            rule = "tier-missing" if tag == _TIER else "tag-missing"
            yield finding(rule, f"tag `{tag}` is missing", f"add the tag `{tag}`", subject=subject)
    for tag in conventions.recommended_tags:
        if tag not in tags and tag not in conventions.required_tags:
            yield finding("domain-tag", f"tag `{tag}` is missing", f"add the tag `{tag}`", subject=subject)
    for tag in sorted({*conventions.required_tags, *conventions.recommended_tags} & tags.keys()):
        if not tags[tag]:
            yield finding("tag-without-value", f"tag `{tag}` has no value", subject=subject)
    tier = tags.get(_TIER)
    if tier and tier not in conventions.tiers:
        problem = f"data_tier `{tier}` is not a tier{did_you_mean(tier, conventions.tiers)}"
        yield finding("tier-unknown", problem, f"one of {', '.join(conventions.tiers)}", subject=subject)


def _kind_violations(subject: str, kinds: set[str], conventions: Conventions) -> Iterator[CheckFinding]:
    if len(kinds) > conventions.max_kinds:
        fix = f"keep {conventions.max_kinds} at most"
        yield finding("kinds-too-many", f"it has {len(kinds)} kinds", fix, subject=subject)
    allowed = ALLOWED_KINDS if conventions.kinds is None else conventions.kinds
    for kind in sorted(kinds):
        if kind in conventions.tiers:
            yield finding("tier-in-kinds", f"kind `{kind}` is a tier", subject=subject)
        elif kind not in allowed:
            problem = f"kind `{kind}` is not an allowed one{did_you_mean(kind, allowed)}"
            yield finding("kind-not-allowed", problem, subject=subject)


def _personal_columns(spec: AssetSpec) -> list[str]:
    schema = spec.metadata.get("dagster/column_schema")
    schema = getattr(schema, "value", schema)
    columns = schema.columns if isinstance(schema, TableSchema) else ()
    return [each.name for each in columns if _PERSONAL.fullmatch(each.name)]
