"""Judges one code location: the text of its files, and its definitions if they can be built.

Belongs here: the order of the rules, and leaving out what comments allow. Not here: loading a location
(`etl.cli.check`), the rules.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dagster import AssetsDefinition, AssetSpec, Definitions, JobDefinition

from etl.conventions.allowances import without_allowed
from etl.conventions.definition_rules import violations
from etl.conventions.dependencies import unknown_dependencies
from etl.conventions.registration import unregistered, wrong_prefixes
from etl.conventions.registry import RULES
from etl.conventions.rule import CheckFinding
from etl.conventions.source_rules import SOURCE_RULES, JudgedSource
from etl.platform import Conventions
from etl.secrets.scrub import scrub

_OF_DEFINITIONS = tuple(each.id for each in RULES.values() if each.where == "definitions")


@dataclass
class JudgedLocation:
    """One tenant, module or folder that was checked."""

    name: str
    findings: list[CheckFinding] = field(default_factory=list)
    assets: int = 0
    jobs: int = 0
    files: int = 0
    seconds: float = 0.0
    path: Path | None = None
    """The file to which findings belong that have no place of their own."""
    is_location: bool = True
    """Whether it is one; false for what concerns all tenants together."""

    def add(self, findings: Iterable[CheckFinding]) -> None:
        """Note findings under the name of the location. Their texts may quote errors, and are scrubbed."""
        for each in findings:
            changed = {"problem": scrub(each.problem), "fix": scrub(each.fix), "location": self.name}
            self.findings.append(each.model_copy(update={**changed, "path": each.path or self.path}))


def judge_definitions(
    definitions: Definitions,
    jobs: list[JobDefinition],
    source: JudgedSource,
    conventions: Conventions,
    *,
    of_tenant: bool,
) -> list[CheckFinding]:
    """Return the violations of built definitions. A tenant's folder is its files' prefix."""
    found = [*violations(definitions, jobs, conventions), *unknown_dependencies(definitions)]
    found += unregistered(source.files, definitions, jobs)
    if not of_tenant:
        found += wrong_prefixes(definitions, conventions)
    return found


def resolved_jobs(definitions: Definitions) -> list[JobDefinition]:
    """Return the jobs of a location. Resolving selections costs time, so that resolved jobs are taken as they are."""
    jobs = list(definitions.jobs or ())
    resolved = [each for each in jobs if isinstance(each, JobDefinition)]
    return resolved if len(resolved) == len(jobs) else [*definitions.resolve_all_job_defs()]


def count_assets(definitions: Definitions) -> int:
    """Return the number of assets of a location."""
    several = (each for each in definitions.assets or () if isinstance(each, AssetsDefinition))
    single = sum(isinstance(each, AssetSpec) for each in definitions.assets or ())
    return single + sum(len(each.keys) for each in several)


def allowed_left_out(findings: Sequence[CheckFinding], source: JudgedSource, *, built: bool) -> list[CheckFinding]:
    """Return the findings that no comment allows, sorted by their place, and the comments that allow nothing."""
    judged = [*SOURCE_RULES, *(_OF_DEFINITIONS if built else ())]
    left = without_allowed(dict.fromkeys(findings), source.allowances, judged)
    return sorted(left, key=lambda each: (str(each.path or ""), each.line or 0, each.column or 0, each.rule))
