"""Makes the page about the conventions from the rules.

Belongs here: turning the registry and the list of the guidelines' lines into Markdown. Not here: the words of a rule
(`texts_of_source`, `texts_of_definitions`, `texts_of_project`), where the page is (`etl.cli.docs`).
"""

from collections.abc import Iterable

from etl.conventions.guideline import GUIDELINE
from etl.conventions.registry import RULES
from etl.conventions.rule import ConventionRule
from etl.platform import Conventions

_INTRODUCTION = """\
# Conventions

Generated from the rules by `etl docs`; do not edit.

`etl check` looks at tenants, and at any other code location of Dagster:

```sh
etl check                                   # every tenant of the project
etl check project_01 --env prod             # as in production: what is not set there is listed
etl check project_01 --connect              # and connect to everything that its file names
etl check --module my_project.definitions   # a hand-written location: its definitions and its whole package
etl check --source my_project               # only the text of Python files; nothing is imported
etl check --rule retry-loop                 # explain one rule; --rules lists them
etl check --format sarif --output check.sarif   # or json, junit, github
```

An **error** makes the check fail (exit code 1, or 2 if something cannot be loaded at all); a **warning** does so only
with `--strict`. [Exit codes](exit-codes.md) has the whole list.

**Source rules** read the text of Python files by its syntax tree. They look at a tenant's own Python (not its tests),
and for a hand-written location at all files of the packages in which its assets are written. Code is neither imported
nor run for them. Notebooks are not read. **Definition rules** look at the definitions that Dagster gets; for that the
location is loaded, as Dagster loads it. **Project rules** look at the project's other files.

## An exception

```python
for mirror in MIRRORS:
    try:
        add(mirror)
    except Exception:  # etl: allow swallowed-exception (the mirrors that answered are counted below)
        continue
```

The comment stands in the line of the finding, or alone in the line before. It names the rule and, in brackets, the
reason. For a built asset, its line is that of the decorator or the `def`. Without a reason the comment allows nothing,
and a comment that is no longer needed is told. A `# noqa:` of ruff for its rule of the same meaning counts as well
(`T201`, `BLE001`, `S105`, `PLC0415`, `UP035`), for an error only with a reason behind it.

## Settings

`[tool.etl.conventions]` in `pyproject.toml`:

| key | default |
|---|---|
"""
_TITLES = {
    "source": "Source rules",
    "definitions": "Definition rules",
    "project": "Project rules",
    "places": "Rules about places",
}
_LINES = """\
## What the guidelines say, and what checks it

The conventions come from a guideline for pipelines. Each of its lines is here with the rules that check it, or with the
reason why nothing does.

| section | line | rules | not checked |
|---|---|---|---|
"""


def conventions_page() -> str:
    """Return the whole page, as Markdown."""
    parts = [_INTRODUCTION, *_settings(), "\n"]
    for where, title in _TITLES.items():
        rules = [each for each in RULES.values() if each.where == where]
        parts.append(f"## {title}\n\n| rule | severity | |\n|---|---|---|\n")
        parts += [f"| [{each.id}](#{each.id}) | {each.severity} | {_first(each)} |\n" for each in rules]
        parts.append("\n")
        parts += [_section(each) for each in rules]
    parts.append(_LINES)
    for line in GUIDELINE:
        links = ", ".join(f"[{each}](#{each})" for each in line.rules)
        parts.append(f"| {line.section} | {_cell(line.says)} | {links} | {_cell(line.why_not)} |\n")
    return "".join(parts)


def _settings() -> Iterable[str]:
    for name, field in Conventions.model_fields.items():
        value = field.default
        shown = ", ".join(value) if isinstance(value, tuple) else str(value)
        shown = {
            "kinds": "the list of etl/conventions/kinds.py",
            "file_prefixes": "the group in lowercase and `_`",
        }.get(name, f"`{shown}`")
        yield f"| `{name}` | {shown} |\n"


def _section(rule: ConventionRule) -> str:
    code = f" Exit code {rule.exit_code}." if rule.exit_code != 1 else ""
    return (
        f"### {rule.id}\n\n{rule.reason}{code}\n\nBreaks the rule:\n\n{_block(rule, rule.violating)}\n"
        f"Keeps the rule:\n\n{_block(rule, rule.conforming)}\n**Remedy:** {rule.fix}.\n\n"
    )


def _block(rule: ConventionRule, text: str) -> str:
    lines = text.encode(errors="replace").decode().strip("\n").splitlines()
    if len(lines) > 40:  # noqa: PLR2004  an example of a long file
        lines = [lines[0], f"# ... {len(lines):,} lines"]
    return "```" + rule.language + "\n" + "\n".join(lines) + "\n```\n"


def _first(rule: ConventionRule) -> str:
    return _cell(rule.reason.partition(". ")[0].rstrip(".") + ".")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
