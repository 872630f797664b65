"""Writes the whole file of a new tenant, and puts pipelines into the file of one that exists.

Belongs here: the text around the pipelines, and the place in a file where pipelines end. Not here: the text of a
pipeline (`pipeline_yaml`), files on the disk (`tenant_files`).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import yaml

from etl.errors import ConfigError
from etl.onboarding.limits import Limits
from etl.onboarding.pipeline_yaml import comment_lines, pipelines_yaml
from etl.onboarding.promise import SCHEDULE
from etl.onboarding.survey import Left, Survey

_PIPELINES_INDENT = 6
_HEAD = """\
# yaml-language-server: $schema=../tenant.schema.json
{intro}
tenant:
  id: {tenant}
  name: {name}
  group: {group}
  # owners: ["team:name"]          # who is told about this data: a team, or an e-mail address

  source_database:
    url: {url}
"""
_TAIL = """
  dbt: {{enabled: false}}
  jobs:
    daily_etl:
      description: Every pipeline of {name}, once a day
      schedule: {{cron: "{cron}", timezone: {zone}, auto_start: false}}   # {zone_why}
  notifications:
    - {{type: log, on: [sla, failure, quality]}}   # or slack, email, webhook, pagerduty, opsgenie
"""


@dataclass(frozen=True)
class Identity:
    """Who the new tenant is."""

    tenant: str
    name: str
    group: str
    group_why: str
    variable: str


def whole_file(identity: Identity, found: Survey, limits: Limits, today: date) -> str:
    """Return the text of a new config.yaml."""
    read = f"At most {limits.rows:,} rows of a table were read by a statement, for at most {limits.seconds} s"
    intro = (
        f"Proposed by `etl new {identity.tenant} --from {identity.variable}` on {today} from "
        f"{len(found.proposals)} tables and views. Each choice has its reason behind it. {read}: the first and "
        f"the newest rows. Rules about keys that the database declares are errors. Rules that were learned from rows "
        f"are warnings, which stop nothing; so are foreign keys, because their tables are read one after the other. "
        f"Review the file, then run `etl check {identity.tenant} --connect`."
    )
    group = f"{identity.group}   # {identity.group_why}" if identity.group_why else identity.group
    head = _HEAD.format(
        intro=_comment(intro, 0),
        tenant=identity.tenant,
        name=_quoted(identity.name),
        group=group,
        url=f"${{{identity.variable}}}",
    )
    if found.schema is not None:
        head += f"    schema: {_quoted(found.schema)}\n"
    left = left_out(found.left, 2)
    pipelines = pipelines_yaml(found.proposals, found.schema, _PIPELINES_INDENT)
    tail = _TAIL.format(
        name=_quoted_inside(identity.name), cron=SCHEDULE, zone=found.zone.name, zone_why=found.zone.why
    )
    return f"{head}\n  warehouse: {{type: duckdb}}\n\n{left}  assets:\n    pipelines:\n{pipelines}{tail}"


def left_out(tables: Iterable[Left], indent: int) -> str:
    """Return comments that name the tables which are left out; empty if there are none."""
    return "".join(_comment(f"Left out: {each.table}: {each.why}", indent) + "\n" for each in tables)


def with_pipelines(text: str, found: Survey, file: str) -> str:
    """Return the text of a file with more pipelines behind its last one. All its lines stay as they are."""
    block = _pipelines_node(text, file)
    indent = block.value[-1][0].start_mark.column
    lines = text.splitlines(keepends=True)
    at = _line_behind(lines, block)
    newline = "\r\n" if "\r\n" in text else "\n"
    added = left_out(found.left, indent) + pipelines_yaml(found.proposals, found.schema, indent)
    if at and not lines[at - 1].endswith(("\n", "\r")):
        lines[at - 1] += newline
    return "".join([*lines[:at], added.replace("\n", newline), *lines[at:]])


def _line_behind(lines: list[str], pipelines: yaml.MappingNode) -> int:
    """Return the first line behind the last pipeline, with the comments that belong to the pipelines."""
    key, value = pipelines.value[-1]
    end: int = max(key.end_mark.line + 1, _end_of(value) if value.start_mark.index > key.start_mark.index else 0)
    for number in range(end, len(lines)):
        stripped = lines[number].strip()
        depth = len(lines[number]) - len(lines[number].lstrip())
        if stripped and not (stripped.startswith("#") and depth >= key.start_mark.column):
            break
        end = number + 1 if stripped else end
    return end


def _end_of(node: yaml.Node) -> int:
    """Return the first line behind a node. PyYAML ends a block only where the next key begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        parts = last if isinstance(last, tuple) else (last,)
        return max(_end_of(each) for each in parts if each.start_mark.index >= node.start_mark.index)
    line, column = int(node.end_mark.line), int(node.end_mark.column)
    return line + 1 if column else line


def _pipelines_node(text: str, file: str) -> yaml.MappingNode:
    """Return the mapping of the pipelines, which has to be written as a block with one pipeline at least."""
    node: yaml.Node | None = yaml.compose(text, yaml.SafeLoader)
    tenant = _child(node, "tenant") or node
    pipelines = _child(_child(tenant, "assets"), "pipelines")
    if not isinstance(pipelines, yaml.MappingNode) or not pipelines.value or pipelines.flow_style:
        raise ConfigError(
            f"{file} has no `assets: pipelines:` as a block with a pipeline, behind which others could be added",
            "write the pipelines as a block, one key a line; or make a new tenant with `etl new NAME --from VARIABLE`",
        )
    return pipelines


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _comment(text: str, indent: int) -> str:
    return "\n".join(f"{' ' * indent}# {line}" for line in comment_lines(text, indent + 2).splitlines())


def _quoted(text: str) -> str:
    """JSON is YAML, so it can be used to quote a name with quotes and colons."""
    plain = text.replace(" ", "").replace("_", "").isalnum() and text[0].isalpha()
    return text if plain and text.lower() not in _WORDS else json.dumps(text.replace("$", "$$"), ensure_ascii=False)


def _quoted_inside(text: str) -> str:
    return " ".join("".join(each if each.isalnum() or each in " _-." else " " for each in text).split()) or "the tenant"


_WORDS = ("yes", "no", "on", "off", "true", "false", "null", "y", "n")
