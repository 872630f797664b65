"""Makes the pages about rules from the rules: `python -m etl.quality.reference > docs/quality-rules.md`.

Belongs here: turning the data of `describe_rules()` into words. Not here: what a rule means.
"""

import sys
from collections.abc import Mapping
from typing import Any

from etl.errors import QualityError
from etl.quality.engines.tasks import GREAT_EXPECTATIONS_RULES, PANDERA_RULES
from etl.quality.rules import describe_rules
from etl.suggest import did_you_mean

_INTRODUCTION = """\
# Quality rules

Generated from the rules by `python -m etl.quality.reference`; do not edit. `etl rules NAME` shows one of them in
the terminal, `etl rules suggest FILE.parquet` writes rules that the file passes.

A rule is a mapping in a pipeline's `quality: {rules: [...]}`, or a plain dict given to `etl.quality.check`:

```python
from etl.quality import check

result = check("orders.parquet", [{"column": "qty", "type": "in_range", "min": 0, "max": 150}])
result.status, result.describe()
```

A check without rules is refused: it would examine nothing.

## Every rule

- A null is neither good nor bad; only `not_null` judges it. NaN fails ranges. Nulls are not equal to each other.
- Counts are exact. A rule that cannot be judged (no such column, a type it does not know) is an `error`, never a pass.
- A **row** rule gives every row a verdict and can send it to quarantine; a **table** rule judges the table as a whole.

| argument | meaning |
|---|---|
| `severity` | `error` (default) fails the check, `warning` and `info` only report |
| `mostly` | share of the judged rows that has to be good, e.g. `0.99`; judged on exact counts |
| `where` | SQL condition; only rows for which it is TRUE are judged |
| `name` | name of the check; made from type and columns when left out |
| `description` | why the rule exists, for people |
| `stage` | in a pipeline only: `extract`, `transfer` or `load`, whose rows are judged |
"""
_ENGINES = """\
## Engines

`engine:` names the engine that judges. `truthound` (the default) and `polars` judge every rule above in the same way;
only `truthound` also judges `truthound: <validator>`. Validators of that library that can silently pass bad data are
refused, and the message says what to write instead. The other two engines judge only what their library judges exactly;
on some types they judge fewer rules.

A pipeline's configuration is refused, with file, line and column, if a rule can never have a verdict: a rule type that
the engine does not judge, a validator of Truthound that does not exist or does not take these arguments, a foreign key
to a pipeline that does not exist, a column that is not among the pipeline's `columns` (not checked after a transform,
because a transform can add columns), an engine whose library is not installed. A problem that only the data's types can
show is an `error` in the check.

No engine guesses. The following cases are an `error` with every engine; the message names the column or the condition:

- a rule about numbers, text or points in time on a column of another type, also on a column that holds only null
- a list or a struct as a key, compared with a bound or with a set; only `not_null` can judge such a column
- a set for a binary column
- the sum or the mean of 128-bit integers, or of decimals whose sum may not fit into 128 bits
- a 128-bit integer or a decimal compared with floats of another column
- a moment with a time zone compared with a moment without a time zone
- arithmetic in a condition that needs more than 38 digits
- columns with Python objects, and columns with a name like `^...$`, which Polars reads as a pattern

What the other two engines judge:

| engine | rules |
|---|---|
"""


def rules_page() -> str:
    """Return the whole page, as Markdown."""
    rules = describe_rules()
    overview = ["## Overview", "", "| rule | level | meaning |", "|---|---|---|"]
    overview += [f"| [`{each['type']}`](#{each['type']}) | {each['level']} | {each['summary']} |" for each in rules]
    rows = [
        f"| `{name}` | {', '.join(f'`{kind}`' for kind in sorted(kinds))} |"
        for name, kinds in (("great_expectations", GREAT_EXPECTATIONS_RULES), ("pandera", PANDERA_RULES))
    ]
    parts = [_INTRODUCTION, "\n".join([*overview, ""]), *map(_section, rules), _ENGINES + "\n".join([*rows, ""])]
    return "\n".join(parts)


def rule_page(name: str) -> str:
    """Return the page of one rule, as Markdown."""
    rules = {each["type"]: each for each in describe_rules()}
    if name not in rules:
        raise QualityError(f"there is no rule `{name}`{did_you_mean(name, rules)}", "`etl rules` lists every rule")
    return _section(rules[name])


def _section(rule: Mapping[str, Any]) -> str:
    lines = [f"## {rule['type']}", "", f"{rule['summary']} A {rule['level']} rule.", "", rule["judges"], ""]
    if rule["arguments"]:
        lines += ["| argument | default | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {_default(each)} | {each['about']} |" for name, each in rule["arguments"].items()]
        lines.append("")
    lines += [f"- null: {rule['null']}", f"- NaN: {rule['nan']}", f"- empty table: {rule['empty']}"]
    missing = [word for word in ("mostly", "where") if not rule[word]]
    if missing:
        lines.append(f"- does not take {' and '.join(f'`{word}`' for word in missing)}")
    return "\n".join([*lines, "", "```yaml", f"- {rule['example']}", "```", ""])


def _default(argument: Mapping[str, Any]) -> str:
    if argument["required"]:
        return "required"
    value = argument["default"]
    if value is None or value in ((), {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    sys.stdout.write(rules_page())
