"""Writes proposed pipelines as YAML, with the reasons as comments.

Belongs here: the text of pipelines. Not here: the rest of a file (`tenant_text`), what is proposed (`proposal`).
"""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from importlib.util import find_spec
from io import StringIO
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from etl.onboarding.naming import shown
from etl.onboarding.proposal import Proposal
from etl.onboarding.sampling import TableSample
from etl.plural import counted

_WIDTH = 116
_STEP = 2
_TEXT = "tag:yaml.org,2002:str"
_PLAIN = re.compile(r"\w[\w .,()/$+-]*(?<! )")
_RESOLVER: Any = yaml.SafeLoader("")  # reads `no` and `2026-01-05` as other types than text
_LONGEST = 500
"""A longer comment of the database is cut."""


def pipelines_yaml(proposals: Iterable[Proposal], schema: str | None, indent: int) -> str:
    """Return the pipelines as block mappings, each line indented by `indent` blanks."""
    writer = YAML()
    writer.width = 1_000_000
    writer.indent(mapping=_STEP, sequence=2 * _STEP, offset=_STEP)
    texts = []
    for each in proposals:
        stream = StringIO()
        writer.dump(_block(each, schema, indent), stream)
        texts.append(textwrap.indent(stream.getvalue(), " " * indent))
    return "\n".join(texts)


def one_line(text: str) -> str:
    """Return text of the database on one line, without characters that no line of YAML may have."""
    flat = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return flat if len(flat) <= _LONGEST else f"{flat[:_LONGEST].rstrip()} ..."


def comment_lines(text: str, indent: int) -> str:
    """Return a comment wrapped to the width of a page, for lines that begin behind `indent` blanks."""
    return "\n".join(textwrap.wrap(one_line(text), max(40, _WIDTH - indent), break_long_words=False))


def _block(proposal: Proposal, schema: str | None, indent: int) -> CommentedMap:
    table, inner = proposal.table, _STEP
    pipeline = CommentedMap()
    if proposal.description:
        pipeline["description"] = _text(one_line(proposal.description))
    pipeline["source_table"] = _text(table.name)
    if table.schema_name != schema or "." in table.name:  # alone, a name with a dot is read as a schema and a table
        pipeline["source_schema"] = None if table.schema_name is None else _text(table.schema_name)
    if "." in table.name:
        _behind(pipeline, "source_schema", "the dot belongs to the name of the table")
    if proposal.sample.unreadable:
        pipeline["columns"] = _flow_list(proposal.sample.columns)
        reasons = "; ".join(f"`{name}`: {why}" for name, why in proposal.sample.unreadable.items())
        _before(pipeline, "columns", f"Left out: {reasons}", inner, indent)
    if proposal.partitions is not None:
        pipeline["date_column"] = _text(str(proposal.date_column))
        _behind(pipeline, "date_column", proposal.choice.why)
        pipeline["partitions"] = _flow(proposal.partitions.values)
        _before(pipeline, "partitions", proposal.partitions.whys, inner, indent)
    if proposal.mode == "upsert":
        pipeline["allow_empty"] = True
        _behind(pipeline, "allow_empty", "all rows of a day may have changed since, and be in later days")
    pipeline["save_to_trino"] = True
    pipeline["trino_output"] = _output(proposal)
    if proposal.personal:
        pipeline["pii_columns"] = _flow_list(proposal.personal)
        whys = "; ".join(f"{name}: {why}" for name, why in proposal.personal.items())
        _before(pipeline, "pii_columns", f"Never shown. {whys}", inner, indent)
    _add_quality(pipeline, proposal, indent)
    if proposal.promise.values is not None:
        values = proposal.promise.values
        pipeline["sla"] = CommentedMap({key: _flow(v) if isinstance(v, Mapping) else v for key, v in values.items()})
        _before(pipeline, "sla", proposal.promise.why, inner, indent)
    block = CommentedMap({proposal.name: pipeline})
    block.yaml_set_start_comment("\n".join(_head(proposal, indent)))
    return block


