"""The report as SARIF 2.1.0, which GitHub's code scanning, GitLab, Azure DevOps and editors read.

Belongs here: this one format. Not here: what is in a report (`report`).
"""

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote

from etl.conventions.registry import RULES
from etl.conventions.reports.report import CheckReport, message
from etl.conventions.rule import CheckFinding, ConventionRule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "%SRCROOT%"


def sarif_report(report: CheckReport) -> str:
    """Return the report as SARIF. Paths are relative to the project's folder."""
    used = sorted({each.rule for each in report.findings})
    index = {rule: number for number, rule in enumerate(used)}
    run = {
        "tool": {
            "driver": {
                "name": "etl check",
                "version": _version(),
                "semanticVersion": _version(),
                "rules": [_rule(RULES[each]) for each in used],
            }
        },
        "invocations": [{"executionSuccessful": report.exit_code in (0, 1), "exitCode": report.exit_code}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, index, report) for each in report.findings],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: ConventionRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.reason.partition(". ")[0].rstrip(".") + "."},
        "fullDescription": {"text": rule.reason},
        "help": {"text": f"{rule.reason}\n\nRemedy: {rule.fix}."},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(finding: CheckFinding, index: dict[str, int], report: CheckReport) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if finding.path is not None:
        shown = report.shown_path(finding.path)
        artifact = {"uri": quote(shown)} if not shown.startswith("/") else {"uri": finding.path.as_uri()}
        physical: dict[str, Any] = {"artifactLocation": artifact}
        if not shown.startswith("/"):
            artifact["uriBaseId"] = _ROOT
        if finding.line is not None:
            region = {"startLine": finding.line}
            if finding.column is not None:
                region["startColumn"] = finding.column
            elif finding.end_line is not None:
                region["endLine"] = finding.end_line
            physical["region"] = region
        location["physicalLocation"] = physical
    name = " ".join(each for each in (finding.location, finding.subject) if each)
    if name:
        location["logicalLocations"] = [{"fullyQualifiedName": name}]
    level = "error" if report.strict else finding.severity
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": level,
        "message": {"text": f"{message(finding)}. Remedy: {finding.fix}"},
        "partialFingerprints": {"etlCheck/v1": _fingerprint(finding, report)},
    }
    return result | ({"locations": [location]} if location else {})


def _fingerprint(finding: CheckFinding, report: CheckReport) -> str:
    """Return what stays the same when lines move, so that a known finding is not reported as a new one."""
    path = report.shown_path(finding.path) if finding.path else ""
    parts = (finding.rule, path, finding.location, finding.subject, finding.problem)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _version() -> str:
    try:
        return version("tenant-etl")
    except PackageNotFoundError:
        return "0"
