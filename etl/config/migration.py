"""Rewrites a file of another tool, or of an older spelling, into a tenant's file. Comments stay where they are.

Belongs here: which steps a migration has, and what it reports. Not here: the tables of keys and words
(`keys_from_elsewhere`, `words_from_elsewhere`), changing a mapping with its comments (`commented`), the command.

A step changes only what has one meaning. Everything else stays as it is and is reported with the reason.
"""

import re
from dataclasses import dataclass, field
from difflib import unified_diff
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from etl.config.commented import indentation_of, line_of, mapping_at, own_keys, place, put, rename, take
from etl.config.findings import KeyPath
from etl.config.keys_from_elsewhere import from_elsewhere
from etl.config.migration_secrets import (
    SecretVariables,
    comments_with_secrets,
    hide,
    hide_in_comments,
    secrets_of_file,
)
from etl.config.migration_values import PIPELINES, items_of, keys_at, spelled_here
from etl.config.rewriting import Note, Rewriting
from etl.config.words_from_elsewhere import WORDS, word_from_elsewhere
from etl.errors import ConfigError
from etl.quality.rules import RULE_TYPES

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(slots=True)
class Migration:
    """The rewritten text, what was changed, and what was left to a person."""

    text: str = ""
    changed: list[Note] = field(default_factory=list)
    left: list[Note] = field(default_factory=list)
    secrets: frozenset[str] = frozenset()
    """The secrets that stood in clear, for hiding them."""

    def difference(self, before: str) -> list[str]:
        """Return the lines that differ from the text before, as in a patch, without any secret."""
        lines = unified_diff(before.splitlines(), self.text.splitlines(), "before", "after", lineterm="")
        return [hide_in_comments(hide(line, self.secrets), self.secrets) for line in lines]


def migrate(text: str, tenant: str) -> Migration:
    """Rewrite the text of a file for the tenant `tenant`. Raises ConfigError if the text is no YAML of one mapping."""
    writer = YAML()
    writer.width = 4096
    writer.preserve_quotes = True
    try:
        root = writer.load(text)
    except YAMLError as error:
        raise ConfigError("the file is no YAML", "correct it first; `etl check` names the line") from error
    if not isinstance(root, CommentedMap):
        raise ConfigError("the file holds no mapping", "a file of keys and values can be migrated")
    secrets = frozenset(secrets_of_file(root))
    done = Rewriting()
    _File(tenant, done, secrets).rewrite(root)
    said = "a secret stood in this comment: it is hidden, or it went with its key; change the secret"
    done.changed += [Note(line, "comment", said) for line in comments_with_secrets(text, secrets)]
    indent, offset = indentation_of(text)
    writer.indent(mapping=indent, sequence=offset + 2, offset=offset)
    stream = StringIO()
    writer.dump(root, stream)
    written = hide_in_comments(stream.getvalue(), secrets)
    return Migration(written, sorted(done.changed, key=_line), sorted(done.left, key=_line), secrets)


def _line(note: Note) -> int:
    return note.line


def _free(name: str, taken: CommentedMap) -> str:
    """Return the name, with a number if it is taken."""
    if name not in taken:
        return name
    return next(each for number in range(2, len(taken) + 3) if (each := f"{name}_{number}") not in taken)