def _head(proposal: Proposal, indent: int) -> list[str]:
    sentences = [f"{shown(proposal.table)}: {rows_of(proposal.sample)}"]
    if proposal.table.is_view:
        sentences.append("a view, which the database computes at each read")
    if not proposal.key.columns:
        sentences.append(f"key: {proposal.key.why}")
    if proposal.partitions is None:
        sentences.append(_why_whole(proposal))
    if proposal.promise.values is None and proposal.choice.column is not None:
        sentences.append(f"no promise is proposed: {proposal.promise.why}")
    sentences += proposal.notes
    return [line for each in sentences for line in comment_lines(each, indent).splitlines()]


def _why_whole(proposal: Proposal) -> str:
    column = proposal.choice.column
    if column is None:
        return f"read whole by each run, and no promise is proposed: {proposal.choice.why}"
    return f"read whole by each run: {proposal.mode_why}; `{column.name}` could divide it ({proposal.choice.why})"


def rows_of(sample: TableSample) -> str:
    """Return the number of rows, and how many of them were read."""
    rows = counted(sample.rows, "row")
    if sample.whole:
        return f"{rows}, all read"
    return f"{'' if sample.counted else 'about '}{rows}, {sample.frame.height:,} of them read"


def _output(proposal: Proposal) -> CommentedMap:
    output = CommentedMap()
    if proposal.key.columns:
        output["key_columns"] = _flow_list(proposal.key.columns)
        _behind(output, "key_columns", proposal.key.why)
    if proposal.mode == "upsert" and proposal.date_column is not None:
        output["order_column"] = _text(proposal.date_column)
        _behind(output, "order_column", "of the rows with one key, the last change counts")
    output["mode"] = proposal.mode
    _behind(output, "mode", proposal.mode_why if proposal.partitions else "the table is read whole")
    return output


def _add_quality(pipeline: CommentedMap, proposal: Proposal, indent: int) -> None:
    rules = CommentedSeq()
    for each in proposal.rules.rules:
        rules.append(_flow(each.rule))
        rules.yaml_add_eol_comment(one_line(each.why), len(rules) - 1, column=1)
    quality = CommentedMap()
    if len(rules):
        if find_spec("truthound") is None:  # the usual engine is an extra
            quality["engine"] = "polars"
        quality["rules"] = rules
        pipeline["quality"] = quality
    if proposal.rules.notes:
        key = "quality" if len(rules) else next(reversed(pipeline))
        _before(pipeline, key, proposal.rules.notes, _STEP, indent)


def _flow(values: Mapping[str, Any]) -> CommentedMap:
    written = CommentedMap({key: _value(value) for key, value in values.items()})
    written.fa.set_flow_style()
    return written


def _flow_list(values: Iterable[str]) -> CommentedSeq:
    written = CommentedSeq(_text(each) for each in values)
    written.fa.set_flow_style()
    return written


def _value(value: Any) -> Any:  # noqa: ANN401  a value of YAML
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool | int | float | date) or value is None:
        return value
    if isinstance(value, Mapping):
        return _flow(value)
    if isinstance(value, Sequence):
        written = CommentedSeq(_value(each) for each in value)
        written.fa.set_flow_style()
        return written
    return _text(str(value))


def _text(value: str) -> str:
    """Return text that the readers of configurations read as this text: quoted if it looks like another type.

    In all keys of a pipeline `$$` is a dollar.
    """
    escaped = value.replace("$", "$$")
    plain = _RESOLVER.resolve(yaml.ScalarNode, escaped, (True, False)) == _TEXT and _PLAIN.fullmatch(escaped)
    return escaped if plain else DoubleQuotedScalarString(escaped)


def _behind(block: CommentedMap, key: str, why: str) -> None:
    block.yaml_add_eol_comment(one_line(why), key, column=1)


def _before(block: CommentedMap, key: str, why: str | Sequence[str], inner: int, indent: int) -> None:
    sentences = (why,) if isinstance(why, str) else why
    text = "\n".join(comment_lines(each, indent + inner) for each in sentences)
    block.yaml_set_comment_before_after_key(key, before=text, indent=inner)
