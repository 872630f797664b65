"""The rules of a task: validated when the DAG is parsed, rendered and validated again when the task runs.

Belongs here: which rules are fixed and which wait for the run. Not here: what a rule means (`etl.quality.rules`).

Airflow renders every text of a templated field with Jinja. In a regular expression `{#` or `{%` would be read as
Jinja, so that the rule would silently become another one. Rules without `{{` are therefore hidden from Jinja.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from etl.errors import QualityError
from etl.quality.rules import AnyRule, RuleFields, parse_rules

Rules: TypeAlias = Sequence[AnyRule | Mapping[str, Any]]
_LEAST, _GREATEST = -(2**63), 2**64 - 1
_STANDS_IN = {"type": "row_count", "min": 0}


class FixedRule:
    """One rule that Jinja does not touch. Airflow's pages show it as the author wrote it."""

    def __init__(self, rule: AnyRule) -> None:
        self.rule = rule

    def serialize(self) -> dict[str, Any]:
        """Return the rule as plain data; Airflow calls this to show it."""
        return dict(within_64_bits(self.rule.to_dict()))


def at_parse_time(rules: object) -> Any:  # noqa: ANN401  a reference to another task's XCom is returned as it is
    """Validate what can be validated before the run; return what the templated field holds.

    A reference to XCom and a rule with `{{` are validated when the task runs.
    """
    if not isinstance(rules, Sequence) or isinstance(rules, str):
        return rules
    parsed = parse_rules([_STANDS_IN if _is_templated(each) else each for each in rules])  # so that numbers fit
    return [each if _is_templated(each) else FixedRule(rule) for each, rule in zip(rules, parsed, strict=True)]


def at_run_time(rendered: object, *, severity: str | None = None) -> tuple[AnyRule, ...]:
    """Return the rules after Jinja and XCom. `severity` is given to the rules that do not name one."""
    if rendered is None:
        return ()
    if not isinstance(rendered, Sequence) or isinstance(rendered, str):
        raise QualityError(
            f"the rules are a {type(rendered).__name__}, not a list of rules", "give a list, or XCom that holds a list"
        )
    plain = [each.rule if isinstance(each, FixedRule) else each for each in rendered]
    if severity is not None:
        plain = [_with_severity(each, severity) for each in plain]
    return parse_rules(plain)


def within_64_bits(value: Any) -> Any:  # noqa: ANN401  any plain data
    """Return plain data in which a whole number of more than 64 bits is a text, which rules read as the same number.

    The parts of Airflow speak MessagePack to each other, which has no larger numbers.
    """
    if isinstance(value, int) and not _LEAST <= value <= _GREATEST:
        return str(value)
    if isinstance(value, Mapping):
        return {key: within_64_bits(each) for key, each in value.items()}
    return [within_64_bits(each) for each in value] if isinstance(value, list) else value


def _with_severity(rule: object, severity: str) -> object:
    if isinstance(rule, Mapping):
        return {"severity": severity, **rule}
    if isinstance(rule, RuleFields) and "severity" not in rule.model_fields_set:
        return rule.model_copy(update={"severity": severity})
    return rule


def _is_templated(value: object) -> bool:
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, Mapping):
        return any(map(_is_templated, value.values()))
    return isinstance(value, list | tuple) and any(map(_is_templated, value))
