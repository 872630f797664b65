"""What a rule of the conventions is, and what `etl check` says when a rule is broken.

Belongs here: the two models. Not here: the rules (`registry`), finding violations (`source_rules`, `check`), and
showing findings (`etl.conventions.reports`, `etl.cli.check`).
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Severity = Literal["error", "warning"]
Where = Literal["source", "definitions", "project", "places"]
RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z]+(-[a-z]+)*$")]


class ConventionRule(BaseModel):
    """One rule. Its id never changes, because comments and other tools name it.

    `where` says what is read: the text of Python files (never imported), the built definitions, the files of the
    project, or the places that a tenant's file names. `exit_code` is the code of `etl check` if the rule is broken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: RuleId
    where: Where
    severity: Severity
    reason: str
    violating: str
    conforming: str
    fix: str
    language: Literal["python", "yaml", "sh", "text"] = "python"
    exit_code: Literal[1, 2, 3] = 1


class CheckFinding(BaseModel):
    """One place where a rule is broken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: RuleId
    severity: Severity
    problem: str
    fix: str
    location: str = ""
    """The tenant, module or folder that was checked."""
    subject: str = ""
    """The asset, job, resource or variable; empty if only the place in a file is known."""
    path: Path | None = None
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    exit_code: Literal[1, 2, 3] = 1
