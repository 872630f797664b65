"""One check as data: what was examined, what was found, and the exit code that follows.

Belongs here: `CheckReport`, its JSON, and the paths that people and programs see. Not here: the other formats (one
module each), the text for people (`etl.cli.check_text`).
"""

import json
from dataclasses import dataclass
from pathlib import Path

from etl.conventions.location import JudgedLocation
from etl.conventions.rule import CheckFinding

FORMAT = 1


@dataclass(frozen=True)
class CheckReport:
    """Everything that one call of `etl check` has found."""

    locations: list[JudgedLocation]
    project_dir: Path
    environment: str
    strict: bool = False

    @property
    def findings(self) -> list[CheckFinding]:
        """All findings, by location."""
        return [finding for each in self.locations for finding in each.findings]

    @property
    def errors(self) -> list[CheckFinding]:
        """The findings that make the check fail: with `strict`, warnings too."""
        return [each for each in self.findings if self.strict or each.severity == "error"]

    @property
    def exit_code(self) -> int:
        """The code of docs/exit-codes.md: 2 before 1, and 3 only if nothing else is wrong."""
        codes = {each.exit_code for each in self.errors}
        return next((code for code in (2, 1, 3) if code in codes), 0)

    def shown_path(self, path: Path) -> str:
        """Return a path as it is shown: below the project's folder if it is there."""
        for folder in (self.project_dir, Path.cwd().resolve()):
            if path.is_relative_to(folder):
                return path.relative_to(folder).as_posix()
        return path.as_posix()


def message(finding: CheckFinding) -> str:
    """Return what is wrong, in one line."""
    return f"{finding.subject}: {finding.problem}" if finding.subject else finding.problem


def json_report(report: CheckReport) -> str:
    """Return the report as JSON."""
    content = {
        "format": FORMAT,
        "environment": report.environment,
        "exit_code": report.exit_code,
        "errors": len(report.errors),
        "warnings": len(report.findings) - len(report.errors),
        "locations": [
            {
                "name": each.name,
                "assets": each.assets,
                "jobs": each.jobs,
                "files": each.files,
                "seconds": round(each.seconds, 3),
                "findings": len(each.findings),
            }
            for each in report.locations
        ],
        "findings": [
            {
                **each.model_dump(mode="json", exclude={"path", "exit_code"}),
                "path": report.shown_path(each.path) if each.path else None,
            }
            for each in report.findings
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
