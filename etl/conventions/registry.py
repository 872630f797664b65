"""All rules of the conventions by their ids.

Belongs here: the one registry, and making a finding of a rule. Not here: the texts of the rules (`texts_of_source`,
`texts_of_definitions`, `texts_of_project`), and finding violations.
"""

from pathlib import Path

from etl.conventions.rule import CheckFinding, ConventionRule
from etl.conventions.texts_of_definitions import DEFINITION_RULES
from etl.conventions.texts_of_project import PROJECT_RULES
from etl.conventions.texts_of_source import SOURCE_FILE_RULES
from etl.errors import EtlError
from etl.suggest import did_you_mean

RULES: dict[str, ConventionRule] = {each.id: each for each in (*SOURCE_FILE_RULES, *DEFINITION_RULES, *PROJECT_RULES)}


def rule_named(name: str) -> ConventionRule:
    """Return the rule of that id. A name that no rule has is refused."""
    if name not in RULES:
        raise EtlError(f"there is no rule `{name}`{did_you_mean(name, RULES)}", "`etl check --rules` lists all rules")
    return RULES[name]


def finding(
    rule: str,
    problem: str,
    fix: str = "",
    *,
    subject: str = "",
    path: Path | None = None,
    line: int | None = None,
    column: int | None = None,
    end_line: int | None = None,
) -> CheckFinding:
    """Return a finding of the rule, with the rule's own severity and, if none is given, its own fix."""
    broken = RULES[rule]
    return CheckFinding(
        rule=rule,
        severity=broken.severity,
        exit_code=broken.exit_code,
        problem=problem,
        fix=fix or broken.fix,
        subject=subject,
        path=path,
        line=line,
        column=column,
        end_line=end_line,
    )
