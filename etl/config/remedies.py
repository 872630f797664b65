"""What to write instead of a wrong value: the way out that stands at the end of a finding.

Belongs here: sentences for wrong types, wrong numbers and wrong forms, with the value as it would be right. Not here:
finding the mistakes (`validation`), names of keys and words of other tools (`keys_from_elsewhere`), mistakes between
values (`cross_checks`).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from etl.config.findings import KeyPath, shorten
from etl.config.sections import section_of
from etl.config.words_from_elsewhere import word_from_elsewhere
from etl.config.yaml_source import Node
from etl.quality.rules import RULE_TYPES
from etl.suggest import nearest

_CRON = re.compile(r"\S+( \S+){4}")
_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%?")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::00)?")
_ALL_OF_IT = 100

EXAMPLES: Mapping[str, str] = {
    "column": "column: id",
    "columns": "columns: [id]",
    "cron": 'cron: "0 6 * * *"',
    "deadline": 'deadline: "0 9 * * *"',
    "dtype": "dtype: integer",
    "expression": "expression: amount >= 0",
    "host": "host: smtp.example.com",
    "id": "id: acme",
    "left": "left: started_at",
    "max_age_hours": "max_age_hours: 26",
    "operator": 'operator: "<="',
    "pattern": "pattern: '^[A-Z]+$'",
    "right": "right: ended_at",
    "sender": "sender: etl@example.com",
    "to": "to: [data@example.com]",
    "url": "url: ${NAME_OF_A_VARIABLE}",
    "values": "values: [a, b]",
    "api_key": "api_key: ${NAME_OF_A_VARIABLE}",
    "routing_key": "routing_key: ${NAME_OF_A_VARIABLE}",
    "validator": "truthound: outlier",
}
"""For keys that may be missing, the line to write."""


def missing_key(path: KeyPath, key: str) -> str:
    """Return the line to write for a key that is missing."""
    if key == "to" and section_of(path) == "rule":
        return "write `to: name_of_a_pipeline`"
    return f"write `{EXAMPLES[key]}`" if key in EXAMPLES else f"write `{key}: ...`"


def missing_type(path: KeyPath, node: Node | None, types: tuple[str, ...]) -> str:
    """Return what to write for a rule or a notification without a type."""
    values = node.value if node is not None and isinstance(node.value, dict) else {}
    for key, value in values.items():
        if key in types:  # a rule as dbt writes it: by its name
            inner = value.value
            inside = (
                ", ".join(f"{name}: {each.text}" for name, each in inner.items()) if isinstance(inner, dict) else ""
            )
            return f"write {{type: {key}, {inside or 'column: ...'}}}"
        if key in ("rule", "check", "test", "rule_type", "kind"):
            return f"the kind of {'rule' if section_of(path) == 'rule' else 'target'} is `type`, not `{key}`"
    return ""


def wrong_kind(kind: str, path: KeyPath, node: Node | None) -> str:
    """Return what to write for a value of a wrong kind: a text for a list, a number for a mapping, and so on."""
    if node is None:
        return ""
    key = str(path[-1]) if path else ""
    if kind in ("tuple_type", "list_type"):
        return _for_list(key, node)
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return _for_mapping(path, key, node)
    if kind == "string_type":
        return _for_text(path, key, node)
    if kind in ("float_parsing", "float_type", "int_parsing", "int_type", "int_from_float"):
        return share_of(node.text) if "%" in node.text else _bare_number(node.text)
    if kind in ("bool_parsing", "bool_type") and _NAME.fullmatch(node.text):
        return f"`{key}` only says whether"
    return ""


def _bare_number(text: str) -> str:
    match = re.match(r"\s*([0-9][0-9,_ ]*(?:\.[0-9]+)?)", text)
    digits = re.sub(r"[,_ ]", "", match[1]) if match else ""
    return f"write the number alone: {digits}" if digits and digits != text else ""


def share_of(text: str) -> str:
    """Return the share that a percentage is: `95` and `95%` are 0.95."""
    match = _PERCENT.fullmatch(text.strip())
    if match is None or not 1 <= float(match[1]) <= _ALL_OF_IT:
        return ""
    return f"a share is from 0 to 1: {float(match[1]) / _ALL_OF_IT:.10g} is {match[1]} %"


def _for_list(key: str, node: Node) -> str:
    if isinstance(node.value, dict):
        if key == "rules":
            return "write each rule as an item: - {column: ..., type: ...}"
        if key == "notifications":
            return "write each target as an item: - {type: slack, url: ...}"
        return f"write only the names: [{', '.join(node.value)}]" if node.value else ""
    if isinstance(node.value, list) or not node.text:
        return ""
    items = [each.strip() for each in node.text.split(",") if each.strip()]
    return f"write [{', '.join(shorten(each) for each in items)}]"


def _for_mapping(path: KeyPath, key: str, node: Node) -> str:
    section = section_of(path)
    if isinstance(node.value, list):
        return _mapping_from_list(key, node)
    if node.value is None:
        return _empty(section, key)
    text = shorten(node.text)
    make = _MAPPINGS.get(section) or _MAPPINGS.get(key)
    made = make(text) if make is not None else ""
    return f"write {made}" if made else ""


def _empty(section: str, key: str) -> str:
    return f"write `source_table: {key}` below it, or remove it" if section == "pipeline" else "write its keys below it"


def _of_partitions(text: str) -> str:
    unit = word_from_elsewhere(("assets", "pipelines", "", "partitions", "by"), text) or (
        nearest(text, ("hour", "day", "week", "month")) or ""
    )
    return f"{{by: {unit}}}" if unit else "{start: 2026-01-31}"


def _of_freshness(text: str) -> str:
    return f"{{max_age_hours: {text}}}" if _PERCENT.fullmatch(text) else f'{{deadline: "{text}"}}'


def _of_rule(text: str) -> str:
    kind = text if text in RULE_TYPES else nearest(text, RULE_TYPES)
    return f"{{column: ..., type: {kind or 'not_null'}}}"


def _of_job(text: str) -> str:
    return f'{{schedule: {{cron: "{text}"}}}}' if _CRON.fullmatch(text) else f'{{selection: "{text}"}}'


_MAPPINGS: Mapping[str, Callable[[str], str]] = {
    "partitions": _of_partitions,
    "freshness": _of_freshness,
    "rule": _of_rule,
    "pipeline": lambda text: f"{{source_table: {text}}}",
    "job": _of_job,
    "schedule": lambda text: f'{{cron: "{text}"}}',
    "volume": lambda text: f"{{max_shrink: {text}}}",
    "dbt": lambda text: f"{{enabled: {text}}}" if text in ("true", "false") else f"{{project: {text}}}",
    "warehouse": lambda text: f"{{type: {text}}}",
    "storage": lambda text: f"{{bucket: {text}}}",
    "sla": lambda _: "{freshness: {max_age_hours: 26}, min_row_count: 1}",
    "trino_output": lambda text: f"{{target_table: {'...' if text in ('true', 'false') else text}}}",
    "quality": lambda _: "{rules: [{column: ..., type: not_null}]}",
    "tags": lambda text: f"{{{text}: yes}}",
    "environments": lambda _: "{prod: {...}}",
}
"""For a section or a key, how a single value is written as the mapping that is meant."""


def _mapping_from_list(key: str, node: Node) -> str:
    items: list[Node] = node.value if isinstance(node.value, list) else []
    if key == "quality":
        return "write the list below `quality: {rules: ...}`"
    if key in ("pipelines", "jobs"):
        first = items[0].value if items and isinstance(items[0].value, dict) else {}
        name = first["name"].text if "name" in first else "name"
        return f"write each below its name, without `-`: `{name}:`"
    texts = [each.text for each in items if each.text]
    if key == "tags" and texts:
        return "write {" + ", ".join(f'{shorten(each)}: ""' for each in texts) + "}"
    return "write a mapping, `key: value`, without `-`"


def _for_text(path: KeyPath, key: str, node: Node) -> str:
    if isinstance(node.value, dict):
        if list(node.value) == ["env"]:
            return f"a variable is written ${{{node.value['env'].text}}}"
        if path and isinstance(path[-1], int) and list(node.value) == ["team"]:
            return f"write `team:{node.value['team'].text}`, without a blank"
        if "name" in node.value:
            return f"write only the name: `{shorten(node.value['name'].text)}`"
        return "write one value"
    if isinstance(node.value, list):
        if key == "selection" and node.value:
            named = " or ".join(f"tag:pipeline={each.text}" for each in node.value)
            return f'write "{named}"'
        return "write one value, without [ ]"
    if node.value is None:
        return "write a blank behind the colon, and a value" if ":" in key else "write a value, or remove the key"
    return ""


_FITS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"is no (?:day|hour|week|month): write|\bno (?:day|hour|week|month) begins"), "{form}"),
    (re.compile(r"min (\S+) is greater than max (\S+):"), "write min: {1}, max: {0}"),
    (
        re.compile(r"min_row_count (\S+) is more than max_row_count (\S+)"),
        "write min_row_count: {1} and max_row_count: {0}",
    ),
    (re.compile(r"needs `min`, `max` or (?:both|`exact`)"), "write `min: ...`, `max: ...` or both"),
    (re.compile(r"not both|either `column` or `columns`"), "write one of the two"),
    (re.compile(r"has no meaning for"), "leave it out"),
    (re.compile(r"names a column twice"), "write each column once"),
    (re.compile(r"cron expression|is no (?:minute|hour|day of month|month|day of week)\b|a day that never comes"),
     'write minute hour day month weekday, such as "0 6 * * *" for each day at six'),
    (re.compile(r"a freshness promise needs"), 'write `deadline: "0 9 * * *"`, `max_age_hours: 26`, or both'),
    (re.compile(r"so it needs a deadline"), 'write `deadline: "0 9 * * *"` beside it'),
    (re.compile(r"is not a number, a date"), "write a number, a date, a time or a duration"),
    (re.compile(r"a number is meant, not true or false"), "write a whole number"),
    (re.compile(r"truth value is not a number"), "write a number"),
    (re.compile(r"unclosed character class"), "close the class with `]`"),
    (re.compile(r"unclosed group"), "close the group with `)`"),
    (re.compile(r"does not compile"), "correct the pattern; a sign that stands for itself has a backslash before it"),
    (re.compile(r"a job with `maintain`"), "leave out `selection` and `verify`"),
    (re.compile(r"does not begin a variable"), "write ${{NAME}}"),
    (re.compile(r"a secret is written|is reserved: a tenant's file"), "write ${{secret:name#key}}"),
    (re.compile(r"is not allowed|is not valid SQL|cannot be read as SQL|one condition"),
     "write a condition in SQL over the columns of the row, such as amount > 0 AND status = 'new'"),
)  # fmt: skip
_FORMS = {
    "day": "write a day as YYYY-MM-DD, such as 2026-01-31",
    "hour": "write an hour as YYYY-MM-DDTHH:00, such as 2026-01-31T06:00",
    "week": "write a week as YYYY-Www, such as 2026-W02",
    "month": "write a month as YYYY-MM, such as 2026-01",
}


def remedy_of(message: str, path: KeyPath) -> str:
    """Return the remedy for a sentence of a model, as far as the sentence tells it."""
    for pattern, remedy in _FITS:
        if match := pattern.search(message):
            unit = re.search(r"\b(day|hour|week|month)\b", message)
            return remedy.format(*match.groups(), form=_FORMS[unit[1]] if unit else "")
    key = str(path[-1]) if path else ""
    if key in ("where", "expression"):
        return "write a condition in SQL over the columns of the row, such as amount > 0 AND status = 'new'"
    return ""


def suggested_cron(text: str) -> str:
    """Return the cron that was probably meant by a text that is none."""
    words = text.split()
    if match := _CLOCK.fullmatch(text.strip()):
        return f"{int(match[2])} {int(match[1])} * * *"
    if len(words) == 6 and words[0] in ("0", "*"):  # noqa: PLR2004  six fields: seconds, then a cron
        return " ".join(words[1:])
    if f"@{text.lower()}" in ("@daily", "@hourly", "@weekly", "@monthly", "@yearly"):
        return f"@{text.lower()}"
    return ""


def bound_of(kind: str, context: Mapping[str, Any], node: Node | None) -> tuple[str, str]:
    """Return what a number or a length may be, and the remedy for a share that was written in per cent."""
    limits = {
        "greater_than": ("gt", "a number greater than {}"),
        "greater_than_equal": ("ge", "a number greater than or equal to {}"),
        "less_than": ("lt", "a number less than {}"),
        "less_than_equal": ("le", "a number less than or equal to {}"),
        "too_short": ("min_length", "at least one value"),
        "string_too_short": ("min_length", "at least one character"),
    }
    name, words = limits[kind]
    limit = context.get(name)
    number = f"{limit:g}" if isinstance(limit, int | float) else str(limit)
    remedy = share_of(node.text) if kind == "less_than_equal" and limit == 1 and node is not None else ""
    return words.format(number), remedy


FILLED = {"selection": 'write "*" for everything, or "tag:pipeline=..."', "query": "write SELECT ..."}
"""For keys that may not be blank, what to write."""
BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_short", "string_too_short")