class _File:
    """Walks a file from the outside to the inside."""

    def __init__(self, tenant: str, keys: Rewriting, secrets: frozenset[str]) -> None:
        self._tenant = tenant
        self._keys = keys
        self._secrets = secrets

    def rewrite(self, root: CommentedMap) -> None:
        tenant = self._tenant_in(root)
        self._one_source(tenant)
        self._keys.section(tenant, ())
        self._pipelines(tenant)
        for key in ("source_database", "warehouse", "storage", "dbt", "sla"):
            if isinstance(tenant.get(key), CommentedMap):
                self._keys.section(tenant[key], (key,))
        for name, job in items_of(tenant.get("jobs")):
            self._job(job, ("jobs", name))
        for index, target in enumerate(tenant.get("notifications") or ()):
            if isinstance(target, CommentedMap):
                self._keys.section(target, ("notifications", index))
        self._connections(tenant)
        self._variables(tenant, ())
        SecretVariables(self._tenant, self._keys.did, self._keys.note).replace(tenant, root, self._secrets)
        for name, job in self._keys.jobs.items():
            put(tenant, ("jobs", name), job)

    def _tenant_in(self, root: CommentedMap) -> CommentedMap:
        """Return the mapping of the tenant's keys; a file with one tenant in a list or by its name is unwrapped."""
        if "tenants" in root and isinstance(root["tenants"], CommentedSeq | CommentedMap):
            inner = root["tenants"]
            several = list(inner.values()) if isinstance(inner, CommentedMap) else list(inner)
            if len(several) == 1 and isinstance(several[0], CommentedMap):
                line = line_of(root, "tenants")
                root["tenants"] = several[0]
                rename(root, "tenants", "tenant")
                self._keys.did(line, ("tenants",), "one tenant: its keys stand below `tenant`")
            else:
                self._keys.leave(root, "tenants", (), "a file holds one tenant: make a folder for each")
        if "tenant" not in root and len(root) == 1:
            name = next(iter(root))
            if isinstance(root[name], CommentedMap) and not from_elsewhere((), name) and name not in keys_at(()):
                line = line_of(root, name)
                rename(root, name, "tenant")
                self._keys.did(line, (name,), "the keys of the tenant stand below `tenant`")
        inner = root.get("tenant")
        tenant: CommentedMap = inner if isinstance(inner, CommentedMap) else root
        if tenant.get("id") != self._tenant and "id" in tenant:
            self._keys.did(line_of(tenant, "id"), ("id",), f"the id is the name of the folder: {self._tenant}")
            tenant["id"] = self._tenant
        return tenant

    def _one_source(self, tenant: CommentedMap) -> None:
        """A list with one source is the database of the tenant, and its tables are the pipelines."""
        sources = tenant.get("sources")
        several = list(sources) if isinstance(sources, CommentedSeq) else []
        if len(several) != 1 or not isinstance(several[0], CommentedMap) or "source_database" in tenant:
            return
        source, line = several[0], line_of(tenant, "sources")
        tenant["sources"] = source
        rename(tenant, "sources", "source_database")
        self._keys.did(line, ("sources",), "one source: it is `source_database` here")
        if "name" in source:
            self._keys.did(line_of(source, "name"), ("sources", 0, "name"), "left out: a tenant has one source")
            take(source, "name")
        for key in ("type", "dialect", "driver") if "url" in source else ():
            if key in source:
                self._keys.did(line_of(source, key), ("sources", 0, key), "left out: the URL says it")
                take(source, key)
        if "tables" in source and not {"assets", "tables", "streams"} & set(own_keys(tenant)):
            line = line_of(source, "tables")
            tables, _ = take(source, "tables")
            put(tenant, ("assets", "pipelines"), tables)
            place(tenant, "assets", line)
            place(tenant["assets"], "pipelines", line)
            self._keys.did(line, ("sources", 0, "tables"), "it is `assets: {pipelines: ...}` here")

    def _pipelines(self, tenant: CommentedMap) -> None:
        assets = tenant.get("assets")
        if not isinstance(assets, CommentedMap) or "pipelines" not in assets:
            return
        given = assets["pipelines"]
        if isinstance(given, CommentedSeq):
            assets["pipelines"] = self._by_name(given, line_of(assets, "pipelines"))
        for name in own_keys(assets["pipelines"]) if isinstance(assets["pipelines"], CommentedMap) else ():
            self._pipeline(assets["pipelines"], str(name))

    def _by_name(self, given: CommentedSeq, line: int) -> CommentedMap:
        """Turn a list of pipelines into a mapping by their names."""
        named = mapping_at(line, {})
        for each in given:
            if isinstance(each, str):
                named[each] = mapping_at(line, {})
            elif isinstance(each, CommentedMap):
                key = next((key for key in ("name", "table_name", "table", "id") if key in each), None)
                name = str(each[key]) if key is not None else f"pipeline_{len(named) + 1}"
                line_of_item = line_of(each, key) if key is not None else line
                if key in ("name", "id"):
                    take(each, key)
                if name in named:  # the same name in two schemas
                    if "query" not in each and "source_table" not in each:
                        put(each, ("source_table",), name)
                    name = _free(f"{each['schema']}_{name}" if "schema" in each else name, named)
                named[name] = each
                place(named, name, line_of_item)
        self._keys.did(line, PIPELINES, "each pipeline stands below its name")
        return named

    def _pipeline(self, pipelines: CommentedMap, name: str) -> None:
        line = line_of(pipelines, name)
        if pipelines[name] is None:
            pipelines[name] = mapping_at(line, {})
        pipeline = pipelines[name]
        if not isinstance(pipeline, CommentedMap):
            return
        path: KeyPath = (*PIPELINES, name)
        self._date_column(pipeline, path)
        self._keys.section(pipeline, path)
        self._source(pipeline, name, line)
        for part in ("partitions", "trino_output", "dbt_transform", "quality", "sla"):
            if isinstance(pipeline.get(part), CommentedMap):
                self._keys.section(pipeline[part], (*path, part))
        self._rules(pipeline, path)
        new = name if _NAME.fullmatch(name) else re.sub(r"\W+", "_", name.rpartition(".")[2]).lower().strip("_")
        if new != name and new not in pipelines:
            rename(pipelines, name, new)
            self._keys.did(line, path, f"the name of a pipeline has small letters, digits and `_`: {new}")

    def _date_column(self, pipeline: CommentedMap, path: KeyPath) -> None:
        """Move the column of time out of the partitions, where other tools have it."""
        partitions = pipeline.get("partitions")
        if not isinstance(partitions, CommentedMap) or not isinstance(partitions.get("column"), str):
            return
        if "date_column" not in pipeline and "keys" not in partitions:
            line = line_of(partitions, "column")
            column, comment = take(partitions, "column")
            put(pipeline, ("date_column",), column, comment)
            self._keys.did(line, (*path, "partitions", "column"), "it is `date_column` of the pipeline here")

    def _source(self, pipeline: CommentedMap, name: str, line: int) -> None:
        """Divide a table's name into schema and table; the name of a pipeline without a source is its table."""
        if "query" in pipeline or ("source_table" in pipeline and "source_schema" in pipeline):
            return
        written = pipeline.get("source_table", name)
        schema, _, table = str(written).rpartition(".")
        if "source_table" in pipeline and not schema:
            return
        put(pipeline, ("source_table",), table)
        said = f"the table is `source_table: {table}`"
        if schema:
            put(pipeline, ("source_schema",), schema)
            said += f", and its schema `source_schema: {schema}`"
        self._keys.did(line, (*PIPELINES, name), said)

    def _rules(self, pipeline: CommentedMap, path: KeyPath) -> None:
        if isinstance(pipeline.get("quality"), CommentedSeq):
            pipeline["quality"] = mapping_at(line_of(pipeline, "quality"), {"rules": pipeline["quality"]})
        quality = pipeline.get("quality")
        rules = quality.get("rules") if isinstance(quality, CommentedMap) else None
        if not isinstance(rules, CommentedSeq):
            return
        for index, rule in enumerate(rules):
            at: KeyPath = (*path, "quality", "rules", index)
            if isinstance(rule, CommentedMap) and "type" not in rule and len(rule) == 1:
                kind = str(next(iter(rule)))
                known = word_from_elsewhere((*at, "type"), kind) or kind
                inner = rule[kind]
                if known in RULE_TYPES and isinstance(inner, CommentedMap):
                    inner.insert(0, "type", known)
                    place(inner, "type", line_of(rule, kind))
                    rules[index] = inner
                    self._keys.did(line_of(rule, kind), at, f"the kind of the rule is `type: {known}`")
            if isinstance(rules[index], CommentedMap):
                self._keys.section(rules[index], at)

    def _job(self, job: Any, path: KeyPath) -> None:  # noqa: ANN401  whatever stands in the file
        if not isinstance(job, CommentedMap):
            return
        for key in ("pipelines", "assets"):
            if isinstance(job.get(key), CommentedSeq) and "selection" not in job:
                line = line_of(job, key)
                names = " or ".join(f"tag:pipeline={each}" for each in job[key])
                rename(job, key, "selection")
                job["selection"] = names
                self._keys.did(line, (*path, key), f"it is `selection: {names}` here")
        if isinstance(job.get("schedule"), str):
            job["schedule"] = mapping_at(line_of(job, "schedule"), {"cron": job["schedule"]})
            self._keys.did(line_of(job, "schedule"), (*path, "schedule"), "the cron is `schedule: {cron: ...}` here")
        if "enabled" in job:
            line, on = line_of(job, "enabled"), job["enabled"]
            take(job, "enabled")
            if isinstance(job.get("schedule"), CommentedMap):
                put(job, ("schedule", "auto_start"), bool(on))
            self._keys.did(line, (*path, "enabled"), "a job always exists; its schedule says `auto_start`")
        self._keys.section(job, path)
        if isinstance(job.get("schedule"), CommentedMap):
            self._keys.section(job["schedule"], (*path, "schedule"))

    def _connections(self, tenant: CommentedMap) -> None:
        """A connection that is only named elsewhere becomes a variable with its URL."""
        source = tenant.get("source_database")
        if isinstance(source, str) and "://" not in source and "$" not in source:
            name = f"{self._tenant.upper()}_SOURCE_URL"
            tenant["source_database"] = f"${{{name}}}"
            note = f"`{source}` is a name of another tool: set the variable {name} to the URL of the database"
            self._keys.did(line_of(tenant, "source_database"), ("source_database",), note)
        warehouse = tenant.get("warehouse")
        if isinstance(warehouse, str) and "://" not in warehouse and "$" not in warehouse:
            kind = WORDS["warehouse", "type"].get(warehouse.lower(), warehouse.lower())
            line = line_of(tenant, "warehouse")
            if kind in ("duckdb", "trino"):
                tenant["warehouse"] = mapping_at(line, {"type": kind})
                self._keys.did(line, ("warehouse",), f"the type is written `type: {kind}`")
            else:
                take(tenant, "warehouse")
                why = f"`{warehouse}` is a name of another tool: write `warehouse`, or keep the default, a DuckDB"
                self._keys.left.append(Note(line, "warehouse", why))

    def _variables(self, node: Any, path: KeyPath) -> None:  # noqa: ANN401  whatever stands in the file
        """Write the variables of connections and targets in the one way that there is here."""
        for key, value in items_of(node):
            at = (*path, key)
            if at[0] in ("source_database", "warehouse", "storage", "notifications"):
                if isinstance(value, str) and (spelled := spelled_here(value)) != value:
                    node[key] = spelled
                    line = line_of(node, key) if isinstance(node, CommentedMap) else int(node.lc.line or 0) + 1
                    shown = hide(spelled, self._secrets)
                    self._keys.did(line, at, f"a variable is written {shown}")
                self._variables(value, at)
