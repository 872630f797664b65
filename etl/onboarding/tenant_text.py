"""Writes the whole file of a new tenant, and puts pipelines into the file of one that exists.

Belongs here: the text around the pipelines, and the place in a file where pipelines end. Not here: the text of a
pipeline (`pipeline_yaml`), files on the disk (`tenant_files`).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from etl.config.changed_file import behind_last_pipeline
from etl.config.yaml_word import yaml_word
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
        tenant=yaml_word(identity.tenant),
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
    return behind_last_pipeline(
        text,
        lambda indent: left_out(found.left, indent) + pipelines_yaml(found.proposals, found.schema, indent),
        file,
    )


def _comment(text: str, indent: int) -> str:
    return "\n".join(f"{' ' * indent}# {line}" for line in comment_lines(text, indent + 2).splitlines())


def _quoted(text: str) -> str:
    """JSON is YAML, so it can be used to quote a name with quotes and colons."""
    plain = text.replace(" ", "").replace("_", "").isalnum() and text[0].isalpha()
    return text if plain and text.lower() not in _WORDS else json.dumps(text.replace("$", "$$"), ensure_ascii=False)


def _quoted_inside(text: str) -> str:
    return " ".join("".join(each if each.isalnum() or each in " _-." else " " for each in text).split()) or "the tenant"


_WORDS = ("yes", "no", "on", "off", "true", "false", "null", "y", "n")
