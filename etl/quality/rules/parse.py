"""Turns plain dicts into rules. An error lists all problems, each with its position and the nearest right name.

Belongs here: the union of all rules, parsing, unique names, the JSON Schema. Not here: the rules themselves.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter, ValidationError

from etl.errors import QualityError
from etl.plural import counted
from etl.quality.rules.fields import RuleFields
from etl.quality.rules.row_rules import (
    CompareColumns,
    Email,
    Expression,
    ForeignKey,
    InRange,
    InSet,
    IpAddress,
    Length,
    NonNegative,
    NotFuture,
    NotInSet,
    NotNull,
    NotPast,
    Positive,
    Regex,
    Unique,
    Url,
    Uuid,
)
from etl.quality.rules.table_rules import (
    ColumnExists,
    Dtype,
    MeanBetween,
    Monotonic,
    Recency,
    RowCount,
    SumBetween,
    Truthound,
    spell_out_truthound,
)
from etl.suggest import did_you_mean

RowRule = (
    NotNull
    | Unique
    | Regex
    | InRange
    | InSet
    | NotInSet
    | NotFuture
    | NotPast
    | Length
    | Positive
    | NonNegative
    | ForeignKey
    | Expression
    | Email
    | Url
    | Uuid
    | IpAddress
    | CompareColumns
)
TableRule = Dtype | ColumnExists | RowCount | Recency | Monotonic | MeanBetween | SumBetween | Truthound
AnyRule = RowRule | TableRule
"""Any rule of the vocabulary, as an annotation: one frozen model for each type."""
Rule = Annotated[AnyRule, Field(discriminator="type")]
"""The same as a field of a model of pydantic, which reads plain dicts by their `type`."""

RULE_TYPES: dict[str, type[RuleFields]] = {model.model_fields["type"].default: model for model in get_args(AnyRule)}
ROW_RULES: tuple[type[RuleFields], ...] = get_args(RowRule)

_RULE: TypeAdapter[AnyRule] = TypeAdapter(Rule)


class RuleError(QualityError):
    """Rules that cannot be read; `problems` lists every one of them with its position."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Show all problems, one per line."""
        super().__init__(
            "\n".join([f"the rules have {counted(len(problems), 'problem')}:", *(f"  - {each}" for each in problems)]),
            "`etl rules` lists every rule with its arguments and an example",
        )
        self.problems = tuple(problems)


def parse_rules(raw: Sequence[AnyRule | Mapping[str, Any]]) -> tuple[AnyRule, ...]:
    """Read rules. Raises one `RuleError` that lists all problems."""
    if isinstance(raw, str | bytes | Mapping) or not isinstance(raw, Sequence):
        raise RuleError(["rules are a list of mappings, such as [{column: id, type: not_null}]"])
    rules: list[AnyRule] = []
    problems: list[str] = []
    for position, item in enumerate(raw, start=1):
        if isinstance(item, RuleFields):
            rules.append(item)
            continue
        found = _read_one(position, item)
        if isinstance(found, list):
            problems.extend(found)
        else:
            rules.append(found)
    if problems:
        raise RuleError(problems)
    return tuple(rules)


def _read_one(position: int, item: object) -> AnyRule | list[str]:
    if not isinstance(item, Mapping):
        return [f"rule {position}: a rule is a mapping, not {type(item).__name__}"]
    spelled = spell_out_truthound(item) if "truthound" in item and "type" not in item else dict(item)
    kind = spelled.get("type")
    place = f"rule {position}" + (f" ({kind})" if isinstance(kind, str) else "")
    if kind is None:
        return [f"{place}: the rule has no `type`; it is one of {', '.join(sorted(RULE_TYPES))}"]
    if not isinstance(kind, str) or kind not in RULE_TYPES:
        return [f"rule {position}: there is no rule type `{kind}`{did_you_mean(str(kind), RULE_TYPES)}"]
    try:
        return _RULE.validate_python(spelled)
    except ValidationError as refused:
        return [f"{place}: {_describe(dict(each), RULE_TYPES[kind])}" for each in refused.errors(include_url=False)]


def _describe(error: dict[str, Any], model: type[RuleFields]) -> str:
    path = [str(step) for step in error["loc"][1:]]
    field = path[0] if path else ""
    if error["type"] == "extra_forbidden":
        return f"it has no argument `{field}`{did_you_mean(field, [*model.model_fields])}"
    if error["type"] == "missing":
        return f"it needs the argument `{field}`"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"`{field}`: {message}" if field else message


def check_names(rules: Sequence[AnyRule]) -> tuple[str, ...]:
    """Return a unique name for each rule, in order: a second `unique__id` becomes `unique__id_2`."""
    taken = Counter(rule.check_name for rule in rules)
    seen: Counter[str] = Counter()
    names: list[str] = []
    used: set[str] = set()
    for rule in rules:
        base = rule.check_name
        seen[base] += 1
        number = seen[base]
        name = base if number == 1 else f"{base}_{number}"
        while name in used or (number > 1 and name in taken):
            number += 1
            name = f"{base}_{number}"
        used.add(name)
        names.append(name)
    return tuple(names)


def rule_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of one rule, for editors."""
    schema = _RULE.json_schema()
    for kind, model in RULE_TYPES.items():
        entry = schema["$defs"][model.__name__]
        entry["description"] = f"{model.__doc__} {model.doc.judges}"
        entry["examples"] = [model.doc.example]
        entry["required"] = sorted({*entry.get("required", ()), "type"})
        entry["properties"]["type"] = {"const": kind}
    return schema


def describe_rules() -> tuple[dict[str, Any], ...]:
    """Return every rule as plain data: type, level, summary, arguments, what null, NaN and empty mean, an example."""
    described = []
    for kind, model in RULE_TYPES.items():
        own = {
            name: field
            for name, field in model.model_fields.items()
            if name not in RuleFields.model_fields and name != "type"
        }
        described.append(
            {
                "type": kind,
                "level": model.level,
                "summary": model.__doc__ or "",
                "judges": model.doc.judges,
                "arguments": {
                    name: {
                        "required": field.is_required(),
                        "default": None if field.is_required() else field.get_default(call_default_factory=True),
                        "about": field.description or "",
                    }
                    for name, field in own.items()
                },
                "mostly": model.takes_mostly,
                "where": model.takes_where,
                "null": model.doc.null,
                "nan": model.doc.nan,
                "empty": model.doc.empty,
                "example": model.doc.example,
            }
        )
    return tuple(described)
